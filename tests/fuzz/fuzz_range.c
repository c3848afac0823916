/* Range, beside a slow reading of it; and multipart/byteranges: what is written has the length that
 * was announced, and says which ranges it holds. Input: the representation's length, how many
 * ranges are allowed, and on the next line the field's value. */
#include "fuzz.h"

#include "http/multipart.h"
#include "http/range.h"

#include <inttypes.h>

/* Sums of positions do not overflow. */
typedef unsigned __int128 position;

/* 1*DIGIT. What does not fit 64 bits is the largest that does: behind every end. */
static bool read_position(struct slice text, position *out)
{
    *out = 0;
    for (size_t i = 0; i < text.count; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return false;
        }
        *out = *out * 10u + (unsigned)(text.bytes[i] - '0');
        *out = *out > UINT64_MAX ? (position)UINT64_MAX : *out;
    }
    return text.count > 0;
}

/* One range-spec (§14.1.1) as [first, end), which is empty if it begins behind the end. */
static bool read_spec(struct slice spec, position length, position *out_first, position *out_end)
{
    const char *dash = memchr(spec.bytes, '-', spec.count);
    if (dash == NULL) {
        return false;
    }
    struct slice before = {spec.bytes, (size_t)(dash - spec.bytes)};
    struct slice behind = slice_after(spec, before.count + 1);
    position last = length - 1;
    if (before.count == 0) {
        position suffix;
        if (!read_position(behind, &suffix)) {
            return false;
        }
        *out_first = suffix > length ? 0 : length - suffix;
    } else if (!read_position(before, out_first) ||
               (behind.count > 0 && (!read_position(behind, &last) || last < *out_first))) {
        return false;
    }
    *out_end = last >= length ? length : last + 1;
    if (*out_first >= length) {
        *out_end = *out_first;
    }
    return true;
}

struct intervals {
    size_t count;
    struct {
        position first, end;
    } at[RANGES_MAX];
};

/* Joins any two that lie near, into the place of the earlier one, until there are none. */
static void join_all(struct intervals *all)
{
    for (size_t i = 0; i < all->count; i++) {
        for (size_t j = i + 1; j < all->count; j++) {
            if (all->at[i].first >= all->at[j].end + RANGE_GAP_BYTES ||
                all->at[j].first >= all->at[i].end + RANGE_GAP_BYTES) {
                continue;
            }
            if (all->at[j].first < all->at[i].first) {
                all->at[i].first = all->at[j].first;
            }
            if (all->at[j].end > all->at[i].end) {
                all->at[i].end = all->at[j].end;
            }
            memmove(&all->at[j], &all->at[j + 1], (all->count - j - 1) * sizeof all->at[0]);
            all->count--;
            i = (size_t)-1; /* from the start: what was far may be near now */
            break;
        }
    }
}

static enum range_result slow_parse(struct slice value, position length, size_t count_max,
                                    struct intervals *out)
{
    struct slice set = value;
    struct slice unit = slice_take(&set, '=');
    out->count = 0;
    if (length == 0 || unit.count == value.count ||
        !slice_equal_ignoring_case(unit, SLICE("bytes"))) {
        return RANGE_NONE;
    }
    size_t specs = 0;
    while (set.count > 0) {
        struct slice spec = slice_trim(slice_take(&set, ','));
        position first = 0;
        position end = 0;
        if (spec.count == 0) {
            continue;
        }
        if (++specs > count_max || !read_spec(spec, length, &first, &end)) {
            return RANGE_NONE;
        }
        if (first < end) {
            out->at[out->count].first = first;
            out->at[out->count++].end = end;
        }
    }
    join_all(out);
    return specs == 0 ? RANGE_NONE : out->count == 0 ? RANGE_OUTSIDE : RANGE_SATISFIABLE;
}

/* Reads the text of one part, or of the end, as a client would. */
static void check_text(struct slice text, const struct multipart *multipart, size_t i)
{
    char expected[512];
    const char *start = i == 0 ? "" : "\r\n";
    int count;
    if (i == multipart->ranges.count) {
        count = snprintf(expected, sizeof expected, "%s--%.*s--\r\n", start, BOUNDARY_BYTES,
                         multipart->boundary);
    } else {
        uint64_t first = multipart->ranges.at[i].first;
        count = snprintf(expected, sizeof expected,
                         "%s--%.*s\r\n%.*sContent-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64
                         "\r\n\r\n",
                         start, BOUNDARY_BYTES, multipart->boundary, (int)multipart->type.count,
                         multipart->type.bytes, first, first + multipart->ranges.at[i].bytes - 1,
                         multipart->length);
    }
    FUZZ_CHECK(slice_equal(text, (struct slice){expected, (size_t)count}));
}

/* Does not fit: nothing behind the capacity is written, and the length is told all the same. */
static void check_short(const struct multipart *multipart, size_t i, size_t bytes)
{
    char *text = malloc(bytes / 2 + 1);
    FUZZ_CHECK(multipart_text(multipart, i, text, bytes / 2 + 1) == bytes);
    free(text);
}

/* Of a 416. */
static void check_unsatisfied(uint64_t length)
{
    char expected[CONTENT_RANGE_BYTES_MAX];
    char *text = malloc(CONTENT_RANGE_BYTES_MAX);
    size_t bytes = content_range_unsatisfied(length, text);
    int count =
        snprintf(expected, sizeof expected, "Content-Range: bytes */%" PRIu64 "\r\n", length);
    FUZZ_CHECK(slice_equal((struct slice){text, bytes}, (struct slice){expected, (size_t)count}));
    free(text);
}

static void check_multipart(const struct byte_ranges *ranges, uint64_t length)
{
    static struct multipart multipart;
    char etag[40];
    int etag_bytes =
        snprintf(etag, sizeof etag, "\"%.*s\"", (int)(length % 25), "0123456789abcdefghijklmn");
    char *copy = fuzz_copy((struct slice){etag, (size_t)etag_bytes});
    multipart.length = length;
    multipart.type = length % 2 == 0 ? SLICE("Content-Type: text/plain\r\n") : SLICE("");
    multipart.ranges = *ranges;
    multipart_set_boundary(&multipart, (struct slice){copy, (size_t)etag_bytes});
    free(copy);
    uint64_t total = 0;
    for (size_t i = 0; i <= ranges->count; i++) {
        size_t bytes = multipart_text(&multipart, i, NULL, 0);
        char *text = malloc(bytes + 1);
        FUZZ_CHECK(multipart_text(&multipart, i, text, bytes + 1) == bytes);
        check_text((struct slice){text, bytes}, &multipart, i);
        check_short(&multipart, i, bytes);
        total += bytes + (i < ranges->count ? ranges->at[i].bytes : 0);
        free(text);
    }
    FUZZ_CHECK(total == multipart_bytes(&multipart));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct byte_ranges ranges;
    static struct intervals expected;
    struct slice value = fuzz_input(bytes, count);
    uint64_t length = fuzz_take_number(&value) % ((uint64_t)INT64_MAX + 1);
    size_t count_max = 1 + fuzz_take_number(&value) % RANGES_MAX;
    char *copy = fuzz_copy(value);
    value.bytes = copy;
    memset(&ranges, 0xa5, sizeof ranges);
    enum range_result result = range_parse(value, length, count_max, &ranges);
    FUZZ_CHECK(result == slow_parse(value, length, count_max, &expected));
    if (result == RANGE_SATISFIABLE) {
        FUZZ_CHECK(ranges.count == expected.count && ranges.count <= count_max);
        for (size_t i = 0; i < ranges.count; i++) {
            position first = ranges.at[i].first;
            FUZZ_CHECK(first == expected.at[i].first);
            FUZZ_CHECK(first + ranges.at[i].bytes == expected.at[i].end);
        }
        check_multipart(&ranges, length);
    }
    check_unsatisfied(length);
    free(copy);
    return 0;
}
