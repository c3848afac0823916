/* Canonical paths, beside a slow way to make them: the segments in a list. */
#include "fuzz.h"

#include "common/path.h"
#include "common/utf8.h"

struct segments {
    size_t count;
    struct slice *at;
    size_t bytes; /* of the path that they make, each with its '/', and the root's */
};

static bool is_dots(struct slice segment, size_t dots)
{
    return segment.count == dots && memcmp(segment.bytes, "..", dots) == 0;
}

static int hex_value(char digit)
{
    static const char digits[] = "00112233445566778899aAbBcCdDeEfF";
    const char *at = digit == '\0' ? NULL : strchr(digits, digit);
    return at == NULL ? -1 : (int)(at - digits) / 2;
}

/* Decodes into `out`, which has room for it. False: an escape that is none, or NUL. */
static bool decode(struct slice text, char *out, struct slice *out_text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        if (byte == '%') {
            int high = i + 1 < text.count ? hex_value(text.bytes[i + 1]) : -1;
            int low = i + 2 < text.count ? hex_value(text.bytes[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return false;
            }
            byte = (char)(high * 16 + low);
            i += 2;
        }
        if (byte == '\0') {
            return false;
        }
        out[count++] = byte;
    }
    *out_text = (struct slice){out, count};
    return true;
}

/* Adds one segment of the path; *out_is_file: it is no folder. False: too long, or with a '/'. */
static bool add_segment(struct segments *segments, struct slice segment, bool is_last,
                        bool *out_is_file)
{
    bool is_good = memchr(segment.bytes, '/', segment.count) == NULL &&
                   segments->bytes + segment.count <= PATH_BYTES_MAX;
    *out_is_file = false;
    if (is_dots(segment, 2) && segments->count > 0) {
        segments->bytes -= segments->at[--segments->count].count + 1;
    } else if (segment.count > 0 && !is_dots(segment, 1) && !is_dots(segment, 2)) {
        segments->at[segments->count++] = segment;
        segments->bytes += segment.count + 1;
        is_good = is_good && (is_last || segments->bytes <= PATH_BYTES_MAX);
        *out_is_file = is_last;
    }
    return is_good;
}

/* As path_canonical(), into `out` of PATH_BYTES_MAX bytes. `room` is as long as the target. */
static enum path_status slow_canonical(struct slice target, char *room, struct segments *segments,
                                       char *out, size_t *out_bytes)
{
    if (target.count == 0 || target.bytes[0] != '/') {
        return PATH_BAD;
    }
    bool is_absent = false;
    bool is_file = false;
    struct slice rest = slice_after(target, 1);
    segments->count = 0;
    segments->bytes = 1;
    for (bool is_last = false; !is_last;) {
        size_t before = rest.count;
        struct slice segment = slice_take(&rest, '/');
        is_last = segment.count == before;
        if (!decode(segment, room, &segment)) {
            return PATH_BAD;
        }
        room += segment.count;
        is_absent |= !add_segment(segments, segment, is_last, &is_file);
    }
    if (is_absent) {
        return PATH_ABSENT;
    }
    size_t count = 0;
    out[count++] = '/';
    for (size_t i = 0; i < segments->count; i++) {
        memcpy(out + count, segments->at[i].bytes, segments->at[i].count);
        count += segments->at[i].count;
        if (!is_file || i + 1 < segments->count) {
            out[count++] = '/';
        }
    }
    *out_bytes = count;
    return PATH_OK;
}

/* A key, as a URL, leads to itself, and where it needs no encoding, as it is. */
static void check_key(struct slice key)
{
    char *encoded = malloc(3 * key.count);
    char *buffer = malloc(PATH_BYTES_MAX);
    size_t bytes = path_encode(key, encoded);
    struct slice again;
    FUZZ_CHECK(bytes <= 3 * key.count);
    FUZZ_CHECK(path_canonical((struct slice){encoded, bytes}, buffer, &again) == PATH_OK);
    FUZZ_CHECK(slice_equal(key, again));
    if (memchr(key.bytes, '%', key.count) == NULL) {
        FUZZ_CHECK(path_canonical(key, buffer, &again) == PATH_OK && slice_equal(key, again));
    }
    free(encoded);
    free(buffer);
}

static void check_target(struct slice target)
{
    char *room = malloc(target.count + 1);
    char *expected = malloc(PATH_BYTES_MAX);
    char *buffer = malloc(PATH_BYTES_MAX);
    struct segments segments = {.at = malloc((target.count + 1) * sizeof(struct slice))};
    size_t expected_bytes = 0;
    struct slice key = {"untouched", 9};
    enum path_status status = path_canonical(target, buffer, &key);
    FUZZ_CHECK(status == slow_canonical(target, room, &segments, expected, &expected_bytes));
    if (status == PATH_OK) {
        FUZZ_CHECK(slice_equal(key, (struct slice){expected, expected_bytes}));
        check_key(key);
    } else {
        FUZZ_CHECK(slice_equal(key, SLICE("untouched")));
    }
    free(segments.at);
    free(buffer);
    free(expected);
    free(room);
}

/* RFC 3629 by its code points. The length of the first sequence, 0 if it is none. */
static size_t slow_sequence_bytes(struct slice text)
{
    static const uint32_t least[] = {0, 1, 0x80, 0x800, 0x10000};
    uint8_t first = (uint8_t)text.bytes[0];
    size_t count = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : 4;
    uint32_t point = count == 1 ? first : first & (0x7fu >> count);
    if (count > text.count || (count == 4 && first >> 3 != 30)) {
        return 0;
    }
    for (size_t i = 1; i < count; i++) {
        if (((uint8_t)text.bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
        point = point << 6 | ((uint8_t)text.bytes[i] & 0x3f);
    }
    bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
    return point < least[count] || point > 0x10ffff || is_surrogate ? 0 : count;
}

static bool is_good_text(struct slice name)
{
    while (name.count > 0) {
        size_t count = slow_sequence_bytes(name);
        FUZZ_CHECK(count == utf8_sequence_bytes(name.bytes, name.count));
        if (count == 0 || (uint8_t)name.bytes[0] < 0x20 || name.bytes[0] == 0x7f) {
            return false;
        }
        name = slice_after(name, count);
    }
    return true;
}

/* What a file below the site's root may be called: "a/b". */
static void check_name(struct slice name)
{
    bool is_file = name.count > 0 && name.bytes[name.count - 1] != '/';
    bool is_good = is_file && name.count + 2 <= PATH_BYTES_MAX && is_good_text(name);
    for (struct slice rest = name; rest.count > 0;) {
        struct slice segment = slice_take(&rest, '/');
        is_good = is_good && segment.count > 0 && !is_dots(segment, 1) && !is_dots(segment, 2);
    }
    FUZZ_CHECK(is_good == (path_name_problem(name) == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice target = fuzz_input(bytes, count);
    check_target(target);
    check_name(target);
    check_name(slice_after(target, 1));
    return 0;
}
