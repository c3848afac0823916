#include "http/limits.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct limit {
    const char *name;
    const char *reason;
    uint64_t value, least, most;
    size_t offset; /* in struct limits */
    enum limit_unit unit;
};

static const struct limit table[] = {
#define LIMIT(member, name, unit, value, least, most, reason)                                      \
    {name, reason, value, least, most, offsetof(struct limits, member), unit},
    HTTP_LIMITS(LIMIT)
#undef LIMIT
};

const char *limits_name(enum limit_id limit)
{
    return table[limit].name;
}

static void store(struct limits *limits, const struct limit *limit, uint64_t value)
{
    memcpy((char *)limits + limit->offset, &value, sizeof value);
}

void limits_init(struct limits *limits)
{
    for (size_t i = 0; i < ARRAY_COUNT(table); i++) {
        store(limits, &table[i], table[i].value);
    }
}

/* What a unit behind a number multiplies it with; 0: it is none of this limit's. */
static uint64_t unit_factor(enum limit_unit unit, const char *suffix)
{
    static const struct {
        enum limit_unit unit;
        const char *suffix;
        uint64_t factor;
    } units[] = {
        {LIMIT_COUNT, "", 1},        {LIMIT_BYTES, "", 1},        {LIMIT_BYTES, "k", 1024},
        {LIMIT_BYTES, "m", 1 << 20}, {LIMIT_BYTES, "g", 1 << 30}, {LIMIT_MS, "ms", 1},
        {LIMIT_MS, "", 1000},        {LIMIT_MS, "s", 1000},       {LIMIT_MS, "m", 60000},
        {LIMIT_MS, "h", 3600000},
    };
    for (size_t i = 0; i < ARRAY_COUNT(units); i++) {
        if (units[i].unit == unit && strcmp(units[i].suffix, suffix) == 0) {
            return units[i].factor;
        }
    }
    return 0;
}

static void format_value(enum limit_unit unit, uint64_t value, char *out, size_t capacity)
{
    if (unit == LIMIT_MS && value % 1000 == 0) {
        snprintf(out, capacity, "%llus", (unsigned long long)value / 1000);
    } else if (unit == LIMIT_BYTES && value >= 1 << 20 && value % (1 << 20) == 0) {
        snprintf(out, capacity, "%llum", (unsigned long long)value >> 20);
    } else if (unit == LIMIT_BYTES && value >= 1024 && value % 1024 == 0) {
        snprintf(out, capacity, "%lluk", (unsigned long long)value >> 10);
    } else {
        snprintf(out, capacity, "%llu%s", (unsigned long long)value, unit == LIMIT_MS ? "ms" : "");
    }
}

static int set_value(struct limits *limits, const struct limit *limit, const char *value,
                     struct error *error)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(value, &end, 10);
    uint64_t factor = unit_factor(limit->unit, end);
    if (*value < '0' || *value > '9' || errno != 0 || factor == 0) {
        static const char *const units[] = {"a number", "a size, such as 8192 or 8k",
                                            "a time, such as 500ms, 20s or 2m"};
        return error_set(error, ERR_USAGE, "--limit %s=%s: not %s", limit->name, value,
                         units[limit->unit]);
    }
    if (number > UINT64_MAX / factor || number * factor < limit->least ||
        number * factor > limit->most) {
        char least[32];
        char most[32];
        format_value(limit->unit, limit->least, least, sizeof least);
        format_value(limit->unit, limit->most, most, sizeof most);
        return error_set(error, ERR_USAGE, "--limit %s=%s: not from %s to %s", limit->name, value,
                         least, most);
    }
    store(limits, limit, number * factor);
    return 0;
}

int limits_set(struct limits *limits, const char *text, struct error *error)
{
    const char *equals = strchr(text, '=');
    size_t count = equals == NULL ? 0 : (size_t)(equals - text);
    for (size_t i = 0; i < ARRAY_COUNT(table) && equals != NULL; i++) {
        if (count == strlen(table[i].name) && memcmp(text, table[i].name, count) == 0) {
            return set_value(limits, &table[i], equals + 1, error);
        }
    }
    return error_set(error, ERR_USAGE, "--limit %s: no such limit (--limits lists them)", text);
}

bool limits_describe(size_t position, char *out, size_t capacity)
{
    if (position >= ARRAY_COUNT(table)) {
        return false;
    }
    const struct limit *limit = &table[position];
    char value[32];
    format_value(limit->unit, limit->value, value, sizeof value);
    snprintf(out, capacity, "%s=%s: %s", limit->name, value, limit->reason);
    return true;
}

bool limits_compare(const struct limits *limits, size_t position, char *out, size_t capacity)
{
    if (position >= ARRAY_COUNT(table)) {
        return false;
    }
    const struct limit *limit = &table[position];
    char now[32];
    char usual[32];
    uint64_t value;
    memcpy(&value, (const char *)limits + limit->offset, sizeof value);
    format_value(limit->unit, value, now, sizeof now);
    format_value(limit->unit, limit->value, usual, sizeof usual);
    out[0] = '\0';
    if (value != limit->value) {
        snprintf(out, capacity, "%s=%s (%s)", limit->name, now, usual);
    }
    return true;
}
