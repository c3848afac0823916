/* --limit NAME=VALUE: the defaults, what is taken, what is refused, and what is said of it. */
#include "http/limits.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the header says, once more as a table. */
static const struct known {
    const char *name, *reason;
    enum limit_unit unit;
    uint64_t value, least, most;
    size_t offset;
} table[] = {
#define LIMIT(member, name, unit, value, least, most, reason)                                      \
    {name, reason, unit, value, least, most, offsetof(struct limits, member)},
    HTTP_LIMITS(LIMIT)
#undef LIMIT
};

static uint64_t value_of(const struct limits *limits, size_t i)
{
    uint64_t value;
    memcpy(&value, (const char *)limits + table[i].offset, sizeof value);
    return value;
}

/* Sets one in a struct that has the defaults, and checks that no other one changes. */
static int set_one(const char *text, size_t wanted, uint64_t *out_value, struct error *error)
{
    struct limits limits;
    limits_init(&limits);
    error->text[0] = '\0';
    int status = limits_set(&limits, text, error);
    *out_value = value_of(&limits, wanted);
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        cr_expect(i == wanted || value_of(&limits, i) == table[i].value, "%s changed %s", text,
                  table[i].name);
    }
    return status;
}

static size_t find(const char *name)
{
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return i;
        }
    }
    cr_assert(false, "no limit %s", name);
    return 0;
}

/* Numbers as they are written in this unit without loss: times are in ms. */
static void format(char out[64], size_t i, uint64_t value)
{
    snprintf(out, 64, "%s=%" PRIu64 "%s", table[i].name, value,
             table[i].unit == LIMIT_MS ? "ms" : "");
}

/* ---- defaults ---- */

Test(limits, defaults)
{
    struct limits *limits = malloc(sizeof *limits);
    memset(limits, 0xff, sizeof *limits);
    limits_init(limits);
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        cr_expect(value_of(limits, i) == table[i].value, "%s", table[i].name);
        cr_expect(table[i].least <= table[i].value && table[i].value <= table[i].most, "%s",
                  table[i].name);
    }
    cr_expect(limits->head_bytes == 16384 && limits->target_bytes == 8192);
    cr_expect(limits->fields == 100 && limits->ranges == 100);
    cr_expect(limits->body_bytes == 1 << 20);
    cr_expect(limits->connections == 0 && limits->address_connections == 0);
    cr_expect(limits->connection_requests == 0 && limits->body_rate == 256);
    cr_expect(limits->first_byte_ms == 20000 && limits->head_ms == 20000);
    cr_expect(limits->rate_ms == 30000 && limits->idle_ms == 75000);
    cr_expect(limits->linger_ms == 5000 && limits->drain_ms == 30000);
    free(limits);
}

/* The names are words, and each stands for one limit. */
Test(limits, names)
{
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        size_t count = strlen(table[i].name);
        cr_expect(count > 0 && strspn(table[i].name, "abcdefghijklmnopqrstuvwxyz-") == count, "%s",
                  table[i].name);
        for (size_t j = 0; j < i; j++) {
            cr_expect(strcmp(table[i].name, table[j].name) != 0, "%s", table[i].name);
            cr_expect(table[i].offset != table[j].offset, "%s, %s", table[i].name, table[j].name);
        }
    }
}

/* ---- values ---- */

static const struct {
    const char *text, *name;
    uint64_t value;
} goods[] = {
    {"head-size=1000", "head-size", 1000},
    {"head-size=32k", "head-size", 32768},
    {"head-size=0032k", "head-size", 32768},
    {"head-size=64k", "head-size", 65536},
    {"body-size=0", "body-size", 0},
    {"body-size=0k", "body-size", 0},
    {"body-size=0m", "body-size", 0},
    {"body-size=1k", "body-size", 1024},
    {"body-size=1m", "body-size", 1048576},
    {"body-size=4096m", "body-size", UINT64_C(4294967296)},
    {"body-size=8796093022207m", "body-size", UINT64_C(9223372036853727232)},
    {"body-size=9223372036854775807", "body-size", INT64_MAX},
    {"body-rate=4k", "body-rate", 4096},
    {"field-count=7", "field-count", 7},
    {"range-count=1000", "range-count", 1000},
    {"connections=4294967295", "connections", UINT32_MAX},
    {"connections=0", "connections", 0},
    {"connection-requests=000000000000000000000000000001", "connection-requests", 1},
    {"idle-time=500ms", "idle-time", 500},
    {"idle-time=10ms", "idle-time", 10},
    {"idle-time=20", "idle-time", 20000},
    {"idle-time=20s", "idle-time", 20000},
    {"idle-time=2m", "idle-time", 120000},
    {"idle-time=1440m", "idle-time", 86400000},
    {"drain-time=0", "drain-time", 0},
    {"drain-time=0s", "drain-time", 0},
    {"drain-time=86400", "drain-time", 86400000},
};

Test(limits, good_values)
{
    for (size_t i = 0; i < ARRAY_COUNT(goods); i++) {
        uint64_t value;
        struct error error;
        int status = set_one(goods[i].text, find(goods[i].name), &value, &error);
        cr_expect(status == 0 && value == goods[i].value, "%s: %d, %ju, %s", goods[i].text, status,
                  (uintmax_t)value, error.text);
    }
}

static const char *const bads[] = {
    /* no limit of that name */
    "",
    "=",
    "=5",
    "head-size",
    "head-siz=1k",
    "head-sizes=1k",
    "head=1k",
    "-size=1k",
    "Head-Size=1k",
    "head_size=1k",
    " head-size=1k",
    "head-size =1k",
    "head_bytes=1k",
    "nothing=1",
    "head-size:1k",
    /* no number */
    "head-size=",
    "head-size==1k",
    "head-size=k",
    "head-size=x",
    "head-size= 1k",
    "head-size=1k ",
    "head-size=1 k",
    "head-size=+1000",
    "head-size=-1000",
    "head-size=--1000",
    "head-size=0x1000",
    "head-size=1000.0",
    "head-size=1.5k",
    "head-size=1e3",
    "head-size=1,000",
    "head-size=1000,target-length=100",
    "head-size=1000=1000",
    "connections=-1",
    "connections=-18446744073709551615", /* 1, to those who let it wrap around */
    /* units that are none, or another's */
    "head-size=1kk",
    "head-size=1kb",
    "head-size=1km",
    "head-size=1000s",
    "head-size=1000ms",
    "head-size=1000b",
    "field-count=1k",
    "field-count=1m",
    "range-count=1s",
    "idle-time=1k",
    "idle-time=1sm",
    "idle-time=1000us",
    "idle-time=1d",
    "idle-time=1M",
    "idle-time=1.5s",
    "idle-time=1m30s",
    /* too little, too much */
    "head-size=0",
    "head-size=255",
    "head-size=65537",
    "head-size=65k",
    "head-size=1m",
    "field-count=0",
    "field-count=1001",
    "range-count=0",
    "range-count=1001",
    "connections=4294967296",
    "idle-time=0",
    "idle-time=9ms",
    "idle-time=86401",
    "idle-time=1441m",
    "idle-time=86400001ms",
    "body-size=9223372036854775808",
    "body-size=18446744073709551615",
    "body-size=18446744073709551616",
    "body-size=18446744073709551617",
    "body-size=99999999999999999999999999999999",
    /* products that wrap around to something small */
    "body-size=18014398509481984k",
    "body-size=18014398509481985k",
    "body-size=17592186044416m",
    "body-size=17592186044417m",
    "body-size=8796093022208m",
    "idle-time=18446744073709552",
    "idle-time=18446744073709572s",
    "idle-time=307445734561826m",
    "idle-time=18446744073709551615s",
};

Test(limits, bad_values)
{
    for (size_t i = 0; i < ARRAY_COUNT(bads); i++) {
        uint64_t value;
        struct error error;
        int status = set_one(bads[i], 0, &value, &error);
        cr_expect(status == ERR_USAGE && value == table[0].value, "%s: %d, %ju", bads[i], status,
                  (uintmax_t)value);
        cr_expect(strstr(error.text, bads[i]) != NULL, "%s: %s", bads[i], error.text);
        cr_expect(strlen(error.text) > strlen("--limit : ") + strlen(bads[i]), "%s: %s", bads[i],
                  error.text);
    }
}

/* Without a sentence if nobody wants it. */
Test(limits, no_error_wanted)
{
    struct limits limits;
    limits_init(&limits);
    cr_expect(limits_set(&limits, "head-size=1", NULL) == ERR_USAGE);
    cr_expect(limits_set(&limits, "head-size=x", NULL) == ERR_USAGE);
    cr_expect(limits_set(&limits, "x", NULL) == ERR_USAGE);
    cr_expect(limits_set(&limits, "head-size=300", NULL) == 0 && limits.head_bytes == 300);
}

/* A name that is long, and a value that is. */
Test(limits, long_texts)
{
    enum { BYTES = 100000 };
    static const char *const starts[] = {"", "head-size=", "head-size=1", "x="};
    for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
        char *text = malloc(BYTES);
        memset(text, i % 2 == 0 ? 'k' : '1', BYTES);
        memcpy(text, starts[i], strlen(starts[i]));
        text[BYTES - 1] = '\0';
        struct limits limits;
        struct error error;
        limits_init(&limits);
        cr_expect(limits_set(&limits, text, &error) == ERR_USAGE, "row %zu", i);
        cr_expect(limits.head_bytes == 16384, "row %zu", i);
        free(text);
    }
}

/* ---- the least and the most of each ---- */

Test(limits, bounds)
{
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        const uint64_t bounds[] = {table[i].least, table[i].most, table[i].least - 1,
                                   table[i].most + 1};
        for (size_t j = 0; j < ARRAY_COUNT(bounds); j++) {
            char text[64];
            uint64_t value;
            struct error error;
            format(text, i, bounds[j]); /* 0 - 1 is as large as can be */
            bool is_good = j < 2;
            int status = set_one(text, i, &value, &error);
            cr_expect(status == (is_good ? 0 : ERR_USAGE), "%s: %d", text, status);
            cr_expect(value == (is_good ? bounds[j] : table[i].value), "%s: %ju", text,
                      (uintmax_t)value);
        }
    }
}

/* The sentence about too little or too much names both bounds, in a form that is taken. */
Test(limits, sentence_names_the_bounds)
{
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        char text[64];
        uint64_t value;
        struct error error;
        format(text, i, table[i].most + 1);
        cr_assert(set_one(text, i, &value, &error) == ERR_USAGE);
        char least[32] = "";
        char most[32] = "";
        const char *from = strstr(error.text, " from ");
        cr_assert(from != NULL && sscanf(from, " from %31s to %31s", least, most) == 2, "%s",
                  error.text);
        snprintf(text, sizeof text, "%s=%s", table[i].name, least);
        cr_expect(set_one(text, i, &value, &error) == 0 && value == table[i].least, "%s: %ju", text,
                  (uintmax_t)value);
        snprintf(text, sizeof text, "%s=%s", table[i].name, most);
        cr_expect(set_one(text, i, &value, &error) == 0 && value == table[i].most, "%s: %ju", text,
                  (uintmax_t)value);
    }
}

/* Later ones count, and one that is refused changes nothing of what was set before. */
Test(limits, several)
{
    struct limits limits;
    struct error error;
    limits_init(&limits);
    cr_expect(limits_set(&limits, "idle-time=1s", &error) == 0);
    cr_expect(limits_set(&limits, "connections=5", &error) == 0);
    cr_expect(limits_set(&limits, "idle-time=2s", &error) == 0);
    cr_expect(limits_set(&limits, "idle-time=0", &error) == ERR_USAGE);
    cr_expect(limits_set(&limits, "connections=x", &error) == ERR_USAGE);
    cr_expect(limits.idle_ms == 2000 && limits.connections == 5 && limits.head_ms == 20000);
}

/* ---- the list for people ---- */

enum { LINE_BYTES = 1000 };

/* Each line is what could be typed, and says why. */
Test(limits, lines_say_the_defaults)
{
    char line[LINE_BYTES];
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        struct limits limits;
        struct error error;
        cr_assert(limits_describe(i, line, sizeof line), "%zu", i);
        cr_expect(strlen(line) < sizeof line - 1 && strchr(line, '\n') == NULL, "%s", line);
        char *reason = strstr(line, ": ");
        cr_assert(reason != NULL, "%s", line);
        cr_expect(strcmp(reason + 2, table[i].reason) == 0, "%s", line);
        *reason = '\0';
        size_t name_count = strlen(table[i].name);
        cr_expect(strncmp(line, table[i].name, name_count) == 0 && line[name_count] == '=', "%s",
                  line);
        memset(&limits, 0xff, sizeof limits);
        cr_expect(limits_set(&limits, line, &error) == 0, "%s: %s", line, error.text);
        cr_expect(value_of(&limits, i) == table[i].value, "%s: %ju", line,
                  (uintmax_t)value_of(&limits, i));
    }
    strcpy(line, "as before");
    cr_expect(!limits_describe(ARRAY_COUNT(table), line, sizeof line));
    cr_expect(!limits_describe(ARRAY_COUNT(table) + 1, line, sizeof line));
    cr_expect(!limits_describe(SIZE_MAX, line, sizeof line));
    cr_expect(strcmp(line, "as before") == 0, "%s", line);
}

/* The units are those that a person would choose. */
Test(limits, lines_in_units)
{
    static const char *const starts[] = {
        "head-size=16k: ", "target-length=8k: ", "field-count=100: ", "body-size=1m: ",
        "connections=0: ", "body-rate=256: ",    "idle-time=75s: ",   "linger-time=5s: ",
    };
    for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
        char line[LINE_BYTES];
        char name[32];
        cr_assert(sscanf(starts[i], "%31[^=]", name) == 1);
        cr_assert(limits_describe(find(name), line, sizeof line));
        cr_expect(strncmp(line, starts[i], strlen(starts[i])) == 0, "%s", line);
    }
}

/* What fits, with NUL, in memory of exactly that size. */
Test(limits, lines_that_do_not_fit)
{
    char whole[LINE_BYTES];
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        cr_assert(limits_describe(i, whole, sizeof whole));
        size_t count = strlen(whole);
        for (size_t capacity = 1; capacity <= count + 2; capacity++) {
            char *line = malloc(capacity);
            memset(line, 'x', capacity);
            cr_expect(limits_describe(i, line, capacity), "%s in %zu", table[i].name, capacity);
            size_t kept = capacity <= count ? capacity - 1 : count;
            cr_expect(line[kept] == '\0' && memcmp(line, whole, kept) == 0, "%s in %zu",
                      table[i].name, capacity);
            free(line);
        }
        cr_expect(limits_describe(i, NULL, 0), "%s in nothing", table[i].name);
    }
}

/* What was set, and what it is by default; nothing of what is as it was. */
Test(limits, what_is_not_the_default)
{
    struct limits limits;
    struct error error = {""};
    size_t told = 0;
    char line[LINE_BYTES];
    limits_init(&limits);
    cr_assert(limits_set(&limits, "head-size=32k", &error) == 0, "%s", error.text);
    cr_assert(limits_set(&limits, "idle-time=75s", &error) == 0, "%s", error.text);
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        memset(line, 'x', sizeof line);
        cr_assert(limits_compare(&limits, i, line, sizeof line));
        if (line[0] != '\0') {
            cr_expect(strcmp(line, "head-size=32k (16k)") == 0, "%s", line);
            told++;
        }
    }
    cr_expect(told == 1);
    cr_expect(!limits_compare(&limits, ARRAY_COUNT(table), line, sizeof line));
}
