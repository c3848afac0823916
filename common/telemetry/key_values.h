/* Names with values, as OTEL_RESOURCE_ATTRIBUTES and OTEL_EXPORTER_OTLP_HEADERS list them:
 * "key=value,key=value", keys and values percent-encoded (W3C Baggage, without properties). */
#ifndef CAIRN_TELEMETRY_KEY_VALUES_H
#define CAIRN_TELEMETRY_KEY_VALUES_H

#include "common/slice.h"

struct key_value {
    char *key;
    char *value;
};

/* In order, each key once. Zeroed, it is empty. */
struct key_values {
    struct key_value *at;
    size_t count;
};

/* Adds the members of a list. False: it has a mistake, which *out_why names, and none was added. */
bool key_values_parse(struct key_values *values, struct slice list, const char **out_why);

/* Sets one, in the place of what the key had. */
void key_values_set(struct key_values *values, const char *key, const char *value);

/* NULL: there is none. */
const char *key_values_find(const struct key_values *values, const char *key);

void key_values_fini(struct key_values *values);

#endif
