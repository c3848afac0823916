/* multipart/byteranges: the text around the parts, its length, and Content-Range. */
#include "http/multipart.h"

#include "common/validators.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define TAG      "\"abcdefghijklmnopqrstuv\""
#define BOUNDARY "cairn-abcdefghijklmnopqrstuv"

static struct multipart multipart;

static void set_up(void)
{
    multipart.length = 1000;
    multipart.type = SLICE("Content-Type: text/plain\r\n");
    multipart.ranges.count = 3;
    multipart.ranges.at[0] = (struct byte_range){500, 10};
    multipart.ranges.at[1] = (struct byte_range){0, 1};
    multipart.ranges.at[2] = (struct byte_range){999, 1};
    multipart_set_boundary(&multipart, SLICE(TAG));
}

/* ---- the boundary ---- */

/* bchars (RFC 2046 section 5.1.1) that need no quotes in a parameter: token (RFC 9110 section
 * 5.6.2). */
static bool is_boundary(const char boundary[BOUNDARY_BYTES])
{
    static const char marks[] = "'+-._";
    for (size_t i = 0; i < BOUNDARY_BYTES; i++) {
        char byte = boundary[i];
        bool is_good = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || (byte != '\0' && strchr(marks, byte));
        if (!is_good) {
            return false;
        }
    }
    return BOUNDARY_BYTES >= 1 && BOUNDARY_BYTES <= 70;
}

Test(multipart, boundary_has_the_hash)
{
    uint8_t digest[DIGEST_BYTES] = {0};
    char last[BOUNDARY_BYTES] = {0};
    for (unsigned i = 0; i < 1000; i++) {
        digest[i % 16]++;
        char *etag = malloc(ETAG_BYTES);
        etag_format(digest, etag);
        multipart_set_boundary(&multipart, (struct slice){etag, ETAG_BYTES});
        cr_expect(is_boundary(multipart.boundary), "%.*s", BOUNDARY_BYTES, multipart.boundary);
        cr_expect(memmem(multipart.boundary, BOUNDARY_BYTES, etag + 1, ETAG_BYTES - 2) != NULL,
                  "%.*s, %.*s", BOUNDARY_BYTES, multipart.boundary, ETAG_BYTES, etag);
        cr_expect(memcmp(multipart.boundary, last, BOUNDARY_BYTES) != 0);
        memcpy(last, multipart.boundary, BOUNDARY_BYTES);
        free(etag);
    }
}

/* Tags of other lengths: nothing behind them is read, nothing behind the boundary written. */
Test(multipart, boundary_from_any_tag)
{
    for (size_t count = 2; count < 100; count++) {
        struct multipart *own = malloc(sizeof *own);
        char *etag = malloc(count);
        memset(own, 0x55, sizeof *own);
        memset(etag, 'x', count);
        etag[0] = etag[count - 1] = '"';
        multipart_set_boundary(own, (struct slice){etag, count});
        cr_expect(is_boundary(own->boundary), "%zu: %.*s", count, BOUNDARY_BYTES, own->boundary);
        cr_expect(own->ranges.count == (size_t)UINT64_C(0x5555555555555555), "%zu", count);
        cr_expect(own->length == UINT64_C(0x5555555555555555), "%zu", count);
        free(etag);
        free(own);
    }
}

/* The same tag, the same boundary: two answers of one representation can be put together. */
Test(multipart, boundary_of_the_same_tag, .init = set_up)
{
    char first[BOUNDARY_BYTES];
    memcpy(first, multipart.boundary, BOUNDARY_BYTES);
    multipart_set_boundary(&multipart, SLICE("\"another\""));
    cr_expect(memcmp(first, multipart.boundary, BOUNDARY_BYTES) != 0);
    multipart_set_boundary(&multipart, SLICE(TAG));
    cr_expect(memcmp(first, multipart.boundary, BOUNDARY_BYTES) == 0);
}

/* ---- the text ---- */

/* One text, in memory that has exactly room for it and a NUL; the caller frees it. */
static char *text_of(size_t i, size_t *out_count)
{
    *out_count = multipart_text(&multipart, i, NULL, 0);
    char *text = malloc(*out_count + 1);
    memset(text, 0x55, *out_count + 1);
    size_t count = multipart_text(&multipart, i, text, *out_count + 1);
    cr_assert(count == *out_count, "%zu: %zu, %zu", i, count, *out_count);
    return text;
}

static void expect_text(size_t i, const char *wanted)
{
    size_t count;
    char *text = text_of(i, &count);
    cr_expect(count == strlen(wanted) && memcmp(text, wanted, count) == 0, "%zu: %.*s", i,
              (int)count, text);
    free(text);
}

Test(multipart, texts, .init = set_up)
{
    /* BOUNDARY is its beginning; the rest of it is taken as it is */
    int rest = BOUNDARY_BYTES - (int)(sizeof BOUNDARY - 1);
    char line[BOUNDARY_BYTES + 1];
    snprintf(line, sizeof line, "%s%.*s", BOUNDARY, rest, multipart.boundary + sizeof BOUNDARY - 1);
    cr_expect(memcmp(line, multipart.boundary, BOUNDARY_BYTES) == 0, "%s", line);
    static const struct {
        const char *before, *behind;
    } texts[] = {
        {"--", "\r\nContent-Type: text/plain\r\nContent-Range: bytes 500-509/1000\r\n\r\n"},
        {"\r\n--", "\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/1000\r\n\r\n"},
        {"\r\n--", "\r\nContent-Type: text/plain\r\nContent-Range: bytes 999-999/1000\r\n\r\n"},
        {"\r\n--", "--\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        char wanted[200];
        snprintf(wanted, sizeof wanted, "%s%s%s", texts[i].before, line, texts[i].behind);
        expect_text(i, wanted);
    }
}

/* A representation without a type has parts without one. */
Test(multipart, no_type, .init = set_up)
{
    static const struct slice types[] = {{"", 0}, {NULL, 0}};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        multipart.type = types[i];
        char wanted[200];
        snprintf(wanted, sizeof wanted, "--%.*s\r\nContent-Range: bytes 500-509/1000\r\n\r\n",
                 BOUNDARY_BYTES, multipart.boundary);
        expect_text(0, wanted);
    }
}

/* The type is a slice: nothing behind it is read, and it may be long. */
Test(multipart, borrowed_type, .init = set_up)
{
    static const char start[] = "Content-Type: ";
    for (size_t count = sizeof start + 2; count < 3000; count += 499) {
        char *type = malloc(count);
        memset(type, 'x', count);
        memcpy(type, start, sizeof start - 1);
        memcpy(type + count - 2, "\r\n", 2);
        multipart.type = (struct slice){type, count};
        size_t text_count;
        char *text = text_of(1, &text_count);
        const char *found = memmem(text, text_count, type, count);
        cr_expect(found == text + 4 + BOUNDARY_BYTES + 2, "%zu", count);
        cr_expect(text_count > count && memcmp(text + text_count - 4, "\r\n\r\n", 4) == 0);
        free(text);
        free(type);
    }
}

/* Too little room: the length all the same, and nothing outside of it is touched. */
Test(multipart, capacities, .init = set_up)
{
    for (size_t i = 0; i <= multipart.ranges.count; i++) {
        size_t count;
        char *whole = text_of(i, &count);
        for (size_t capacity = 0; capacity <= count + 8; capacity++) {
            char *out = malloc(capacity);
            size_t returned = multipart_text(&multipart, i, out, capacity);
            cr_expect(returned == count, "%zu in %zu: %zu", i, capacity, returned);
            size_t kept = capacity <= count ? capacity : count;
            kept -= kept > 0 && capacity <= count; /* a NUL */
            cr_expect(kept == 0 || memcmp(out, whole, kept) == 0, "%zu in %zu", i, capacity);
            free(out);
        }
        free(whole);
    }
}

/* ---- the whole body ---- */

/* The sum of what is written: the texts, and the bytes between them. */
static uint64_t sum(void)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i <= multipart.ranges.count; i++) {
        size_t count;
        free(text_of(i, &count));
        bytes += count;
        bytes += i < multipart.ranges.count ? multipart.ranges.at[i].bytes : 0;
    }
    return bytes;
}

Test(multipart, length, .init = set_up)
{
    for (size_t count = 1; count <= 3; count++) {
        multipart.ranges.count = count;
        uint64_t bytes = multipart_bytes(&multipart);
        cr_expect(bytes == sum(), "%zu: %ju, %ju", count, (uintmax_t)bytes, (uintmax_t)sum());
    }
    uint64_t with_type = multipart_bytes(&multipart);
    size_t type_bytes = multipart.type.count;
    multipart.type = SLICE("");
    cr_expect(multipart_bytes(&multipart) == with_type - 3 * type_bytes);
}

/* Numbers of every length, and as many parts as there may be. */
Test(multipart, length_of_many, .init = set_up)
{
    multipart.length = UINT64_MAX;
    multipart.ranges.count = RANGES_MAX;
    uint64_t first = 1;
    for (size_t i = 0; i < RANGES_MAX; i++) {
        multipart.ranges.at[i] = (struct byte_range){first, i + 1};
        first = first > UINT64_MAX / 20 ? 1 : first * 10;
    }
    uint64_t bytes = multipart_bytes(&multipart);
    cr_expect(bytes == sum(), "%ju, %ju", (uintmax_t)bytes, (uintmax_t)sum());
    multipart.ranges.count = 2;
    multipart.ranges.at[0] = (struct byte_range){0, INT64_MAX};
    multipart.ranges.at[1] = (struct byte_range){UINT64_MAX - 1, 1};
    bytes = multipart_bytes(&multipart);
    cr_expect(bytes > INT64_MAX && bytes == sum(), "%ju", (uintmax_t)bytes);
}

/* The body as it is sent, taken apart again by its boundary (RFC 2046 section 5.1.1): the bytes of
 * each range come out, whatever they are. */
Test(multipart, body_is_taken_apart, .init = set_up)
{
    static char content[1000];
    for (size_t i = 0; i < sizeof content; i++) {
        content[i] = "--\r\ncairn-"[i % 10];
    }
    char *body = malloc((size_t)multipart_bytes(&multipart) + 1);
    size_t bytes = 0;
    for (size_t i = 0; i <= multipart.ranges.count; i++) {
        size_t count;
        char *text = text_of(i, &count);
        memcpy(body + bytes, text, count);
        bytes += count;
        if (i < multipart.ranges.count) {
            const struct byte_range *range = &multipart.ranges.at[i];
            memcpy(body + bytes, content + range->first, range->bytes);
            bytes += range->bytes;
        }
        free(text);
    }
    cr_assert(bytes == multipart_bytes(&multipart), "%zu", bytes);
    char delimiter[BOUNDARY_BYTES + 5];
    snprintf(delimiter, sizeof delimiter, "\r\n--%.*s", BOUNDARY_BYTES, multipart.boundary);
    cr_assert(memcmp(body, delimiter + 2, BOUNDARY_BYTES + 2) == 0, "no CRLF before the first");
    const char *at = body + BOUNDARY_BYTES + 2;
    const char *end = body + bytes;
    for (size_t i = 0; i < multipart.ranges.count; i++) {
        const char *data = memmem(at, (size_t)(end - at), "\r\n\r\n", 4);
        cr_assert(data != NULL && memcmp(at, "\r\n", 2) == 0, "part %zu", i);
        data += 4;
        at = memmem(data, (size_t)(end - data), delimiter, BOUNDARY_BYTES + 4);
        cr_assert(at != NULL, "part %zu", i);
        const struct byte_range *range = &multipart.ranges.at[i];
        cr_expect((size_t)(at - data) == range->bytes, "part %zu: %td bytes", i, at - data);
        cr_expect(memcmp(data, content + range->first, range->bytes) == 0, "part %zu", i);
        at += BOUNDARY_BYTES + 4;
    }
    cr_expect(end - at == 4 && memcmp(at, "--\r\n", 4) == 0);
    free(body);
}

/* ---- Content-Range (RFC 9110 section 14.4) ---- */

static const struct {
    struct byte_range range;
    uint64_t length;
    const char *wanted;
} rows[] = {
    {{0, 1}, 1, "Content-Range: bytes 0-0/1\r\n"},
    {{0, 10}, 100, "Content-Range: bytes 0-9/100\r\n"},
    {{99, 1}, 100, "Content-Range: bytes 99-99/100\r\n"},
    {{0, 100}, 100, "Content-Range: bytes 0-99/100\r\n"},
    {{42, 1192}, 1234, "Content-Range: bytes 42-1233/1234\r\n"},
    {{4294967295, 2}, 4294967297, "Content-Range: bytes 4294967295-4294967296/4294967297\r\n"},
    {{0, INT64_MAX},
     INT64_MAX,
     "Content-Range: bytes 0-9223372036854775806/9223372036854775807\r\n"},
    {{UINT64_MAX - 1, 1},
     UINT64_MAX,
     "Content-Range: bytes 18446744073709551614-18446744073709551614/18446744073709551615\r\n"},
};

Test(multipart, content_range)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *out = malloc(CONTENT_RANGE_BYTES_MAX);
        size_t count = content_range_format(&rows[i].range, rows[i].length, out);
        cr_assert(count <= CONTENT_RANGE_BYTES_MAX, "row %zu: %zu", i, count);
        cr_expect(count == strlen(rows[i].wanted) && memcmp(out, rows[i].wanted, count) == 0,
                  "row %zu: %.*s", i, (int)count, out);
        free(out);
    }
}

Test(multipart, content_range_unsatisfied)
{
    static const struct {
        uint64_t length;
        const char *wanted;
    } lengths[] = {
        {0, "Content-Range: bytes */0\r\n"},
        {1, "Content-Range: bytes */1\r\n"},
        {1234, "Content-Range: bytes */1234\r\n"},
        {UINT64_MAX, "Content-Range: bytes */18446744073709551615\r\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(lengths); i++) {
        char *out = malloc(CONTENT_RANGE_BYTES_MAX);
        size_t count = content_range_unsatisfied(lengths[i].length, out);
        cr_expect(count == strlen(lengths[i].wanted) && memcmp(out, lengths[i].wanted, count) == 0,
                  "row %zu: %.*s", i, (int)count, out);
        free(out);
    }
}
