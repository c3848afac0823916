#include "common/pattern.h"

#include "common/path.h"

/* What is known to fail, so that it is not tried twice: (operator, position in the path). */
struct failures {
    uint64_t bits[PATTERN_CAPTURES_MAX][PATH_BYTES_MAX / 64 + 1];
};

struct matcher {
    struct slice pattern;
    struct slice path;
    unsigned flags;
    struct pattern_captures *captures;
    struct failures *failures; /* NULL: too few operators to need it */
};

static bool is_operator(char byte)
{
    return byte >= PATTERN_SPLAT && byte <= PATTERN_SUBTREE;
}

bool pattern_is_exact(struct slice pattern)
{
    for (size_t i = 0; i < pattern.count; i++) {
        if (is_operator(pattern.bytes[i])) {
            return false;
        }
    }
    return true;
}

static bool same_byte(const struct matcher *matcher, char a, char b)
{
    if (a == b) {
        return true;
    }
    unsigned char lower = (unsigned char)(a | 0x20);
    return (matcher->flags & PATTERN_IGNORE_CASE) != 0 && (a ^ b) == 0x20 && lower >= 'a' &&
           lower <= 'z';
}

/* Both at their ends, or at a slash before it where that does not matter. */
static bool is_end(const struct matcher *matcher, size_t in_pattern, size_t in_path)
{
    size_t left_pattern = matcher->pattern.count - in_pattern;
    size_t left_path = matcher->path.count - in_path;
    if (left_pattern == 0 && left_path == 0) {
        return true;
    }
    if ((matcher->flags & PATTERN_OPTIONAL_SLASH) == 0) {
        return false;
    }
    return (left_pattern == 0 && left_path == 1 && matcher->path.bytes[in_path] == '/') ||
           (left_path == 0 && left_pattern == 1 && matcher->pattern.bytes[in_pattern] == '/');
}

static bool matches_from(struct matcher *matcher, size_t in_pattern, size_t in_path,
                         unsigned operator_number);

/* The longest run that a placeholder may take. */
static size_t segment_bytes(struct slice path, size_t from)
{
    const char *slash = memchr(path.bytes + from, '/', path.count - from);
    return slash == NULL ? path.count - from : (size_t)(slash - path.bytes) - from;
}

/* Tries every length that the operator may take, the longest first. */
static bool try_operator(struct matcher *matcher, size_t in_pattern, size_t in_path,
                         unsigned number)
{
    char operator= matcher->pattern.bytes[in_pattern];
    size_t least = operator== PATTERN_PLACEHOLDER;
    size_t most = matcher->path.count - in_path;
    size_t skipped = 0; /* the slash of a subtree is not captured */
    if (operator== PATTERN_PLACEHOLDER) {
        most = segment_bytes(matcher->path, in_path);
    } else if (operator== PATTERN_SUBTREE && most> 0) {
        skipped = matcher->path.bytes[in_path] == '/';
        most = skipped == 0 ? 0 : most - 1;
    }
    for (size_t count = most + 1; count-- > least;) {
        struct slice taken = {matcher->path.bytes + in_path + skipped, count};
        matcher->captures->at[number] = taken;
        if (matches_from(matcher, in_pattern + 1, in_path + skipped + count, number + 1)) {
            return true;
        }
    }
    if (skipped > 0) { /* a subtree may also take nothing, and leave the slash */
        matcher->captures->at[number] = (struct slice){matcher->path.bytes + in_path, 0};
        return matches_from(matcher, in_pattern + 1, in_path, number + 1);
    }
    return false;
}

static bool matches_from(struct matcher *matcher, size_t in_pattern, size_t in_path,
                         unsigned operator_number)
{
    struct slice pattern = matcher->pattern;
    while (in_pattern < pattern.count && !is_operator(pattern.bytes[in_pattern]) &&
           in_path < matcher->path.count &&
           same_byte(matcher, pattern.bytes[in_pattern], matcher->path.bytes[in_path])) {
        in_pattern++;
        in_path++;
    }
    if (in_pattern == pattern.count || !is_operator(pattern.bytes[in_pattern])) {
        return is_end(matcher, in_pattern, in_path);
    }
    struct failures *failures = matcher->failures;
    uint64_t bit = (uint64_t)1 << in_path % 64;
    if (failures != NULL && (failures->bits[operator_number][in_path / 64] & bit) != 0) {
        return false;
    }
    bool matches = try_operator(matcher, in_pattern, in_path, operator_number);
    if (failures != NULL && !matches) {
        failures->bits[operator_number][in_path / 64] |= bit;
    }
    return matches;
}

/* Most patterns of a long list differ in their first letters: the rest need not be looked at. */
static bool starts_alike(const struct matcher *matcher)
{
    struct slice pattern = matcher->pattern;
    size_t count = pattern.count < matcher->path.count ? pattern.count : matcher->path.count;
    for (size_t i = 0; i < count && !is_operator(pattern.bytes[i]); i++) {
        if (!same_byte(matcher, pattern.bytes[i], matcher->path.bytes[i])) {
            return false;
        }
    }
    return true;
}

bool pattern_matches(struct slice pattern, unsigned flags, struct slice path,
                     struct pattern_captures *out_captures)
{
    struct pattern_captures captures;
    struct failures failures;
    struct matcher matcher = {pattern, path, flags, &captures, NULL};
    if (!starts_alike(&matcher)) {
        return false;
    }
    unsigned operators = 0;
    for (size_t i = 0; i < pattern.count; i++) {
        operators += is_operator(pattern.bytes[i]);
    }
    if (operators > PATTERN_CAPTURES_MAX || path.count > PATH_BYTES_MAX) {
        return false;
    }
    if (operators > 1) {
        memset(&failures, 0, sizeof failures);
        matcher.failures = &failures;
    }
    bool matches = matches_from(&matcher, 0, 0, 0);
    if (matches && out_captures != NULL) {
        memcpy(out_captures->at, captures.at, operators * sizeof captures.at[0]);
        out_captures->count = operators;
    }
    return matches;
}

/* One byte as it stands in a path, or in a value of a query, where '&' and its like mean something.
 */
static size_t encode_byte(const char *byte, bool in_query, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    if (!in_query || *byte == '\0' || strchr("&+=;", *byte) == NULL) {
        return path_encode((struct slice){byte, 1}, out);
    }
    out[0] = '%';
    out[1] = digits[(unsigned char)*byte >> 4];
    out[2] = digits[(unsigned char)*byte & 15];
    return 3;
}

static size_t put_capture(struct slice capture, bool encode, bool in_query, char *buffer,
                          size_t capacity)
{
    size_t count = 0;
    for (size_t i = 0; i < capture.count; i++) {
        char encoded[3];
        size_t bytes = encode ? encode_byte(capture.bytes + i, in_query, encoded) : 1;
        if (capacity - count < bytes) {
            return SIZE_MAX;
        }
        memcpy(buffer + count, encode ? encoded : capture.bytes + i, bytes);
        count += bytes;
    }
    return count;
}

size_t pattern_expand(struct slice template, const struct pattern_captures *captures, bool encode,
                      char *buffer, size_t capacity)
{
    size_t count = 0;
    bool in_query = false;
    for (size_t i = 0; i < template.count; i++) {
        if (template.bytes[i] != PATTERN_PLACEHOLDER || i + 1 == template.count) {
            if (count == capacity) {
                return SIZE_MAX;
            }
            in_query |= template.bytes[i] == '?';
            buffer[count++] = template.bytes[i];
            continue;
        }
        unsigned number = (unsigned char)template.bytes[++i] - 0x20u;
        if (number < captures->count) {
            size_t put = put_capture(captures->at[number], encode, in_query, buffer + count,
                                     capacity - count);
            if (put == SIZE_MAX) {
                return SIZE_MAX;
            }
            count += put;
        }
    }
    return count;
}
