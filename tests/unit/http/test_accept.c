/* Accept-Encoding: tables of field lines and the form that is sent, where all forms are there and
 * where some are not. */
#include "http/accept.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 3 };

/* In this order of size, so that a choice by size and one by preference differ. */
enum {
    IDENTITY_SIZE = 1000,
    GZIP_SIZE = 400,
    BR_SIZE = 350,
    ZSTD_SIZE = 300,
};

/* The value in memory of its own, so that a read behind it is found. */
static void add_line(struct accept_encoding *accepted, struct slice value)
{
    char *bytes = malloc(value.count + (value.count == 0));
    memcpy(bytes, value.bytes, value.count);
    accept_encoding_add(accepted, (struct slice){bytes, value.count});
    free(bytes);
}

static const struct {
    const char *lines[LINES_MAX]; /* NULL: no more */
    enum codec codec;
} rows[] = {
    /* no field, and one that says nothing (RFC 9110 section 12.5.3) */
    {{NULL}, CODEC_IDENTITY},
    {{""}, CODEC_IDENTITY},
    {{" \t"}, CODEC_IDENTITY},
    {{","}, CODEC_IDENTITY},
    /* one coding */
    {{"gzip"}, CODEC_GZIP},
    {{"br"}, CODEC_BR},
    {{"zstd"}, CODEC_ZSTD},
    {{"identity"}, CODEC_IDENTITY},
    {{"x-gzip"}, CODEC_GZIP}, /* section 8.4.1.3 */
    {{"GZip"}, CODEC_GZIP},
    {{"X-GZIP"}, CODEC_GZIP},
    {{"BR"}, CODEC_BR},
    /* not codings that are known */
    {{"deflate"}, CODEC_IDENTITY},
    {{"compress, exi"}, CODEC_IDENTITY},
    {{"gzi"}, CODEC_IDENTITY},
    {{"gzipp"}, CODEC_IDENTITY},
    {{"x-br"}, CODEC_IDENTITY},
    {{"g zip"}, CODEC_IDENTITY},
    {{"gzip br"}, CODEC_IDENTITY},
    {{"\"gzip\""}, CODEC_IDENTITY},
    {{"**"}, CODEC_IDENTITY},
    {{"deflate, gzip"}, CODEC_GZIP},
    /* the smallest of those that are as welcome */
    {{"gzip, br"}, CODEC_BR},
    {{"br, gzip"}, CODEC_BR},
    {{"gzip, deflate, br, zstd"}, CODEC_ZSTD},
    {{"gzip;q=0.5, br;q=0.5, zstd;q=0.500"}, CODEC_ZSTD},
    {{"identity, gzip"}, CODEC_GZIP},
    /* the most welcome, whatever its size */
    {{"gzip;q=1.0, br;q=0.9, zstd;q=0.8"}, CODEC_GZIP},
    {{"gzip;q=0.8, br;q=0.801"}, CODEC_BR},
    {{"gzip;q=0.002, zstd;q=0.001"}, CODEC_GZIP},
    {{"identity, gzip;q=0.999"}, CODEC_IDENTITY},
    {{"identity;q=0.5, gzip;q=0.4"}, CODEC_IDENTITY},
    /* a coding that is named goes before identity, which is not */
    {{"gzip;q=0.001"}, CODEC_GZIP},
    /* refused */
    {{"gzip;q=0"}, CODEC_IDENTITY},
    {{"gzip;q=0.000"}, CODEC_IDENTITY},
    {{"zstd;q=0, gzip;q=0.1"}, CODEC_GZIP},
    {{"identity;q=0, gzip;q=0.1"}, CODEC_GZIP},
    {{"identity;q=0"}, CODEC_IDENTITY}, /* there is nothing else to send */
    {{"gzip;q=0, identity;q=0"}, CODEC_IDENTITY},
    /* "*" is what is not listed, wherever it stands */
    {{"*"}, CODEC_ZSTD},
    {{"*;q=0.5"}, CODEC_ZSTD},
    {{"*, zstd;q=0"}, CODEC_BR},
    {{"zstd;q=0, *"}, CODEC_BR},
    {{"*;q=0.5, gzip"}, CODEC_GZIP},
    {{"gzip, *;q=0.5"}, CODEC_GZIP},
    {{"gzip;q=0.4, *;q=0.5"}, CODEC_ZSTD},
    {{"gzip, *;q=0"}, CODEC_GZIP},
    {{"*;q=0"}, CODEC_IDENTITY},
    {{"*;q=0, identity;q=0.1"}, CODEC_IDENTITY},
    {{"*;q=0, br;q=0.1"}, CODEC_BR},
    {{"identity, *;q=0.5"}, CODEC_IDENTITY},
    {{"identity;q=0, *;q=0.5"}, CODEC_ZSTD},
    /* several lines are one list (section 5.3) */
    {{"gzip", "br"}, CODEC_BR},
    {{"*", "zstd;q=0", "br;q=0"}, CODEC_GZIP},
    {{"zstd;q=0", "*"}, CODEC_BR},
    {{"gzip", ""}, CODEC_GZIP},
    {{"gzip;q=0.1", "identity;q=0.2", "br;q=0.3"}, CODEC_BR},
    /* empty members are passed over (section 5.6.1.2) */
    {{",, gzip ,,"}, CODEC_GZIP},
    {{" , br;q=0.5,\t,gzip"}, CODEC_GZIP},
    /* space around members and ';', none within a weight (section 12.4.2) */
    {{"  gzip\t"}, CODEC_GZIP},
    {{"gzip ; q=0 , br\t;\tq=0.5"}, CODEC_BR},
    {{"identity;q=0.5,gzip ;q=1"}, CODEC_GZIP},
    {{"gzip;q =1"}, CODEC_IDENTITY},
    {{"gzip;q= 1"}, CODEC_IDENTITY},
    {{"gzip;Q=0.3, br;Q=0.2"}, CODEC_GZIP},
    /* weights that are none: the member is passed over */
    {{"gzip;q"}, CODEC_IDENTITY},
    {{"gzip;q="}, CODEC_IDENTITY},
    {{"gzip;q=2"}, CODEC_IDENTITY},
    {{"gzip;q=1.1"}, CODEC_IDENTITY},
    {{"gzip;q=1.001"}, CODEC_IDENTITY},
    {{"gzip;q=10"}, CODEC_IDENTITY},
    {{"gzip;q=00.5"}, CODEC_IDENTITY},
    {{"gzip;q=-1"}, CODEC_IDENTITY},
    {{"gzip;q=+1"}, CODEC_IDENTITY},
    {{"gzip;q=.5"}, CODEC_IDENTITY},
    {{"gzip;q=0,5"}, CODEC_IDENTITY},
    {{"gzip;q=0.1234"}, CODEC_IDENTITY},
    {{"gzip;q=1.0000"}, CODEC_IDENTITY},
    {{"gzip;q=0.5x"}, CODEC_IDENTITY},
    {{"gzip;q=1e0"}, CODEC_IDENTITY},
    {{"gzip;q=\"1\""}, CODEC_IDENTITY},
    {{"gzip;level=9"}, CODEC_IDENTITY},
    {{"gzip;qq=1"}, CODEC_IDENTITY},
    {{"gzip;q=2, br"}, CODEC_BR},
    /* exactly one weight may stand there */
    {{"gzip;"}, CODEC_IDENTITY},
    {{"gzip;;q=0.5"}, CODEC_IDENTITY},
    {{"gzip;q=0.5;"}, CODEC_IDENTITY},
    {{"gzip;q=2;q=1"}, CODEC_IDENTITY},
    {{"gzip;q=0.1;q=1, br;q=0.5"}, CODEC_BR},
    {{"*;q=2, br;q=0.1"}, CODEC_BR},
    /* the odd forms of a weight that are right */
    {{"gzip;q=1."}, CODEC_GZIP},
    {{"gzip;q=1.000, br;q=0.999"}, CODEC_GZIP},
    {{"gzip;q=0., br;q=0.01"}, CODEC_BR},
    {{"gzip;q=0.3, br;q=0.29"}, CODEC_GZIP},
    {{"gzip;q=0.03, br;q=0.2"}, CODEC_BR},
    /* named twice: the higher weight, in either order; x-gzip is the same coding */
    {{"gzip;q=0, gzip, br;q=0.5"}, CODEC_GZIP},
    {{"gzip, gzip;q=0, br;q=0.5"}, CODEC_GZIP},
    {{"gzip;q=0.1, x-gzip;q=0.6, br;q=0.5"}, CODEC_GZIP},
    {{"*;q=0.1", "*;q=0"}, CODEC_ZSTD},
};

Test(accept, every_form_is_there)
{
    static const uint64_t sizes[CODEC_COUNT] = {IDENTITY_SIZE, GZIP_SIZE, BR_SIZE, ZSTD_SIZE};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct accept_encoding accepted;
        accept_encoding_init(&accepted);
        for (size_t j = 0; j < LINES_MAX && rows[i].lines[j] != NULL; j++) {
            add_line(&accepted, slice_of_string(rows[i].lines[j]));
        }
        enum codec codec = accept_encoding_select(&accepted, sizes);
        cr_expect_eq(codec, rows[i].codec, "row %zu: %s: %d", i,
                     rows[i].lines[0] == NULL ? "none" : rows[i].lines[0], (int)codec);
    }
}

#define NONE UINT64_MAX

static const struct {
    const char *value;
    uint64_t sizes[CODEC_COUNT]; /* identity, gzip, br, zstd */
    enum codec codec;
} available[] = {
    /* only what is there */
    {"gzip, br, zstd", {1000, NONE, NONE, NONE}, CODEC_IDENTITY},
    {"gzip, br, zstd", {1000, 400, NONE, NONE}, CODEC_GZIP},
    {"br;q=1, gzip;q=0.1", {1000, 400, NONE, NONE}, CODEC_GZIP},
    {"br", {1000, 400, NONE, 300}, CODEC_IDENTITY},
    {"*", {1000, NONE, NONE, NONE}, CODEC_IDENTITY},
    /* refused, and nothing else there: identity, which section 12.5.3 allows */
    {"identity;q=0", {1000, NONE, NONE, NONE}, CODEC_IDENTITY},
    {"*;q=0", {1000, NONE, NONE, NONE}, CODEC_IDENTITY},
    {"br, identity;q=0", {1000, 400, NONE, NONE}, CODEC_IDENTITY},
    {"identity;q=0, *", {1000, NONE, NONE, 5000}, CODEC_ZSTD},
    /* the smallest of equals, identity among them */
    {"*", {1000, 400, 399, 401}, CODEC_BR},
    {"*", {1000, 400, 401, 402}, CODEC_GZIP},
    {"*", {1000, 1001, 1002, NONE}, CODEC_IDENTITY},
    {"gzip, identity", {20, 40, NONE, NONE}, CODEC_IDENTITY},
    /* as small as each other: br, zstd, gzip, identity */
    {"*", {7, 7, 7, 7}, CODEC_BR},
    {"*", {7, 7, NONE, 7}, CODEC_ZSTD},
    {"*", {7, 7, NONE, NONE}, CODEC_GZIP},
    {"zstd, gzip, identity", {7, 7, 7, 7}, CODEC_ZSTD},
    /* weights go before sizes */
    {"gzip;q=0.9, br;q=0.8", {1000, 900, 1, NONE}, CODEC_GZIP},
    /* empty files */
    {"gzip", {0, NONE, NONE, NONE}, CODEC_IDENTITY},
    {"*", {0, 0, NONE, NONE}, CODEC_GZIP},
};

Test(accept, some_forms_are_there)
{
    for (size_t i = 0; i < ARRAY_COUNT(available); i++) {
        struct accept_encoding accepted;
        accept_encoding_init(&accepted);
        add_line(&accepted, slice_of_string(available[i].value));
        enum codec codec = accept_encoding_select(&accepted, available[i].sizes);
        cr_expect_eq(codec, available[i].codec, "row %zu: %s: %d", i, available[i].value,
                     (int)codec);
    }
}

/* Every weight in every form that means it is the one that decides. */
Test(accept, every_weight)
{
    static const uint64_t sizes[CODEC_COUNT] = {IDENTITY_SIZE, GZIP_SIZE, BR_SIZE, NONE};
    for (int weight = 1; weight < 1000; weight++) {
        char value[64];
        snprintf(value, sizeof value, "gzip;q=0.%03d, br;q=0.%03d", weight, weight - 1);
        struct accept_encoding accepted;
        accept_encoding_init(&accepted);
        add_line(&accepted, slice_of_string(value));
        cr_expect_eq(accept_encoding_select(&accepted, sizes), CODEC_GZIP, "%s", value);
    }
}

/* A long list, in pieces that a parser might confuse. */
Test(accept, long_lists)
{
    static const uint64_t sizes[CODEC_COUNT] = {IDENTITY_SIZE, GZIP_SIZE, BR_SIZE, ZSTD_SIZE};
    static const char *const members[] = {",", ";", ";q=1,", "gzip;q=0,", "unknown;q=1,", " "};
    enum { BYTES = 1 << 20 };
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        struct slice member = slice_of_string(members[i]);
        char *bytes = malloc(BYTES);
        size_t count = 0;
        for (; count + member.count < BYTES - 8; count += member.count) {
            memcpy(bytes + count, member.bytes, member.count);
        }
        memcpy(bytes + count, ", br", 4);
        struct accept_encoding accepted;
        accept_encoding_init(&accepted);
        accept_encoding_add(&accepted, (struct slice){bytes, count + 4});
        cr_expect_eq(accept_encoding_select(&accepted, sizes), CODEC_BR, "'%s'", members[i]);
        free(bytes);
    }
}
