/* Where a page takes in a script, beside the states of the tokenizer as the standard of HTML has
 * them (13.2.5), one byte after the other. Input: a page. */
#include "fuzz.h"

#include "http/html_start.h"

enum state {
    DATA,
    TAG_OPEN,
    END_TAG_OPEN,
    MARKUP,
    MARKUP_DASH,
    BOGUS_COMMENT,
    COMMENT_START,
    COMMENT_START_DASH,
    COMMENT,
    COMMENT_END_DASH,
    COMMENT_END,
    COMMENT_END_BANG,
    DOCTYPE,
    TAG_NAME,
    BEFORE_NAME,
    NAME,
    AFTER_NAME,
    SELF_CLOSING,
    BEFORE_VALUE,
    DOUBLE_QUOTED,
    SINGLE_QUOTED,
    AFTER_QUOTED,
    UNQUOTED,
    TAG_END,      /* behind the '>' of a tag, or of a doctype */
    COMMENT_OVER, /* the same of a comment */
    OVER,         /* something else: the beginning is read */
};

static bool is_space(char byte)
{
    return byte != '\0' && strchr(" \t\n\f\r", byte) != NULL;
}

static bool is_letter(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

static enum state comment_state(enum state state, char byte)
{
    switch (state) {
    case COMMENT_START:
        return byte == '-' ? COMMENT_START_DASH : byte == '>' ? COMMENT_OVER : COMMENT;
    case COMMENT_START_DASH:
        return byte == '-' ? COMMENT_END : byte == '>' ? COMMENT_OVER : COMMENT;
    case COMMENT:
        return byte == '-' ? COMMENT_END_DASH : COMMENT;
    case COMMENT_END_DASH:
        return byte == '-' ? COMMENT_END : COMMENT;
    case COMMENT_END:
        return byte == '>'   ? COMMENT_OVER
               : byte == '!' ? COMMENT_END_BANG
               : byte == '-' ? COMMENT_END
                             : COMMENT;
    case COMMENT_END_BANG:
        return byte == '>' ? COMMENT_OVER : byte == '-' ? COMMENT_END_DASH : COMMENT;
    default:
        return byte == '>' ? COMMENT_OVER : BOGUS_COMMENT;
    }
}

static enum state before_name_state(char byte)
{
    return is_space(byte) ? BEFORE_NAME : byte == '/' ? SELF_CLOSING : byte == '>' ? TAG_END : NAME;
}

static enum state attribute_state(enum state state, char byte)
{
    switch (state) {
    case NAME:
    case AFTER_NAME:
        return is_space(byte) ? AFTER_NAME
               : byte == '='  ? BEFORE_VALUE
               : byte == '/'  ? SELF_CLOSING
               : byte == '>'  ? TAG_END
                              : NAME;
    case BEFORE_VALUE:
        return is_space(byte) ? BEFORE_VALUE
               : byte == '"'  ? DOUBLE_QUOTED
               : byte == '\'' ? SINGLE_QUOTED
               : byte == '>'  ? TAG_END
                              : UNQUOTED;
    case DOUBLE_QUOTED:
        return byte == '"' ? AFTER_QUOTED : DOUBLE_QUOTED;
    case SINGLE_QUOTED:
        return byte == '\'' ? AFTER_QUOTED : SINGLE_QUOTED;
    case UNQUOTED:
        return is_space(byte) ? BEFORE_NAME : byte == '>' ? TAG_END : UNQUOTED;
    default:
        return before_name_state(byte);
    }
}

/* `word` is what stands behind the last '<' or "<!", with this byte. */
static enum state tag_state(enum state state, char byte, struct slice word)
{
    switch (state) {
    case DATA:
        return is_space(byte) ? DATA : byte == '<' ? TAG_OPEN : OVER;
    case TAG_OPEN:
        return byte == '!'       ? MARKUP
               : byte == '?'     ? BOGUS_COMMENT
               : byte == '/'     ? END_TAG_OPEN
               : is_letter(byte) ? TAG_NAME
                                 : OVER;
    case END_TAG_OPEN:
        return byte == '>' ? COMMENT_OVER : is_letter(byte) ? OVER : BOGUS_COMMENT;
    case MARKUP_DASH:
        return byte == '-' ? COMMENT_START : byte == '>' ? COMMENT_OVER : BOGUS_COMMENT;
    case MARKUP:
        if (byte == '-' && word.count == 1) {
            return MARKUP_DASH;
        }
        if (word.count > 7 ||
            !slice_equal_ignoring_case(word, (struct slice){"doctype", word.count})) {
            return byte == '>' ? COMMENT_OVER : BOGUS_COMMENT;
        }
        return word.count == 7 ? DOCTYPE : MARKUP;
    case DOCTYPE:
        return byte == '>' ? TAG_END : DOCTYPE;
    case TAG_NAME:
        return is_letter(byte) || strchr(" \t\n\f\r/>", byte) == NULL || byte == '\0'
                   ? TAG_NAME
                   : before_name_state(byte);
    default:
        return state <= COMMENT_END_BANG ? comment_state(state, byte)
                                         : attribute_state(state, byte);
    }
}

/* Which of what a page begins with this token is, 3: none. */
static size_t milestone_of(struct slice token)
{
    static const char *const words[] = {"<!doctype", "<html", "<head"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        struct slice word = slice_of_string(words[i]);
        char behind = token.count > word.count ? token.bytes[word.count] : 'x';
        bool is_word = token.count > word.count &&
                       slice_equal_ignoring_case((struct slice){token.bytes, word.count}, word);
        if (is_word && (i == 0 || is_space(behind) || behind == '/' || behind == '>')) {
            return i;
        }
    }
    return ARRAY_COUNT(words);
}

static size_t slow_find(struct slice page)
{
    size_t place = slice_starts_with(page, SLICE("\xef\xbb\xbf")) ? 3 : 0;
    size_t next = 0;  /* milestone that may come */
    size_t token = 0; /* where it begins */
    enum state state = DATA;
    for (size_t i = place; i < page.count && state != OVER && next < 3; i++) {
        token = state == DATA ? i : token;
        state =
            tag_state(state, page.bytes[i], (struct slice){page.bytes + token + 2, i - token - 1});
        if (state == TAG_END) {
            size_t found = milestone_of((struct slice){page.bytes + token, i - token + 1});
            state = found < next || found == 3 ? OVER : DATA;
            place = state == DATA ? i + 1 : place;
            next = found + 1;
        } else if (state == COMMENT_OVER) {
            state = DATA;
        }
    }
    return place;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice page = fuzz_input(bytes, count);
    size_t at = SIZE_MAX;
    bool is_wide =
        slice_starts_with(page, SLICE("\xfe\xff")) || slice_starts_with(page, SLICE("\xff\xfe"));
    FUZZ_CHECK(html_start_find(page, &at) == !is_wide);
    FUZZ_CHECK(is_wide ? at == SIZE_MAX : at == slow_find(page));
    return 0;
}
