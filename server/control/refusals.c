#include "server/control/refusals.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void refusals_init(struct refusals *refusals)
{
    pthread_mutex_init(&refusals->mutex, NULL);
    refusals->count = 0;
}

void refusals_fini(struct refusals *refusals)
{
    pthread_mutex_destroy(&refusals->mutex);
}

/* The place of the same text, or of what falls off. */
static size_t find(const struct refusals *refusals, const char *text)
{
    for (size_t i = 0; i < refusals->count; i++) {
        if (strcmp(refusals->at[i].text, text) == 0) {
            return i;
        }
    }
    return refusals->count < REFUSALS_MAX ? refusals->count : REFUSALS_MAX - 1;
}

void refusals_add(struct refusals *refusals, int64_t now_s, uint64_t times, const char *format, ...)
{
    if (refusals == NULL) {
        return;
    }
    struct refusal added = {.at_s = now_s, .count = times};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(added.text, sizeof added.text, format, arguments);
    va_end(arguments);
    pthread_mutex_lock(&refusals->mutex);
    size_t place = find(refusals, added.text);
    bool is_again = place < refusals->count && strcmp(refusals->at[place].text, added.text) == 0;
    if (is_again) {
        added.count += refusals->at[place].count;
    } else if (refusals->count < REFUSALS_MAX) {
        refusals->count++;
    }
    memmove(&refusals->at[1], &refusals->at[0], place * sizeof added);
    refusals->at[0] = added;
    pthread_mutex_unlock(&refusals->mutex);
}

size_t refusals_copy(struct refusals *refusals, struct refusal out[REFUSALS_MAX])
{
    pthread_mutex_lock(&refusals->mutex);
    size_t count = refusals->count;
    memcpy(out, refusals->at, count * sizeof *out);
    pthread_mutex_unlock(&refusals->mutex);
    return count;
}
