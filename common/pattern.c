#include "common/pattern.h"

#include "common/path.h"

/* Where the rest of the pattern behind an operator is known to fail, so that it is not tried twice:
 * everywhere from `first` to `last`. Operators are tried ever further to the left, so one such
 * stretch is enough. */
struct failures {
    size_t first;
    size_t last;
};

struct matcher {
    struct slice pattern;
    struct slice path;
    unsigned flags;
    struct pattern_captures *captures;
    struct failures failures[PATTERN_CAPTURES_MAX]; /* of each operator */
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

/* What an operator may take at a place of the path: it ends from `least` to `most`. */
struct run {
    size_t least, most;
    size_t slash; /* what a subtree takes before what it captures, if it takes anything */
};

static struct run run_of(const struct matcher *matcher, char operator, size_t in_path)
{
    size_t end = matcher->path.count;
    if (operator== PATTERN_PLACEHOLDER) {
        return (struct run){in_path + 1, in_path + segment_bytes(matcher->path, in_path), 0};
    }
    if (operator== PATTERN_SUBTREE) {
        bool is_folder = in_path < end && matcher->path.bytes[in_path] == '/';
        return (struct run){in_path, is_folder ? end : in_path, is_folder};
    }
    return (struct run){in_path, end, 0};
}

/* Tries every end that the operator may have, the last first, but for those that have failed. */
static bool try_operator(struct matcher *matcher, size_t in_pattern, size_t in_path,
                         unsigned number)
{
    struct run run = run_of(matcher, matcher->pattern.bytes[in_pattern], in_path);
    struct failures *failures = &matcher->failures[number];
    if (run.most + 1 < failures->first || run.most > failures->last) {
        *failures = (struct failures){run.most + 1, run.most};
    }
    size_t end = run.most < failures->first ? run.most + 1 : failures->first;
    while (end-- > run.least) {
        size_t from = end == in_path ? in_path : in_path + run.slash;
        matcher->captures->at[number] = (struct slice){matcher->path.bytes + from, end - from};
        if (matches_from(matcher, in_pattern + 1, end, number + 1)) {
            return true;
        }
        failures->first = end;
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
    return try_operator(matcher, in_pattern, in_path, operator_number);
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
    struct matcher matcher;
    matcher.pattern = pattern;
    matcher.path = path;
    matcher.flags = flags;
    matcher.captures = &captures;
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
    for (unsigned i = 0; i < operators; i++) {
        matcher.failures[i] = (struct failures){1, 0}; /* nowhere */
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
