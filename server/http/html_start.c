#include "http/html_start.h"

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\f' || byte == '\r';
}

static struct slice skip_spaces(struct slice text)
{
    while (text.count > 0 && is_space(text.bytes[0])) {
        text = slice_after(text, 1);
    }
    return text;
}

/* What is not closed ends with the page: there is nothing behind it. */
static const struct slice nothing = {NULL, 0};

/* What stands behind the first '>', looked for from `from` on. */
static struct slice behind_mark(struct slice text, size_t from)
{
    struct slice rest = slice_after(text, from);
    const char *found = rest.count == 0 ? NULL : memchr(rest.bytes, '>', rest.count);
    return found == NULL ? nothing : slice_after(rest, (size_t)(found - rest.bytes) + 1);
}

/* <?xml ...?>, <!ELEMENT ...>, </#...>: comments by the tokenizer's leniency. A doctype is none. */
static bool is_bogus_comment(struct slice text)
{
    static const struct slice doctype = SLICE("<!doctype");
    bool is_doctype = text.count >= doctype.count &&
                      slice_equal_ignoring_case((struct slice){text.bytes, doctype.count}, doctype);
    bool is_end_tag = slice_starts_with(text, SLICE("</")) && text.count > 2 &&
                      (unsigned char)((text.bytes[2] | 0x20) - 'a') < 26;
    return slice_starts_with(text, SLICE("<?")) ||
           (slice_starts_with(text, SLICE("</")) && !is_end_tag) ||
           (slice_starts_with(text, SLICE("<!")) && !is_doctype);
}

/* Behind a comment that begins with "<!--"; what lies behind its end is not read. "<!-->" and
 * "<!--->" are whole, "--!>" closes as well as "-->". */
static struct slice skip_dashes(struct slice text)
{
    struct slice rest = slice_after(text, 2);
    const char *found;
    while ((found = memchr(rest.bytes, '-', rest.count)) != NULL) {
        rest = slice_after(rest, (size_t)(found - rest.bytes));
        if (slice_starts_with(rest, SLICE("-->"))) {
            return slice_after(rest, 3);
        }
        if (found - text.bytes >= 4 && slice_starts_with(rest, SLICE("--!>"))) {
            return slice_after(rest, 4);
        }
        rest = slice_after(rest, 1);
    }
    return nothing;
}

/* Behind a comment. The text itself: there is none here. */
static struct slice skip_comment(struct slice text)
{
    if (slice_starts_with(text, SLICE("<!--"))) {
        return skip_dashes(text);
    }
    return is_bogus_comment(text) ? behind_mark(text, 2) : text;
}

/* Behind the attributes of a tag and its '>'. One in a quoted value does not end it; a quote begins
 * a value only behind '=' that follows a name. */
static struct slice skip_attributes(struct slice text)
{
    enum { BEFORE_NAME, NAME, BEFORE_VALUE, VALUE } state = BEFORE_NAME;
    char quote = '\0';
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        if (quote != '\0') {
            if (byte == quote) {
                quote = '\0';
                state = BEFORE_NAME;
            }
        } else if (byte == '>') {
            return slice_after(text, i + 1);
        } else if (state == BEFORE_VALUE && (byte == '"' || byte == '\'')) {
            quote = byte;
        } else if (state == NAME && byte == '=') {
            state = BEFORE_VALUE;
        } else if (state == NAME && byte == '/') {
            state = BEFORE_NAME;
        } else if (is_space(byte)) {
            state = state == VALUE ? BEFORE_NAME : state; /* a name may have spaces before '=' */
        } else if (state == BEFORE_VALUE) {
            state = VALUE;
        } else if (state == BEFORE_NAME && byte != '/') {
            state = NAME;
        }
    }
    return nothing;
}

/* Behind the tag of this name, or the doctype, that the text begins with. The text itself: there is
 * none, or it is not closed. What follows "<!doctype" is the doctype's, whatever it is. */
static struct slice skip_tag(struct slice text, struct slice name)
{
    bool is_doctype = name.bytes[0] == '!';
    bool is_there = text.count > name.count + 1 && text.bytes[0] == '<' &&
                    slice_equal_ignoring_case((struct slice){text.bytes + 1, name.count}, name);
    struct slice rest = slice_after(text, is_there ? name.count + 1 : 0);
    bool is_whole_name = is_there && (is_doctype || is_space(rest.bytes[0]) ||
                                      rest.bytes[0] == '/' || rest.bytes[0] == '>');
    if (!is_whole_name) {
        return text;
    }
    rest = is_doctype ? behind_mark(rest, 0) : skip_attributes(rest);
    return rest.bytes == NULL ? text : rest;
}

bool html_start_find(struct slice page, size_t *out_at)
{
    static const struct slice milestones[] = {SLICE("!doctype"), SLICE("html"), SLICE("head")};
    if (slice_starts_with(page, SLICE("\xfe\xff")) || slice_starts_with(page, SLICE("\xff\xfe"))) {
        return false;
    }
    struct slice rest = slice_after(page, slice_starts_with(page, SLICE("\xef\xbb\xbf")) ? 3 : 0);
    size_t at = page.count - rest.count;
    for (size_t next = 0; next < ARRAY_COUNT(milestones);) {
        struct slice token = skip_spaces(rest);
        rest = skip_comment(token);
        if (rest.bytes == NULL) {
            break;
        }
        if (rest.bytes != token.bytes) {
            continue;
        }
        size_t found = next;
        while (found < ARRAY_COUNT(milestones) && rest.bytes == token.bytes) {
            rest = skip_tag(token, milestones[found++]);
        }
        if (rest.bytes == token.bytes) {
            break;
        }
        at = page.count - rest.count;
        next = found;
    }
    *out_at = at;
    return true;
}
