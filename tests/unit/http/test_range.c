/* Range: which bytes are asked for, which of them are sent together, and in which order. */
#include "http/range.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { COUNT_MAX = 100, ROW_RANGES = 5 };

/* The value in memory of its own, so that a read behind it is found. */
static enum range_result parse(struct slice value, uint64_t length, size_t count_max,
                               struct byte_ranges *out_ranges)
{
    char *bytes = malloc(value.count);
    memcpy(bytes, value.bytes, value.count);
    enum range_result result =
        range_parse((struct slice){bytes, value.count}, length, count_max, out_ranges);
    free(bytes);
    return result;
}

/* ---- one value, one result ---- */

#define TOP     UINT64_MAX
#define TOP_TEN "1844674407370955161" /* the largest number without its last digit, 5 */

static const struct {
    const char *value;
    uint64_t length;
    enum range_result result;
    struct byte_range ranges[ROW_RANGES]; /* up to the first without bytes */
} rows[] = {
    /* int-range (RFC 9110 section 14.1.1) */
    {"bytes=0-0", 1, RANGE_SATISFIABLE, {{0, 1}}},
    {"bytes=0-0", 1000, RANGE_SATISFIABLE, {{0, 1}}},
    {"bytes=0-499", 1000, RANGE_SATISFIABLE, {{0, 500}}},
    {"bytes=500-999", 1000, RANGE_SATISFIABLE, {{500, 500}}},
    {"bytes=7-7", 1000, RANGE_SATISFIABLE, {{7, 1}}},
    {"bytes=0-", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=9-", 1000, RANGE_SATISFIABLE, {{9, 991}}},
    {"bytes=999-", 1000, RANGE_SATISFIABLE, {{999, 1}}},
    {"bytes=0007-010", 1000, RANGE_SATISFIABLE, {{7, 4}}},
    {"bytes=00000000000000000000000000000005-6", 1000, RANGE_SATISFIABLE, {{5, 2}}},
    /* the last byte is the end at most */
    {"bytes=0-999", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=0-1000", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=999-999", 1000, RANGE_SATISFIABLE, {{999, 1}}},
    {"bytes=999-1000000", 1000, RANGE_SATISFIABLE, {{999, 1}}},
    /* suffix-range */
    {"bytes=-1", 1000, RANGE_SATISFIABLE, {{999, 1}}},
    {"bytes=-500", 1000, RANGE_SATISFIABLE, {{500, 500}}},
    {"bytes=-999", 1000, RANGE_SATISFIABLE, {{1, 999}}},
    {"bytes=-1000", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=-1001", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=-007", 1000, RANGE_SATISFIABLE, {{993, 7}}},
    /* none begins inside (section 15.5.17) */
    {"bytes=1000-", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=1000-1000", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=1000-2000", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=1-1", 1, RANGE_OUTSIDE, {{0}}},
    {"bytes=-0", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=-000", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=-0,1000-,5000-6000", 1000, RANGE_OUTSIDE, {{0}}},
    /* those that do not are left out */
    {"bytes=1000-,5-6", 1000, RANGE_SATISFIABLE, {{5, 2}}},
    {"bytes=5-6,-0", 1000, RANGE_SATISFIABLE, {{5, 2}}},
    {"bytes=500-501,1000-1001,0-1", 1000, RANGE_SATISFIABLE, {{500, 2}, {0, 2}}},
    /* the unit */
    {"BYTES=0-1", 1000, RANGE_SATISFIABLE, {{0, 2}}},
    {"bYtEs=0-1", 1000, RANGE_SATISFIABLE, {{0, 2}}},
    {"byte=0-1", 1000, RANGE_NONE, {{0}}},
    {"bytess=0-1", 1000, RANGE_NONE, {{0}}},
    {"items=0-1", 1000, RANGE_NONE, {{0}}},
    {"none=0-1", 1000, RANGE_NONE, {{0}}},
    {"=0-1", 1000, RANGE_NONE, {{0}}},
    {"0-1", 1000, RANGE_NONE, {{0}}},
    {"bytes 0-1", 1000, RANGE_NONE, {{0}}},
    {"bytes:0-1", 1000, RANGE_NONE, {{0}}},
    {"bytes =0-1", 1000, RANGE_NONE, {{0}}},
    {" bytes=0-1", 1000, RANGE_NONE, {{0}}},
    {"\"bytes\"=0-1", 1000, RANGE_NONE, {{0}}},
    /* no ranges at all */
    {"", 1000, RANGE_NONE, {{0}}},
    {"bytes", 1000, RANGE_NONE, {{0}}},
    {"bytes=", 1000, RANGE_NONE, {{0}}},
    {"bytes=,", 1000, RANGE_NONE, {{0}}},
    {"bytes= , ,\t,", 1000, RANGE_NONE, {{0}}},
    /* what is no range spoils all of them */
    {"bytes=-", 1000, RANGE_NONE, {{0}}},
    {"bytes=5", 1000, RANGE_NONE, {{0}}},
    {"bytes=x", 1000, RANGE_NONE, {{0}}},
    {"bytes=*", 1000, RANGE_NONE, {{0}}},
    {"bytes=1-0", 1000, RANGE_NONE, {{0}}},
    {"bytes=999-998", 1000, RANGE_NONE, {{0}}},
    {"bytes=2000-1999", 1000, RANGE_NONE, {{0}}},
    {"bytes=--1", 1000, RANGE_NONE, {{0}}},
    {"bytes=-1-", 1000, RANGE_NONE, {{0}}},
    {"bytes=-1-2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1--2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1-2-3", 1000, RANGE_NONE, {{0}}},
    {"bytes=1-2-", 1000, RANGE_NONE, {{0}}},
    {"bytes=+1-2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1-+2", 1000, RANGE_NONE, {{0}}},
    {"bytes=0x1-2", 1000, RANGE_NONE, {{0}}},
    {"bytes=a-f", 1000, RANGE_NONE, {{0}}},
    {"bytes=1-f", 1000, RANGE_NONE, {{0}}},
    {"bytes=-f", 1000, RANGE_NONE, {{0}}},
    {"bytes=1.0-2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1/2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1:2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1 -2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1- 2", 1000, RANGE_NONE, {{0}}},
    {"bytes=1 1-2", 1000, RANGE_NONE, {{0}}},
    {"bytes=- 1", 1000, RANGE_NONE, {{0}}},
    {"bytes=0-1 5-6", 1000, RANGE_NONE, {{0}}},
    {"bytes=0-1;5-6", 1000, RANGE_NONE, {{0}}},
    {"bytes==0-1", 1000, RANGE_NONE, {{0}}},
    {"bytes=0-1,bytes=5-6", 1000, RANGE_NONE, {{0}}},
    {"bytes=\"0-1\"", 1000, RANGE_NONE, {{0}}},
    {"bytes=0-1,x", 1000, RANGE_NONE, {{0}}},
    {"bytes=x,0-1", 1000, RANGE_NONE, {{0}}},
    {"bytes=0-1,1-0", 1000, RANGE_NONE, {{0}}},
    {"bytes=1000-,x", 1000, RANGE_NONE, {{0}}},
    {"bytes=0-1,-", 1000, RANGE_NONE, {{0}}},
    {"bytes=\xb9-2", 1000, RANGE_NONE, {{0}}},
    /* lists (section 5.6.1) */
    {"bytes=0-1,500-501", 1000, RANGE_SATISFIABLE, {{0, 2}, {500, 2}}},
    {"bytes=0-1 , \t500-501", 1000, RANGE_SATISFIABLE, {{0, 2}, {500, 2}}},
    {"bytes=,0-1,,500-501,", 1000, RANGE_SATISFIABLE, {{0, 2}, {500, 2}}},
    {"bytes=, ,0-1, ,", 1000, RANGE_SATISFIABLE, {{0, 2}}},
    {"bytes=0-1,-1", 1000, RANGE_SATISFIABLE, {{0, 2}, {999, 1}}},
    {"bytes=-1,0-1", 1000, RANGE_SATISFIABLE, {{999, 1}, {0, 2}}},
    /* an empty representation has no ranges */
    {"bytes=0-", 0, RANGE_NONE, {{0}}},
    {"bytes=0-0", 0, RANGE_NONE, {{0}}},
    {"bytes=5-", 0, RANGE_NONE, {{0}}},
    {"bytes=-1", 0, RANGE_NONE, {{0}}},
    {"bytes=-0", 0, RANGE_NONE, {{0}}},
    {"bytes=0-1,5-6", 0, RANGE_NONE, {{0}}},
    /* numbers of 64 bits and more */
    {"bytes=0-" TOP_TEN "5", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=0-" TOP_TEN "6", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=5-" TOP_TEN "50", 1000, RANGE_SATISFIABLE, {{5, 995}}},
    {"bytes=5-" TOP_TEN TOP_TEN TOP_TEN, 1000, RANGE_SATISFIABLE, {{5, 995}}},
    {"bytes=" TOP_TEN "5-", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=" TOP_TEN "6-", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=" TOP_TEN "60-", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=" TOP_TEN "7-" TOP_TEN "8", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=100000000000000000000-", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=340282366920938463463374607431768211456-", 1000, RANGE_OUTSIDE, {{0}}},
    {"bytes=-" TOP_TEN "5", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=-" TOP_TEN "6", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=-" TOP_TEN "60", 1000, RANGE_SATISFIABLE, {{0, 1000}}},
    {"bytes=" TOP_TEN "5-0", 1000, RANGE_NONE, {{0}}},
    {"bytes=" TOP_TEN "7-0", 1000, RANGE_NONE, {{0}}},
    /* representations as long as can be */
    {"bytes=0-", TOP, RANGE_SATISFIABLE, {{0, TOP}}},
    {"bytes=-1", TOP, RANGE_SATISFIABLE, {{TOP - 1, 1}}},
    {"bytes=-" TOP_TEN "5", TOP, RANGE_SATISFIABLE, {{0, TOP}}},
    {"bytes=-" TOP_TEN "4", TOP, RANGE_SATISFIABLE, {{1, TOP - 1}}},
    {"bytes=" TOP_TEN "4-", TOP, RANGE_SATISFIABLE, {{TOP - 1, 1}}},
    {"bytes=" TOP_TEN "4-" TOP_TEN "5", TOP, RANGE_SATISFIABLE, {{TOP - 1, 1}}},
    {"bytes=" TOP_TEN "5-", TOP, RANGE_OUTSIDE, {{0}}},
    {"bytes=-1,0-0", TOP, RANGE_SATISFIABLE, {{TOP - 1, 1}, {0, 1}}},
    {"bytes=-1,-2", TOP, RANGE_SATISFIABLE, {{TOP - 2, 2}}},
    {"bytes=-1,0-", TOP, RANGE_SATISFIABLE, {{0, TOP}}},
    {"bytes=" TOP_TEN "4-,0-" TOP_TEN "3", TOP, RANGE_SATISFIABLE, {{0, TOP}}},
    {"bytes=4294967295-4294967296", TOP, RANGE_SATISFIABLE, {{UINT32_MAX, 2}}},
    {"bytes=0-4294967295", TOP, RANGE_SATISFIABLE, {{0, INT64_C(1) << 32}}},
};

static bool is_as_wanted(const struct byte_ranges *ranges, const struct byte_range *wanted,
                         size_t count)
{
    bool is_same = ranges->count == count;
    for (size_t i = 0; i < count && is_same; i++) {
        is_same = ranges->at[i].first == wanted[i].first && ranges->at[i].bytes == wanted[i].bytes;
    }
    return is_same;
}

static void expect_ranges(const char *value, uint64_t length, const struct byte_range *wanted)
{
    static struct byte_ranges ranges;
    memset(&ranges, 0xff, sizeof ranges); /* nothing of it is read */
    size_t count = 0;
    while (count < ROW_RANGES && wanted[count].bytes > 0) {
        count++;
    }
    enum range_result result = parse(slice_of_string(value), length, COUNT_MAX, &ranges);
    cr_assert(result == RANGE_SATISFIABLE, "%s: %d", value, (int)result);
    cr_expect(is_as_wanted(&ranges, wanted, count), "%s: %zu ranges, the first %ju of %ju", value,
              ranges.count, (uintmax_t)ranges.at[0].first, (uintmax_t)ranges.at[0].bytes);
}

Test(range, values)
{
    static struct byte_ranges ranges;
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        enum range_result result =
            parse(slice_of_string(rows[i].value), rows[i].length, COUNT_MAX, &ranges);
        cr_expect(result == rows[i].result, "row %zu: %s: %d", i, rows[i].value, (int)result);
        if (result == RANGE_SATISFIABLE && rows[i].result == RANGE_SATISFIABLE) {
            expect_ranges(rows[i].value, rows[i].length, rows[i].ranges);
        }
    }
}

/* NUL is no end. */
Test(range, values_with_nul)
{
    static struct byte_ranges ranges;
    static const struct slice values[] = {
        {"bytes=0-1\0", 10}, {"bytes=0-\0", 9}, {"bytes=\0-1", 9},
        {"bytes\0=0-1", 10}, {"bytes=-1\0", 9}, {"bytes=0-1,\0", 11},
    };
    for (size_t i = 0; i < ARRAY_COUNT(values); i++) {
        cr_expect(parse(values[i], 1000, COUNT_MAX, &ranges) == RANGE_NONE, "row %zu", i);
    }
}

/* What is cut is cut: each prefix of a value in memory of its own. */
Test(range, prefixes)
{
    static struct byte_ranges ranges;
    const struct slice value = SLICE("bytes=0-99,500-599");
    for (size_t count = 0; count <= value.count; count++) {
        enum range_result result =
            parse((struct slice){value.bytes, count}, 1000, COUNT_MAX, &ranges);
        /* "0-", "0-9", "0-99", "0-99,"; not "5", "50", "500"; then "500-", but not "500-5" */
        bool is_good = (count >= 8 && count <= 11) || count == 15 || count == 18;
        cr_expect(result == (is_good ? RANGE_SATISFIABLE : RANGE_NONE), "%zu: %d", count,
                  (int)result);
    }
}

/* ---- what is sent together (section 15.3.7.2) ---- */

/* In both orders, and at both ends of the numbers. */
Test(range, gaps)
{
    static const uint64_t bases[] = {0, 1000, UINT32_MAX, INT64_MAX, TOP - 301};
    cr_assert(RANGE_GAP_BYTES == 80);
    for (size_t i = 0; i < ARRAY_COUNT(bases); i++) {
        for (uint64_t gap = 0; gap < 200; gap++) {
            uint64_t a = bases[i];
            uint64_t b = bases[i] + 100 + gap;
            char value[200];
            snprintf(value, sizeof value, "bytes=%ju-%ju,%ju-%ju", (uintmax_t)a,
                     (uintmax_t)(a + 99), (uintmax_t)b, (uintmax_t)b);
            struct byte_range apart[ROW_RANGES] = {{a, 100}, {b, 1}};
            struct byte_range as_one[ROW_RANGES] = {{a, 101 + gap}};
            expect_ranges(value, TOP, gap < 80 ? as_one : apart);
            snprintf(value, sizeof value, "bytes=%ju-%ju,%ju-%ju", (uintmax_t)b, (uintmax_t)b,
                     (uintmax_t)a, (uintmax_t)(a + 99));
            struct byte_range turned[ROW_RANGES] = {{b, 1}, {a, 100}};
            expect_ranges(value, TOP, gap < 80 ? as_one : turned);
        }
    }
}

static const struct {
    const char *value;
    struct byte_range ranges[ROW_RANGES];
} joined[] = {
    /* overlapping, equal, one within the other */
    {"bytes=0-9,5-14", {{0, 15}}},
    {"bytes=5-14,0-9", {{0, 15}}},
    {"bytes=0-9,0-9", {{0, 10}}},
    {"bytes=0-9,0-9,0-9", {{0, 10}}},
    {"bytes=0-99,10-20", {{0, 100}}},
    {"bytes=10-20,0-99", {{0, 100}}},
    {"bytes=0-9,0-99", {{0, 100}}},
    {"bytes=0-99,0-9", {{0, 100}}},
    {"bytes=0-99,90-99", {{0, 100}}},
    {"bytes=500-,-500", {{500, 500}}},
    {"bytes=-500,-1", {{500, 500}}},
    {"bytes=-1,-500", {{500, 500}}},
    {"bytes=0-,1-,2-", {{0, 1000}}},
    {"bytes=2-,1-,0-", {{0, 1000}}},
    {"bytes=0-499,500-999", {{0, 1000}}},
    {"bytes=500-999,0-499", {{0, 1000}}},
    /* 79, 80 and 81 bytes between them */
    {"bytes=0-9,89-98", {{0, 99}}},
    {"bytes=0-9,90-99", {{0, 10}, {90, 10}}},
    {"bytes=0-9,91-99", {{0, 10}, {91, 9}}},
    {"bytes=89-98,0-9", {{0, 99}}},
    {"bytes=90-99,0-9", {{90, 10}, {0, 10}}},
    {"bytes=91-99,0-9", {{91, 9}, {0, 10}}},
    {"bytes=0-9,-911", {{0, 1000}}},
    {"bytes=0-9,-910", {{0, 10}, {90, 910}}},
    /* one between two that are far apart joins them, in any order */
    {"bytes=0-9,89-98,178-187", {{0, 188}}},
    {"bytes=0-9,178-187,89-98", {{0, 188}}},
    {"bytes=178-187,0-9,89-98", {{0, 188}}},
    {"bytes=89-98,178-187,0-9", {{0, 188}}},
    {"bytes=0-9,90-98,178-187", {{0, 10}, {90, 98}}},
    {"bytes=0-9,178-187,90-98", {{0, 10}, {90, 98}}},
    /* the end of a long one counts, not that of the one that begins last */
    {"bytes=0-199,10-19,279-280", {{0, 281}}},
    {"bytes=0-199,10-19,280-281", {{0, 200}, {280, 2}}},
    {"bytes=10-19,0-199,279-280", {{0, 281}}},
    /* the order is that of the first one of each */
    {"bytes=800-809,400-409,0-9", {{800, 10}, {400, 10}, {0, 10}}},
    {"bytes=400-409,800-809,0-9", {{400, 10}, {800, 10}, {0, 10}}},
    {"bytes=800-809,400-409,0-9,810-819", {{800, 20}, {400, 10}, {0, 10}}},
    {"bytes=800-809,400-409,0-9,410-419", {{800, 10}, {400, 20}, {0, 10}}},
    {"bytes=810-819,400-409,0-9,800-809", {{800, 20}, {400, 10}, {0, 10}}},
    {"bytes=410-419,800-809,400-409,0-9", {{400, 20}, {800, 10}, {0, 10}}},
    {"bytes=800-809,0-9,400-409,10-19,810-819,410-419", {{800, 20}, {0, 20}, {400, 20}}},
    {"bytes=500-509,300-309,0-9,310-,700-709", {{300, 700}, {0, 10}}},
    {"bytes=700-709,0-9,690-699,400-409,600-610", {{600, 110}, {0, 10}, {400, 10}}},
    {"bytes=900-909,0-9,300-309,1000-,600-609", {{900, 10}, {0, 10}, {300, 10}, {600, 10}}},
};

Test(range, what_is_near_is_one)
{
    for (size_t i = 0; i < ARRAY_COUNT(joined); i++) {
        expect_ranges(joined[i].value, 1000, joined[i].ranges);
    }
}

/* ---- how many ---- */

/* "bytes=0-0,100-100,...", `count` ranges that are not near; the caller frees it. */
static char *many_ranges(size_t count, const char *behind_each)
{
    size_t capacity = 64 + count * (64 + strlen(behind_each));
    char *value = malloc(capacity);
    size_t at = (size_t)snprintf(value, capacity, "bytes=");
    for (size_t i = 0; i < count; i++) {
        at += (size_t)snprintf(value + at, capacity - at, "%s%zu-%zu%s", i > 0 ? "," : "", i * 100,
                               i * 100, behind_each);
    }
    return value;
}

Test(range, count_limit)
{
    static const size_t limits[] = {1, 2, 3, 99, 100, 101, RANGES_MAX - 1, RANGES_MAX};
    static struct byte_ranges ranges;
    for (size_t i = 0; i < ARRAY_COUNT(limits); i++) {
        for (size_t count = limits[i] - 1; count <= limits[i] + 1; count++) {
            bool is_good = count > 0 && count <= limits[i];
            char *value = many_ranges(count, i % 2 == 0 ? "" : " ,,");
            enum range_result result = parse(slice_of_string(value), 1 << 20, limits[i], &ranges);
            cr_expect(result == (is_good ? RANGE_SATISFIABLE : RANGE_NONE), "%zu of %zu: %d", count,
                      limits[i], (int)result);
            cr_expect(!is_good || ranges.count == count, "%zu: %zu", count, ranges.count);
            for (size_t j = 0; is_good && j < count; j++) {
                if (ranges.at[j].first != j * 100 || ranges.at[j].bytes != 1) {
                    cr_expect(false, "%zu of %zu", j, count);
                }
            }
            free(value);
        }
    }
}

/* Those that are outside, and those that will be one with others, count too; empty members of the
 * list do not. */
Test(range, what_counts)
{
    static const struct {
        const char *value;
        size_t count_max;
        enum range_result result;
    } counts[] = {
        {"bytes=0-,0-,0-", 3, RANGE_SATISFIABLE},
        {"bytes=0-,0-,0-", 2, RANGE_NONE},
        {"bytes=0-,1000-,1000-", 3, RANGE_SATISFIABLE},
        {"bytes=0-,1000-,1000-", 2, RANGE_NONE},
        {"bytes=1000-,1000-,0-", 2, RANGE_NONE},
        {"bytes=1000-,1000-", 2, RANGE_OUTSIDE},
        {"bytes=1000-,1000-", 1, RANGE_NONE},
        {"bytes=,,0-,,,500-,,,", 2, RANGE_SATISFIABLE},
        {"bytes=0-1,x", 1, RANGE_NONE},
        {"bytes=0-1,", 1, RANGE_SATISFIABLE},
    };
    static struct byte_ranges ranges;
    for (size_t i = 0; i < ARRAY_COUNT(counts); i++) {
        enum range_result result =
            parse(slice_of_string(counts[i].value), 1000, counts[i].count_max, &ranges);
        cr_expect(result == counts[i].result, "row %zu: %s: %d", i, counts[i].value, (int)result);
    }
}

/* A long value takes no long time, whatever is in it. */
Test(range, long_values, .timeout = 20)
{
    static const char *const members[] = {",", " ", "0", "9", "-", "0-,", "x", "0-0,\t,"};
    enum { BYTES = 1 << 20 };
    static struct byte_ranges ranges;
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        struct slice member = slice_of_string(members[i]);
        char *bytes = malloc(BYTES);
        memcpy(bytes, "bytes=", 6);
        size_t count = 6;
        for (; count + member.count <= BYTES; count += member.count) {
            memcpy(bytes + count, member.bytes, member.count);
        }
        enum range_result result =
            range_parse((struct slice){bytes, count}, 1000, COUNT_MAX, &ranges);
        cr_expect(result == RANGE_NONE, "%s: %d", members[i], (int)result);
        free(bytes);
    }
}

/* ---- compared with marks on every byte ---- */

enum { SMALL_BYTES = 700, SMALL_RANGES = 12 };

/* The same in every run. */
static unsigned chance(unsigned below)
{
    static uint64_t state = 1;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(state >> 33) % below;
}

/* What is asked for, byte by byte: the place of the first range in the list that has the byte, or
 * NOBODY. */
enum { NOBODY = SMALL_RANGES };

struct marks {
    unsigned length;
    unsigned place[SMALL_BYTES];
};

/* Adds a range in one of its forms; returns how long its text is. */
static size_t add_random_range(struct marks *marks, unsigned place, char *out, size_t capacity)
{
    unsigned size = 1 + chance(chance(3) == 0 ? 200 : 5);
    unsigned first = chance(marks->length + 10);
    unsigned end = first + size < marks->length ? first + size : marks->length;
    int count;
    if (chance(8) == 0) {
        size = chance(marks->length + 10);
        first = size < marks->length ? marks->length - size : 0;
        end = marks->length;
        count = snprintf(out, capacity, "-%u", size);
    } else if (chance(8) == 0) {
        end = marks->length;
        count = snprintf(out, capacity, "%u-", first);
    } else {
        count = snprintf(out, capacity, "%u-%u", first, first + size - 1);
    }
    for (unsigned i = first; i < end; i++) {
        marks->place[i] = place < marks->place[i] ? place : marks->place[i];
    }
    return (size_t)count;
}

/* Takes the first run of marks off, across gaps that are small enough. */
static bool take_run(struct marks *marks, unsigned *at, struct byte_range *out_range,
                     unsigned *out_place)
{
    while (*at < marks->length && marks->place[*at] == NOBODY) {
        ++*at;
    }
    unsigned end = *at;
    *out_range = (struct byte_range){.first = *at};
    *out_place = NOBODY;
    for (; *at < marks->length && *at - end < RANGE_GAP_BYTES; ++*at) {
        if (marks->place[*at] != NOBODY) {
            *out_place = marks->place[*at] < *out_place ? marks->place[*at] : *out_place;
            end = *at + 1;
        }
    }
    out_range->bytes = end - out_range->first;
    return out_range->bytes > 0;
}

/* The ranges that there must be: runs of marks, in the order of who comes first in them. */
static void list_runs(struct marks *marks, struct byte_ranges *out_ranges)
{
    struct byte_range by_place[SMALL_RANGES] = {{0}};
    struct byte_range range;
    unsigned place;
    for (unsigned at = 0; take_run(marks, &at, &range, &place);) {
        by_place[place] = range;
    }
    out_ranges->count = 0;
    for (size_t i = 0; i < SMALL_RANGES; i++) {
        if (by_place[i].bytes > 0) {
            out_ranges->at[out_ranges->count++] = by_place[i];
        }
    }
}

Test(range, random_sets)
{
    static struct byte_ranges found, wanted;
    size_t results[3] = {0};
    for (size_t i = 0; i < 20000; i++) {
        struct marks marks = {.length = 1 + chance(i % 2 == 0 ? SMALL_BYTES : 20)};
        for (size_t j = 0; j < SMALL_BYTES; j++) {
            marks.place[j] = NOBODY;
        }
        char value[SMALL_RANGES * 16] = "bytes=";
        size_t at = 6;
        unsigned count = 1 + chance(SMALL_RANGES);
        for (unsigned j = 0; j < count; j++) {
            at += add_random_range(&marks, j, value + at, sizeof value - at);
            at += (size_t)snprintf(value + at, sizeof value - at, j + 1 < count ? ", " : "");
        }
        list_runs(&marks, &wanted);
        enum range_result result =
            parse((struct slice){value, at}, marks.length, SMALL_RANGES, &found);
        results[result]++;
        if (result != (wanted.count > 0 ? RANGE_SATISFIABLE : RANGE_OUTSIDE) ||
            (wanted.count > 0 && !is_as_wanted(&found, wanted.at, wanted.count))) {
            cr_assert(false, "%u bytes, %s: %d, %zu ranges", marks.length, value, (int)result,
                      found.count);
        }
    }
    /* the sets were of both kinds */
    cr_expect(results[RANGE_SATISFIABLE] > 10000 && results[RANGE_OUTSIDE] > 100);
}
