/* Canonical paths: a table of rules, and every short path against a second, slower definition. */
#include "common/path.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* Rows hold NUL bytes too, so lengths come from the literal. */
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct {
    struct slice target;
    enum path_status status;
    struct slice key;
} rows[] = {
    {TEXT("/"), PATH_OK, TEXT("/")},
    {TEXT("/a"), PATH_OK, TEXT("/a")},
    {TEXT("/a/b.html"), PATH_OK, TEXT("/a/b.html")},
    {TEXT("/a/"), PATH_OK, TEXT("/a/")},
    {TEXT("/a...b/..c/.d/e."), PATH_OK, TEXT("/a...b/..c/.d/e.")},
    {TEXT("/..."), PATH_OK, TEXT("/...")},
    {TEXT("/.../"), PATH_OK, TEXT("/.../")},
    /* dot segments, raw */
    {TEXT("/."), PATH_OK, TEXT("/")},
    {TEXT("/./"), PATH_OK, TEXT("/")},
    {TEXT("/a/."), PATH_OK, TEXT("/a/")},
    {TEXT("/a/./b"), PATH_OK, TEXT("/a/b")},
    {TEXT("/a/.."), PATH_OK, TEXT("/")},
    {TEXT("/a/b/.."), PATH_OK, TEXT("/a/")},
    {TEXT("/a/b/../"), PATH_OK, TEXT("/a/")},
    {TEXT("/a/b/../c"), PATH_OK, TEXT("/a/c")},
    {TEXT("/a/b/../../c"), PATH_OK, TEXT("/c")},
    /* never above the root */
    {TEXT("/.."), PATH_OK, TEXT("/")},
    {TEXT("/../"), PATH_OK, TEXT("/")},
    {TEXT("/../../etc/passwd"), PATH_OK, TEXT("/etc/passwd")},
    {TEXT("/a/../../../b"), PATH_OK, TEXT("/b")},
    /* dot segments, encoded in part or whole */
    {TEXT("/%2e"), PATH_OK, TEXT("/")},
    {TEXT("/%2E%2e"), PATH_OK, TEXT("/")},
    {TEXT("/a/%2e%2E/b"), PATH_OK, TEXT("/b")},
    {TEXT("/a/.%2e/b"), PATH_OK, TEXT("/b")},
    {TEXT("/a/%2e./b"), PATH_OK, TEXT("/b")},
    {TEXT("/a/%2e%2e%2e"), PATH_OK, TEXT("/a/...")},
    {TEXT("/%2ehidden"), PATH_OK, TEXT("/.hidden")},
    /* empty segments */
    {TEXT("//"), PATH_OK, TEXT("/")},
    {TEXT("///a//b///"), PATH_OK, TEXT("/a/b/")},
    {TEXT("//evil.example/x"), PATH_OK, TEXT("/evil.example/x")},
    {TEXT("/a//.."), PATH_OK, TEXT("/")},
    {TEXT("/a//../b"), PATH_OK, TEXT("/b")},
    /* decoded once */
    {TEXT("/%41%5a%61"), PATH_OK, TEXT("/AZa")},
    {TEXT("/a%20b"), PATH_OK, TEXT("/a b")},
    {TEXT("/%252e%252e/a"), PATH_OK, TEXT("/%2e%2e/a")},
    {TEXT("/%25"), PATH_OK, TEXT("/%")},
    {TEXT("/%25%32%65"), PATH_OK, TEXT("/%2e")},
    {TEXT("/a%3Fb"), PATH_OK, TEXT("/a?b")},
    {TEXT("/a%23b"), PATH_OK, TEXT("/a#b")},
    {TEXT("/a+b"), PATH_OK, TEXT("/a+b")},
    {TEXT("/a\\..\\b"), PATH_OK, TEXT("/a\\..\\b")},
    {TEXT("/%ff%fe"), PATH_OK, TEXT("/\xff\xfe")},
    {TEXT("/\xff"), PATH_OK, TEXT("/\xff")},
    {TEXT("/%C3%A9"), PATH_OK, TEXT("/\xc3\xa9")},
    {TEXT("/%0d%0a"), PATH_OK, TEXT("/\r\n")},
    /* a slash inside a segment: no key has one */
    {TEXT("/%2F"), PATH_ABSENT, TEXT("")},
    {TEXT("/a%2fb"), PATH_ABSENT, TEXT("")},
    {TEXT("/..%2f..%2fetc"), PATH_ABSENT, TEXT("")},
    {TEXT("/%2e%2e%2f"), PATH_ABSENT, TEXT("")},
    /* not a path */
    {TEXT(""), PATH_BAD, TEXT("")},
    {TEXT("a"), PATH_BAD, TEXT("")},
    {TEXT("*"), PATH_BAD, TEXT("")},
    {TEXT("%2Fa"), PATH_BAD, TEXT("")},
    {TEXT("/%00"), PATH_BAD, TEXT("")},
    {TEXT("/a%00.html"), PATH_BAD, TEXT("")},
    {TEXT("/a\0b"), PATH_BAD, TEXT("")},
    {TEXT("/\0"), PATH_BAD, TEXT("")},
    {TEXT("/%"), PATH_BAD, TEXT("")},
    {TEXT("/a%"), PATH_BAD, TEXT("")},
    {TEXT("/%4"), PATH_BAD, TEXT("")},
    {TEXT("/%4/"), PATH_BAD, TEXT("")},
    {TEXT("/%zz"), PATH_BAD, TEXT("")},
    {TEXT("/%4g"), PATH_BAD, TEXT("")},
    {TEXT("/%g4"), PATH_BAD, TEXT("")},
    {TEXT("/% 4"), PATH_BAD, TEXT("")},
    {TEXT("/%%41"), PATH_BAD, TEXT("")},
    {TEXT("/%u0041"), PATH_BAD, TEXT("")},
    {TEXT("/%2f%"), PATH_BAD, TEXT("")},
};

Test(path, canonical_table)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char buffer[PATH_BYTES_MAX];
        struct slice key = SLICE("untouched");
        enum path_status status = path_canonical(rows[i].target, buffer, &key);
        cr_expect(status == rows[i].status, "row %zu (%s): status %d", i, rows[i].target.bytes,
                  (int)status);
        struct slice wanted = status == PATH_OK ? rows[i].key : SLICE("untouched");
        cr_expect(slice_equal(key, wanted), "row %zu (%s): %.*s", i, rows[i].target.bytes,
                  (int)key.count, key.bytes);
    }
}

Test(path, canonical_input_is_not_copied)
{
    static const char *const targets[] = {
        "/", "/a", "/a/b/c.html", "/a/", "/a.b/c..d/e.", "/caf\xc3\xa9", "/a?b"};
    for (size_t i = 0; i < ARRAY_COUNT(targets); i++) {
        char buffer[PATH_BYTES_MAX] = "";
        struct slice target = slice_of_string(targets[i]);
        struct slice key = {0};
        cr_assert(path_canonical(target, buffer, &key) == PATH_OK);
        cr_expect(key.bytes == target.bytes && key.count == target.count, "%s", targets[i]);
        cr_expect(buffer[0] == '\0', "%s: the buffer was written", targets[i]);
    }
}

/* A path of `count` bytes: "/aaa...", with `tail` at its end. */
static char *long_path(size_t count, const char *tail)
{
    char *path = malloc(count);
    cr_assert(path != NULL);
    memset(path, 'a', count);
    path[0] = '/';
    memcpy(path + count - strlen(tail), tail, strlen(tail));
    return path;
}

Test(path, length_limit)
{
    static const struct {
        size_t count;
        const char *tail;
        enum path_status status;
        size_t key_bytes;
    } lengths[] = {
        {PATH_BYTES_MAX, "", PATH_OK, PATH_BYTES_MAX},
        {PATH_BYTES_MAX, "/", PATH_OK, PATH_BYTES_MAX},
        {PATH_BYTES_MAX + 1, "", PATH_ABSENT, 0},
        {PATH_BYTES_MAX + 1, "/", PATH_ABSENT, 0},
        {2 * PATH_BYTES_MAX, "", PATH_ABSENT, 0},
        {PATH_BYTES_MAX + 1, "//", PATH_OK, PATH_BYTES_MAX},
        {PATH_BYTES_MAX + 2, "%41", PATH_OK, PATH_BYTES_MAX},
        {PATH_BYTES_MAX + 3, "%41", PATH_ABSENT, 0},
        {PATH_BYTES_MAX - 2, "/..", PATH_OK, 1},
        {PATH_BYTES_MAX + 2, "/..", PATH_ABSENT, 0}, /* too long before its last segment goes */
        {PATH_BYTES_MAX + 1, "%", PATH_BAD, 0},
    };
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        char *path = long_path(lengths[i].count, lengths[i].tail);
        char buffer[PATH_BYTES_MAX];
        struct slice key = {0};
        enum path_status status =
            path_canonical((struct slice){path, lengths[i].count}, buffer, &key);
        cr_expect(status == lengths[i].status, "row %zu: status %d", i, (int)status);
        cr_expect(key.count == lengths[i].key_bytes, "row %zu: %zu bytes", i, key.count);
        free(path);
    }
}

/* ---- every short path ---- */

enum { SHORT_BYTES_MAX = 7 };

static int value_of_hex(char digit)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = memchr(digits, digit, sizeof digits - 1);
    return found == NULL ? -1 : (int)(found - digits);
}

/* One segment decoded. False if an escape is none. */
static bool decode_segment(struct slice text, char *out, size_t *out_count)
{
    size_t count = 0;
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        if (byte == '%') {
            int high = i + 1 < text.count ? value_of_hex(text.bytes[i + 1]) : -1;
            int low = i + 2 < text.count ? value_of_hex(text.bytes[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                return false;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        }
        out[count++] = byte;
    }
    *out_count = count;
    return true;
}

/* The definition again, as a stack of segments. `out` gets the key. */
static enum path_status expected_key(struct slice target, char out[SHORT_BYTES_MAX + 1],
                                     size_t *out_count)
{
    char segments[SHORT_BYTES_MAX][SHORT_BYTES_MAX];
    size_t counts[SHORT_BYTES_MAX];
    size_t depth = 0;
    bool is_absent = false;
    bool is_folder = false;
    for (size_t at = 1; at <= target.count;) {
        struct slice rest = slice_after(target, at);
        const char *slash = rest.count == 0 ? NULL : memchr(rest.bytes, '/', rest.count);
        struct slice raw = {rest.bytes, slash == NULL ? rest.count : (size_t)(slash - rest.bytes)};
        at += raw.count + 1;
        char text[SHORT_BYTES_MAX];
        size_t count;
        if (!decode_segment(raw, text, &count)) {
            return PATH_BAD;
        }
        struct slice segment = {text, count};
        is_absent |= memchr(text, '/', count) != NULL;
        is_folder = count == 0;
        if (slice_equal(segment, SLICE(".")) || slice_equal(segment, SLICE(".."))) {
            is_folder = true;
            depth -= count == 2 && depth > 0;
        } else if (count > 0) {
            memcpy(segments[depth], text, count);
            counts[depth++] = count;
        }
    }
    size_t used = 0;
    out[used++] = '/';
    for (size_t i = 0; i < depth; i++) {
        memcpy(out + used, segments[i], counts[i]);
        used += counts[i];
        if (i + 1 < depth || is_folder) {
            out[used++] = '/';
        }
    }
    *out_count = used;
    return is_absent ? PATH_ABSENT : PATH_OK;
}

static bool contains(struct slice text, struct slice part)
{
    return text.count > 0 && memmem(text.bytes, text.count, part.bytes, part.count) != NULL;
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.count >= end.count &&
           memcmp(text.bytes + text.count - end.count, end.bytes, end.count) == 0;
}

static void check_key(struct slice key)
{
    cr_assert(key.count > 0 && key.bytes[0] == '/');
    cr_assert(!contains(key, SLICE("//")) && !contains(key, SLICE("/./")) &&
              !contains(key, SLICE("/../")));
    cr_assert(!ends_with(key, SLICE("/.")) && !ends_with(key, SLICE("/..")));
    char encoded[PATH_ENCODED_BYTES_MAX];
    char buffer[PATH_BYTES_MAX];
    struct slice again;
    struct slice target = {encoded, path_encode(key, encoded)};
    cr_assert(path_canonical(target, buffer, &again) == PATH_OK);
    cr_assert(slice_equal(key, again), "%.*s became %.*s", (int)key.count, key.bytes,
              (int)again.count, again.bytes);
}

static void check_short_path(struct slice target)
{
    char buffer[PATH_BYTES_MAX];
    struct slice key = {0};
    enum path_status status = path_canonical(target, buffer, &key);
    if (target.count == 0 || target.bytes[0] != '/') {
        cr_assert(status == PATH_BAD);
        return;
    }
    char wanted[SHORT_BYTES_MAX + 1];
    size_t wanted_count;
    enum path_status wanted_status = expected_key(target, wanted, &wanted_count);
    cr_assert(status == wanted_status, "%.*s: status %d", (int)target.count, target.bytes,
              (int)status);
    if (status == PATH_OK) {
        cr_assert(slice_equal(key, (struct slice){wanted, wanted_count}), "%.*s: %.*s",
                  (int)target.count, target.bytes, (int)key.count, key.bytes);
        check_key(key);
    }
}

Test(path, every_short_path)
{
    static const char alphabet[] = {'/', '.', 'a', '%', '2', 'e', 'f'};
    size_t checked = 0;
    for (size_t count = 0; count <= SHORT_BYTES_MAX; count++) {
        size_t digits[SHORT_BYTES_MAX] = {0};
        for (bool is_done = false; !is_done;) {
            char text[SHORT_BYTES_MAX + 1] = "";
            for (size_t i = 0; i < count; i++) {
                text[i] = alphabet[digits[i]];
            }
            check_short_path((struct slice){text, count});
            checked++;
            size_t place = 0;
            while (place < count && ++digits[place] == ARRAY_COUNT(alphabet)) {
                digits[place++] = 0;
            }
            is_done = place == count;
        }
    }
    cr_expect(checked == 960800, "%zu", checked); /* (7^8 - 1) / 6 */
}

/* ---- encoding ---- */

static const struct {
    struct slice key;
    const char *encoded;
} encodings[] = {
    {TEXT("/"), "/"},
    {TEXT("/a-b_c.d~e"), "/a-b_c.d~e"},
    {TEXT("/!$&'()*+,;=:@"), "/!$&'()*+,;=:@"},
    {TEXT("/a b"), "/a%20b"},
    {TEXT("/%41"), "/%2541"},
    {TEXT("/a?b#c"), "/a%3Fb%23c"},
    {TEXT("/caf\xc3\xa9/"), "/caf%C3%A9/"},
    {TEXT("/\"<>\\^`{|}"), "/%22%3C%3E%5C%5E%60%7B%7C%7D"},
    {TEXT("/[x]"), "/%5Bx%5D"},
    {TEXT("/\x01\x7f\xff"), "/%01%7F%FF"},
    {TEXT("/\0"), "/%00"},
    {TEXT(""), ""},
};

Test(path, encode_table)
{
    for (size_t i = 0; i < ARRAY_COUNT(encodings); i++) {
        char buffer[PATH_ENCODED_BYTES_MAX];
        struct slice encoded = {buffer, path_encode(encodings[i].key, buffer)};
        cr_expect(slice_equal(encoded, slice_of_string(encodings[i].encoded)), "row %zu: %.*s", i,
                  (int)encoded.count, encoded.bytes);
    }
}

Test(path, encode_fills_its_limit)
{
    char key[PATH_BYTES_MAX];
    char buffer[PATH_ENCODED_BYTES_MAX];
    memset(key, 0xff, sizeof key);
    cr_expect(path_encode((struct slice){key, sizeof key}, buffer) == PATH_ENCODED_BYTES_MAX);
    cr_expect(memcmp(buffer + PATH_ENCODED_BYTES_MAX - 3, "%FF", 3) == 0);
}

/* ---- names of files ---- */

#define NOT_UTF8 "the name is not UTF-8"
#define CONTROL  "the name has a control character"
#define NO_URL   "no URL leads to this name"

static const struct {
    struct slice name;
    const char *problem;
} names[] = {
    {TEXT("a.html"), NULL},
    {TEXT("docs/a b.html"), NULL},
    {TEXT(".well-known/x"), NULL},
    {TEXT("100%"), NULL},
    {TEXT("what?.html"), NULL},
    {TEXT("a#b"), NULL},
    {TEXT("a\\b"), NULL},
    {TEXT("..."), NULL},
    {TEXT("..a"), NULL},
    /* RFC 3629 section 4: the first and last of each form, and their neighbours */
    {TEXT("\x7e"), NULL},
    {TEXT("\x80"), NOT_UTF8},
    {TEXT("\xbf"), NOT_UTF8},
    {TEXT("\xc0\x80"), NOT_UTF8},
    {TEXT("\xc1\xbf"), NOT_UTF8},
    {TEXT("\xc2\x80"), NULL},
    {TEXT("\xdf\xbf"), NULL},
    {TEXT("\xc2"), NOT_UTF8},
    {TEXT("\xc2\x7f"), NOT_UTF8},
    {TEXT("\xc2\xc0"), NOT_UTF8},
    {TEXT("\xe0\x80\x80"), NOT_UTF8},
    {TEXT("\xe0\x9f\xbf"), NOT_UTF8},
    {TEXT("\xe0\xa0\x80"), NULL},
    {TEXT("\xe1\x80\x80"), NULL},
    {TEXT("\xec\xbf\xbf"), NULL},
    {TEXT("\xed\x9f\xbf"), NULL},
    {TEXT("\xed\xa0\x80"), NOT_UTF8},
    {TEXT("\xed\xbf\xbf"), NOT_UTF8},
    {TEXT("\xee\x80\x80"), NULL},
    {TEXT("\xef\xbf\xbf"), NULL},
    {TEXT("\xe1\x80"), NOT_UTF8},
    {TEXT("\xe1\x80\x7f"), NOT_UTF8},
    {TEXT("\xe1\x80\xc0"), NOT_UTF8},
    {TEXT("\xf0\x80\x80\x80"), NOT_UTF8},
    {TEXT("\xf0\x8f\xbf\xbf"), NOT_UTF8},
    {TEXT("\xf0\x90\x80\x80"), NULL},
    {TEXT("\xf3\xbf\xbf\xbf"), NULL},
    {TEXT("\xf4\x8f\xbf\xbf"), NULL},
    {TEXT("\xf4\x90\x80\x80"), NOT_UTF8},
    {TEXT("\xf0\x90\x80"), NOT_UTF8},
    {TEXT("\xf0\x90\x80\xc0"), NOT_UTF8},
    {TEXT("\xf5\x80\x80\x80"), NOT_UTF8},
    {TEXT("\xf8\x88\x80\x80\x80"), NOT_UTF8},
    {TEXT("\xfe"), NOT_UTF8},
    {TEXT("\xff"), NOT_UTF8},
    {TEXT("ok/\xc3\xa9/\xc3"), NOT_UTF8},
    /* control characters */
    {TEXT("a\nb"), CONTROL},
    {TEXT("a\tb"), CONTROL},
    {TEXT("\x01"), CONTROL},
    {TEXT("\x1f"), CONTROL},
    {TEXT("a\x7f"), CONTROL},
    {TEXT("a\0b"), CONTROL},
    /* names that a URL cannot say */
    {TEXT("."), NO_URL},
    {TEXT(".."), NO_URL},
    {TEXT("a/../b"), NO_URL},
    {TEXT("a//b"), NO_URL},
    {TEXT("/a"), NO_URL},
    {TEXT(""), "the name is that of a folder"},
    {TEXT("docs/"), "the name is that of a folder"},
};

Test(path, name_problem_table)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        const char *problem = path_name_problem(names[i].name);
        bool is_right = (problem == NULL) == (names[i].problem == NULL) &&
                        (problem == NULL || strcmp(problem, names[i].problem) == 0);
        cr_expect(is_right, "row %zu: %s", i, problem == NULL ? "no problem" : problem);
    }
}

Test(path, name_length_limit)
{
    char name[PATH_BYTES_MAX];
    memset(name, 'a', sizeof name);
    cr_expect(path_name_problem((struct slice){name, PATH_BYTES_MAX - 2}) == NULL);
    for (size_t count = PATH_BYTES_MAX - 1; count <= PATH_BYTES_MAX; count++) {
        const char *problem = path_name_problem((struct slice){name, count});
        cr_expect(problem != NULL && strstr(problem, "longer than 4094") != NULL, "%zu", count);
    }
}
