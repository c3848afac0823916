#include "telemetry/key_values.h"

#include "common/mem.h"

#include <stdlib.h>

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A new string; NULL: a '%' without two digits, or one that stands for NUL. */
static char *percent_decoded(struct slice text)
{
    char *decoded = mem_zeroed(text.count + 1, 1);
    size_t count = 0;
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        if (byte == '%') {
            int high = text.count - i > 2 ? digit_value(text.bytes[i + 1]) : -1;
            int low = text.count - i > 2 ? digit_value(text.bytes[i + 2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                free(decoded);
                return NULL;
            }
            byte = (char)(high << 4 | low);
            i += 2;
        }
        decoded[count++] = byte;
    }
    return decoded;
}

/* A member of a list, into memory of its own. */
static bool parse_member(struct slice member, struct key_value *out_pair, const char **out_why)
{
    const char *equals = memchr(member.bytes, '=', member.count);
    struct slice value = member;
    struct slice key = slice_trim(slice_take(&value, '='));
    if (equals == NULL || key.count == 0) {
        *out_why = equals == NULL ? "a member has no '='" : "a member has no name";
        return false;
    }
    *out_pair = (struct key_value){percent_decoded(key), percent_decoded(slice_trim(value))};
    if (out_pair->key == NULL || out_pair->value == NULL) {
        free(out_pair->key);
        free(out_pair->value);
        *out_why = "a '%' is not followed by two hexadecimal digits";
        return false;
    }
    return true;
}

static void set_owned(struct key_values *values, struct key_value pair)
{
    for (size_t i = 0; i < values->count; i++) {
        if (strcmp(values->at[i].key, pair.key) == 0) {
            free(values->at[i].key);
            free(values->at[i].value);
            values->at[i] = pair;
            return;
        }
    }
    values->at = mem_resize(values->at, values->count + 1, sizeof *values->at);
    values->at[values->count++] = pair;
}

bool key_values_parse(struct key_values *values, struct slice list, const char **out_why)
{
    struct key_values parsed = {0};
    while (list.count > 0) {
        struct slice member = slice_trim(slice_take(&list, ','));
        struct key_value pair;
        if (member.count == 0) {
            continue;
        }
        if (!parse_member(member, &pair, out_why)) {
            key_values_fini(&parsed);
            return false;
        }
        set_owned(&parsed, pair);
    }
    for (size_t i = 0; i < parsed.count; i++) {
        set_owned(values, parsed.at[i]);
    }
    free(parsed.at);
    return true;
}

void key_values_set(struct key_values *values, const char *key, const char *value)
{
    set_owned(values,
              (struct key_value){mem_string(key, strlen(key)), mem_string(value, strlen(value))});
}

const char *key_values_find(const struct key_values *values, const char *key)
{
    for (size_t i = 0; i < values->count; i++) {
        if (strcmp(values->at[i].key, key) == 0) {
            return values->at[i].value;
        }
    }
    return NULL;
}

void key_values_fini(struct key_values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        free(values->at[i].key);
        free(values->at[i].value);
    }
    free(values->at);
    *values = (struct key_values){0};
}
