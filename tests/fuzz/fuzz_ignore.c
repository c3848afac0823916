/* Patterns of ignore files, beside a matcher that tries everything. Input: a path, the folder that
 * the file is in, and the file's lines. */
#include "fuzz.h"

#include "packer/site/ignore.h"

#include <wctype.h>

enum { STEPS_MAX = 5000 };

/* ---- one pattern ---- */

/* A member of a set of bytes: is it in "[:name:]", by the C library's tables? They are those of the
 * C locale, for nothing sets another one. */
static bool in_class(struct slice name, unsigned char byte, bool *out_is_in)
{
    char text[16];
    if (name.count >= sizeof text || memchr(name.bytes, '\0', name.count) != NULL) {
        return false;
    }
    memcpy(text, name.bytes, name.count);
    text[name.count] = '\0';
    wctype_t type = wctype(text);
    *out_is_in = byte < 0x80 && type != 0 && iswctype(byte, type) != 0;
    return type != 0;
}

/* A pattern as bits: of one place, which bytes may stand there. */
struct place {
    enum { ONE, STAR, FOLDERS, ALL } kind;
    bool bytes[256];
};

struct places {
    size_t count;
    struct place *at;
};

/* Reads one byte of a set, with its '\'. False: the set does not end. */
static bool read_byte(struct slice *rest, unsigned char *out_byte)
{
    *rest = slice_after(*rest, slice_starts_with(*rest, SLICE("\\")));
    if (rest->count == 0) {
        return false;
    }
    *out_byte = fuzz_take_byte(rest);
    return true;
}

static bool read_class(struct slice *rest, bool bytes[256], bool *out_is_class)
{
    struct slice behind = slice_after(*rest, 2);
    const char *end = memchr(behind.bytes, ']', behind.count);
    size_t count = end == NULL ? 0 : (size_t)(end - behind.bytes);
    *out_is_class = count > 0 && end[-1] == ':';
    if (!*out_is_class) {
        return end != NULL;
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        bool is_in;
        if (!in_class((struct slice){behind.bytes, count - 1}, (unsigned char)byte, &is_in)) {
            return false;
        }
        bytes[byte] |= is_in;
    }
    *rest = slice_after(behind, count + 1);
    return true;
}

/* "[...]", behind its '['. False: it is none. */
static bool read_set(struct slice *rest, bool bytes[256])
{
    bool in_set[256] = {false};
    bool is_negated = rest->count > 0 && (rest->bytes[0] == '!' || rest->bytes[0] == '^');
    *rest = slice_after(*rest, is_negated);
    for (bool is_first = true; is_first || !slice_starts_with(*rest, SLICE("]"));
         is_first = false) {
        bool is_class = false;
        if (slice_starts_with(*rest, SLICE("[:")) && !read_class(rest, in_set, &is_class)) {
            return false;
        }
        unsigned char low, high;
        if (!is_class) {
            if (!read_byte(rest, &low)) {
                return false;
            }
            high = low;
            if (rest->count >= 2 && rest->bytes[0] == '-' && rest->bytes[1] != ']') {
                *rest = slice_after(*rest, 1);
                if (!read_byte(rest, &high)) {
                    return false;
                }
            }
            in_set[low] = true;
            for (unsigned byte = low; byte <= high; byte++) {
                in_set[byte] = true;
            }
        }
        if (rest->count == 0) {
            return false;
        }
    }
    *rest = slice_after(*rest, 1);
    for (unsigned byte = 0; byte < 256; byte++) {
        bytes[byte] = byte != '/' && in_set[byte] != is_negated;
    }
    return true;
}

/* Takes a pattern apart. False: it is none. */
static bool read_places(struct slice glob, struct places *places)
{
    struct slice rest = glob;
    places->count = 0;
    while (rest.count > 0) {
        struct place *place = &places->at[places->count++];
        bool starts_segment = rest.bytes == glob.bytes || rest.bytes[-1] == '/';
        unsigned char byte = fuzz_take_byte(&rest);
        memset(place, 0, sizeof *place);
        if (byte == '*') {
            size_t more = 0;
            while (more < rest.count && rest.bytes[more] == '*') {
                more++;
            }
            rest = slice_after(rest, more);
            bool is_whole = more > 0 && starts_segment;
            place->kind = is_whole && rest.count == 0                       ? ALL
                          : is_whole && slice_starts_with(rest, SLICE("/")) ? FOLDERS
                                                                            : STAR;
            rest = slice_after(rest, place->kind == FOLDERS);
        } else if (byte == '?') {
            memset(place->bytes, true, sizeof place->bytes);
            place->bytes['/'] = false;
        } else if (byte == '[') {
            if (!read_set(&rest, place->bytes)) {
                return false;
            }
        } else {
            if (byte == '\\' && rest.count == 0) {
                return false;
            }
            place->bytes[byte == '\\' ? fuzz_take_byte(&rest) : byte] = true;
        }
    }
    return glob.count > 0;
}

static bool matches(const struct places *places, size_t at, struct slice name, size_t *steps)
{
    if (*steps == 0) {
        return false;
    }
    --*steps;
    if (at == places->count) {
        return name.count == 0;
    }
    const struct place *place = &places->at[at];
    switch (place->kind) {
    case ONE:
        return name.count > 0 && place->bytes[(unsigned char)name.bytes[0]] &&
               matches(places, at + 1, slice_after(name, 1), steps);
    case ALL:
        return true;
    case FOLDERS:
        for (size_t i = 0; i <= name.count; i++) {
            if ((i == 0 || name.bytes[i - 1] == '/') &&
                matches(places, at + 1, slice_after(name, i), steps)) {
                return true;
            }
        }
        return false;
    default:
        for (size_t i = 0; i <= name.count; i++) {
            if (matches(places, at + 1, slice_after(name, i), steps)) {
                return true;
            }
            if (i < name.count && name.bytes[i] == '/') {
                return false;
            }
        }
        return false;
    }
}

/* ---- lines ---- */

enum answer { NO, YES, UNSURE, WRONG };

/* Does the pattern, without its '!', match the name? UNSURE: too many steps to tell. */
static enum answer ask(struct slice pattern, struct slice name, bool is_folder)
{
    struct slice glob = pattern;
    bool for_folders = glob.count > 0 && glob.bytes[glob.count - 1] == '/';
    glob.count -= for_folders;
    bool is_path = glob.count > 0 && memchr(glob.bytes, '/', glob.count) != NULL;
    glob = slice_after(glob, slice_starts_with(glob, SLICE("/")));
    struct places places = {0, malloc(glob.count * sizeof(struct place))};
    size_t steps = STEPS_MAX;
    enum answer answer = WRONG;
    if (read_places(glob, &places)) {
        const char *slash = is_path ? NULL : memrchr(name.bytes, '/', name.count);
        name = slash == NULL ? name : slice_after(name, (size_t)(slash + 1 - name.bytes));
        bool is_match = matches(&places, 0, name, &steps) && (is_folder || !for_folders);
        answer = steps == 0 ? UNSURE : is_match ? YES : NO;
    }
    free(places.at);
    return answer;
}

/* The pattern of a line, if there is one. */
static bool pattern_of_line(struct slice line, struct slice *out_pattern)
{
    if (line.count > 0 && line.bytes[line.count - 1] == '\r') {
        line.count--;
    }
    while (line.count > 0 && line.bytes[line.count - 1] == ' ') {
        size_t marks = 0;
        while (marks + 1 < line.count && line.bytes[line.count - 2 - marks] == '\\') {
            marks++;
        }
        if (marks % 2 == 1) {
            break; /* the space is escaped */
        }
        line.count--;
    }
    *out_pattern = line;
    return line.count > 0 && line.bytes[0] != '#';
}

/* The last line that matches decides. */
static enum answer ask_lines(struct slice lines, struct slice name, bool is_folder,
                             size_t *out_problems)
{
    enum answer answer = NO;
    *out_problems = 0;
    lines = slice_after(lines, slice_starts_with(lines, SLICE("\xef\xbb\xbf")) ? 3 : 0);
    while (lines.count > 0) {
        struct slice pattern;
        if (!pattern_of_line(slice_take(&lines, '\n'), &pattern)) {
            continue;
        }
        bool is_negated = pattern.bytes[0] == '!';
        enum answer one = ask(slice_after(pattern, is_negated), name, is_folder);
        *out_problems += one == WRONG;
        if (one == UNSURE) {
            answer = UNSURE;
        } else if (one == YES) {
            answer = is_negated ? NO : YES;
        }
    }
    return answer;
}

/* An option's pattern, for a file: any folder that it is in counts. */
static void check_option(struct slice pattern, struct slice name)
{
    bool is_negated = slice_starts_with(pattern, SLICE("!"));
    bool is_wrong = is_negated || ask(pattern, name, false) == WRONG;
    FUZZ_CHECK(is_wrong == (glob_problem(pattern) != NULL));
    bool is_found = glob_matches(pattern, name);
    bool expected = false;
    bool is_sure = !is_wrong;
    for (size_t i = 1; !is_wrong && i <= name.count; i++) {
        if (i == name.count || name.bytes[i] == '/') {
            enum answer answer = ask(pattern, (struct slice){name.bytes, i}, i < name.count);
            expected |= answer == YES;
            is_sure = is_sure && answer != UNSURE;
        }
    }
    FUZZ_CHECK(!is_wrong || !is_found);
    FUZZ_CHECK(!is_sure || is_found == expected);
}

static struct slice name_below(struct slice folder, struct slice name)
{
    bool is_below =
        folder.count == 0 || (name.count > folder.count + 1 && slice_starts_with(name, folder) &&
                              name.bytes[folder.count] == '/');
    return !is_below ? (struct slice){"", 0}
                     : slice_after(name, folder.count == 0 ? 0 : folder.count + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice lines = fuzz_input(bytes, count);
    struct slice name = slice_take(&lines, '\n');
    struct slice folder = slice_take(&lines, '\n');
    char *copy = fuzz_copy(lines);
    struct ignore_problems problems = {0};
    struct ignore *ignore = ignore_new();
    ignore_add(ignore, folder, (struct slice){copy, lines.count}, &problems);
    free(copy); /* the patterns are copied */
    struct slice below = name_below(folder, name);
    for (int is_folder = 0; is_folder < 2; is_folder++) {
        size_t wrong;
        enum answer answer = ask_lines(lines, below, is_folder, &wrong);
        bool is_left_out = ignore_matches(ignore, name, is_folder);
        FUZZ_CHECK(problems.count == wrong);
        FUZZ_CHECK(below.count > 0 || !is_left_out);
        FUZZ_CHECK(below.count == 0 || answer == UNSURE || is_left_out == (answer == YES));
    }
    if (name.count > 0) {
        check_option(slice_take(&lines, '\n'), name);
    }
    ignore_free(ignore);
    free(problems.rows);
    return 0;
}
