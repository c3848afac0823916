/* Patterns and templates, beside a matcher that tries everything. Input: flags as a digit, then the
 * pattern, the path and the template, each on a line. Long inputs, which that matcher would not
 * come to an end with, are matched all the same: a match has to agree with itself, and with the
 * clock of whoever runs this. */
#include "fuzz.h"

#include "common/path.h"
#include "common/pattern.h"

enum { STEPS_MAX = 5000 };

struct search {
    struct slice pattern, path;
    unsigned flags;
    size_t steps; /* that are left */
    struct pattern_captures captures;
};

static char folded(const struct search *search, char byte)
{
    bool is_upper = byte >= 'A' && byte <= 'Z';
    return is_upper && (search->flags & PATTERN_IGNORE_CASE) != 0 ? (char)(byte - 'A' + 'a') : byte;
}

static bool is_slash(struct slice text)
{
    return text.count == 1 && text.bytes[0] == '/';
}

static bool matches_rest(struct search *search, size_t in_pattern, size_t in_path);

/* The operator takes `taken` bytes, of which the first `skipped` are not captured. */
static bool takes(struct search *search, size_t in_pattern, size_t in_path, size_t skipped,
                  size_t taken)
{
    unsigned number = search->captures.count++;
    search->captures.at[number % PATTERN_CAPTURES_MAX] =
        (struct slice){search->path.bytes + in_path + skipped, taken - skipped};
    if (matches_rest(search, in_pattern + 1, in_path + taken)) {
        return true;
    }
    search->captures.count--;
    return false;
}

static bool matches_rest(struct search *search, size_t in_pattern, size_t in_path)
{
    struct slice pattern = slice_after(search->pattern, in_pattern);
    struct slice path = slice_after(search->path, in_path);
    if (search->steps == 0) {
        return false;
    }
    search->steps--;
    if ((search->flags & PATTERN_OPTIONAL_SLASH) != 0 &&
        ((pattern.count == 0 && is_slash(path)) || (path.count == 0 && is_slash(pattern)))) {
        return true;
    }
    if (pattern.count == 0) {
        return path.count == 0;
    }
    bool starts_folder = path.count > 0 && path.bytes[0] == '/';
    switch (pattern.bytes[0]) {
    case PATTERN_SPLAT:
        for (size_t taken = path.count + 1; taken-- > 0;) {
            if (takes(search, in_pattern, in_path, 0, taken)) {
                return true;
            }
        }
        return false;
    case PATTERN_PLACEHOLDER:
        for (size_t taken = path.count; taken > 0; taken--) {
            if (memchr(path.bytes, '/', taken) == NULL &&
                takes(search, in_pattern, in_path, 0, taken)) {
                return true;
            }
        }
        return false;
    case PATTERN_SUBTREE:
        for (size_t taken = starts_folder ? path.count : 0; taken > 0; taken--) {
            if (takes(search, in_pattern, in_path, 1, taken)) {
                return true;
            }
        }
        return takes(search, in_pattern, in_path, 0, 0);
    default:
        return path.count > 0 &&
               folded(search, pattern.bytes[0]) == folded(search, path.bytes[0]) &&
               matches_rest(search, in_pattern + 1, in_path + 1);
    }
}

static unsigned count_operators(struct slice pattern)
{
    unsigned operators = 0;
    for (size_t i = 0; i < pattern.count; i++) {
        operators += pattern.bytes[i] >= PATTERN_SPLAT && pattern.bytes[i] <= PATTERN_SUBTREE;
    }
    return operators;
}

static void check_match(struct slice pattern, unsigned flags, struct slice path, bool matches,
                        const struct pattern_captures *captures)
{
    unsigned operators = count_operators(pattern);
    struct search search = {.pattern = pattern, .path = path, .flags = flags, .steps = STEPS_MAX};
    FUZZ_CHECK(pattern_is_exact(pattern) == (operators == 0));
    FUZZ_CHECK(pattern_matches(pattern, flags, path, NULL) == matches);
    if (operators > PATTERN_CAPTURES_MAX) {
        FUZZ_CHECK(!matches);
        return;
    }
    bool expected = path.count <= 256 && matches_rest(&search, 0, 0);
    if (path.count > 256 || search.steps == 0) {
        return;
    }
    FUZZ_CHECK(matches == expected);
    FUZZ_CHECK(!matches || captures->count == operators);
    for (unsigned i = 0; matches && i < operators; i++) {
        FUZZ_CHECK(captures->at[i].bytes == search.captures.at[i].bytes);
        FUZZ_CHECK(captures->at[i].count == search.captures.at[i].count);
    }
}

/* One byte of a capture in a URL: what path_encode() makes of it, or more in a query. */
static size_t slow_byte(char byte, bool encode, bool in_query, char out[3])
{
    static const char kept[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-._~!$'()*,:@/";
    bool is_kept =
        byte != '\0' && (strchr(kept, byte) != NULL || (!in_query && strchr("&+=;", byte) != NULL));
    char escape[4];
    snprintf(escape, sizeof escape, "%%%02X", (unsigned char)byte);
    memcpy(out, escape, 3);
    out[0] = !encode || is_kept ? byte : '%';
    return !encode || is_kept ? 1 : 3;
}

static size_t slow_expand(struct slice template, const struct pattern_captures *captures,
                          bool encode, char *out)
{
    size_t count = 0;
    bool in_query = false;
    for (size_t i = 0; i < template.count; i++) {
        if (template.bytes[i] != PATTERN_PLACEHOLDER || i + 1 == template.count) {
            in_query |= template.bytes[i] == '?';
            out[count++] = template.bytes[i];
            continue;
        }
        size_t number = (size_t)((unsigned char)template.bytes[++i]) - 0x20;
        for (size_t j = 0; number < captures->count && j < captures->at[number].count; j++) {
            count += slow_byte(captures->at[number].bytes[j], encode, in_query, out + count);
        }
    }
    return count;
}

static void check_template(struct slice template, const struct pattern_captures *captures,
                           bool encode)
{
    size_t room = template.count + 3; /* and what is referred to */
    for (size_t i = 0; i + 1 < template.count; i++) {
        size_t number = (size_t)((unsigned char)template.bytes[i + 1]) - 0x20;
        bool is_reference = template.bytes[i] == PATTERN_PLACEHOLDER && number < captures->count;
        room += is_reference ? 3 * captures->at[number].count : 0;
    }
    char *expected = malloc(room);
    size_t bytes = slow_expand(template, captures, encode, expected);
    char *written = malloc(bytes);
    FUZZ_CHECK(pattern_expand(template, captures, encode, written, bytes) == bytes);
    FUZZ_CHECK(bytes == 0 || memcmp(written, expected, bytes) == 0);
    for (size_t capacity = 0; capacity < bytes && capacity < 64; capacity++) {
        char *small = malloc(capacity);
        FUZZ_CHECK(pattern_expand(template, captures, encode, small, capacity) == SIZE_MAX);
        free(small);
    }
    free(written);
    free(expected);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice input = fuzz_input(bytes, count);
    unsigned flags = fuzz_take_byte(&input) & (PATTERN_IGNORE_CASE | PATTERN_OPTIONAL_SLASH);
    struct slice parts[2];
    char *copies[2];
    for (size_t i = 0; i < 2; i++) {
        parts[i] = slice_take(&input, '\n');
        copies[i] = fuzz_copy(parts[i]);
        parts[i].bytes = copies[i];
    }
    struct pattern_captures captures = {.count = 0};
    bool matches = pattern_matches(parts[0], flags, parts[1], &captures);
    check_match(parts[0], flags, parts[1], matches, &captures);
    check_template(input, &captures, false);
    check_template(input, &captures, true);
    free(copies[0]);
    free(copies[1]);
    return 0;
}
