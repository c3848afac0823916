#include "http/range.h"

#include <assert.h>
#include <stdlib.h>

/* 1*DIGIT. What does not fit 64 bits is as good as the largest that does. */
static bool parse_position(struct slice text, uint64_t *out_position)
{
    uint64_t position = 0;
    for (size_t i = 0; i < text.count; i++) {
        unsigned digit = (unsigned)(text.bytes[i] - '0');
        if (digit > 9) {
            return false;
        }
        position = position > (UINT64_MAX - digit) / 10 ? UINT64_MAX : position * 10 + digit;
    }
    *out_position = position;
    return text.count > 0;
}

/* int-range or suffix-range (§14.1.1). False: it is neither. A range that begins behind the end has
 * no bytes. */
static bool parse_range(struct slice text, uint64_t length, struct byte_range *out_range)
{
    struct slice last_text = text;
    struct slice first_text = slice_take(&last_text, '-');
    if (first_text.count == text.count) {
        return false; /* no '-' */
    }
    uint64_t first = 0;
    uint64_t last = length - 1;
    if (first_text.count == 0) {
        uint64_t suffix;
        if (!parse_position(last_text, &suffix)) {
            return false;
        }
        first = suffix < length ? length - suffix : 0;
    } else if (!parse_position(first_text, &first) ||
               (last_text.count > 0 && (!parse_position(last_text, &last) || last < first))) {
        return false;
    }
    last = last < length ? last : length - 1;
    *out_range = (struct byte_range){first, first < length ? last - first + 1 : 0};
    return true;
}

/* Do two ranges overlap, touch, or nearly touch? */
static bool is_near(const struct byte_range *a, const struct byte_range *b)
{
    const struct byte_range *left = a->first <= b->first ? a : b;
    const struct byte_range *right = left == a ? b : a;
    return right->first <= left->first + left->bytes ||
           right->first - (left->first + left->bytes) < RANGE_GAP_BYTES;
}

static void join(struct byte_range *range, const struct byte_range *other)
{
    uint64_t end = range->first + range->bytes;
    uint64_t other_end = other->first + other->bytes;
    range->first = other->first < range->first ? other->first : range->first;
    range->bytes = (other_end > end ? other_end : end) - range->first;
}

/* Positions in the order of where their ranges begin. */
static int by_first(const void *a, const void *b, void *context)
{
    const struct byte_ranges *ranges = context;
    uint64_t x = ranges->at[*(const uint16_t *)a].first;
    uint64_t y = ranges->at[*(const uint16_t *)b].first;
    return x < y ? -1 : x > y;
}

/* In one pass over the ranges sorted by where they begin; each joined one goes to the place of its
 * earliest member. */
static void coalesce(struct byte_ranges *ranges)
{
    uint16_t order[RANGES_MAX];
    _Static_assert(RANGES_MAX <= UINT16_MAX, "positions fit");
    for (size_t i = 0; i < ranges->count; i++) {
        order[i] = (uint16_t)i;
    }
    qsort_r(order, ranges->count, sizeof order[0], by_first, ranges);
    struct byte_range *open = &ranges->at[order[0]];
    for (size_t i = 1; i < ranges->count; i++) {
        struct byte_range *next = &ranges->at[order[i]];
        if (!is_near(open, next)) {
            open = next;
            continue;
        }
        struct byte_range *place = next < open ? next : open;
        struct byte_range *other = next < open ? open : next;
        join(place, other);
        other->bytes = 0;
        open = place;
    }
    size_t count = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        if (ranges->at[i].bytes > 0) {
            ranges->at[count++] = ranges->at[i];
        }
    }
    ranges->count = count;
}

enum range_result range_parse(struct slice value, uint64_t length, size_t count_max,
                              struct byte_ranges *out_ranges)
{
    assert(count_max <= RANGES_MAX);
    struct slice unit = slice_take(&value, '=');
    if (length == 0 || !slice_equal_ignoring_case(unit, SLICE("bytes"))) {
        return RANGE_NONE;
    }
    size_t seen = 0;
    out_ranges->count = 0;
    while (value.count > 0) {
        struct slice text = slice_trim(slice_take(&value, ','));
        struct byte_range range;
        if (text.count == 0) {
            continue; /* an empty member of a list (§5.6.1.2) */
        }
        if (seen++ == count_max || !parse_range(text, length, &range)) {
            return RANGE_NONE;
        }
        if (range.bytes > 0) {
            out_ranges->at[out_ranges->count++] = range;
        }
    }
    if (seen == 0) {
        return RANGE_NONE;
    }
    if (out_ranges->count == 0) {
        return RANGE_OUTSIDE;
    }
    if (out_ranges->count > 1) {
        coalesce(out_ranges);
    }
    return RANGE_SATISFIABLE;
}
