/* What most rows do with a value. */
#include "common/options.h"
#include "common/slice.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *place_of(const struct setting *setting, void *subject)
{
    return (char *)subject + setting->option->offset;
}

int option_set_flag(const struct setting *setting, void *subject, struct error *error)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true", "0", "1"};
    bool *place = place_of(setting, subject);
    if (setting->value == NULL) {
        *place = true;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        if (strcmp(setting->value, words[i]) == 0) {
            *place = i % 2 == 1;
            return 0;
        }
    }
    return error_set(error, ERR_USAGE, "--%s: not yes or no: %s", setting->option->name,
                     setting->value);
}

int option_set_text(const struct setting *setting, void *subject, struct error *error)
{
    const char **place = place_of(setting, subject);
    if (*setting->value == '\0') {
        return error_set(error, ERR_USAGE, "--%s: an empty %s", setting->option->name,
                         setting->option->argument);
    }
    *place = setting->value;
    return 0;
}

int option_set_choice(const struct setting *setting, void *subject, struct error *error)
{
    (void)error; /* setting_apply() has looked that it is one of them */
    unsigned *place = place_of(setting, subject);
    struct slice rest = slice_of_string(setting->option->choices);
    unsigned number = 0;
    while (!slice_equal(slice_take(&rest, '|'), slice_of_string(setting->value))) {
        number++;
    }
    *place = number;
    return 0;
}

int option_number(const struct setting *setting, size_t *out_number, struct error *error)
{
    const struct option *option = setting->option;
    const char *text = setting->value;
    char *end;
    errno = 0;
    unsigned long number = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || number < option->least ||
        number > option->most) {
        return error_set(error, ERR_USAGE, "--%s: not a number from %zu to %zu: %s", option->name,
                         option->least, option->most, text);
    }
    *out_number = number;
    return 0;
}

int option_set_number(const struct setting *setting, void *subject, struct error *error)
{
    return option_number(setting, place_of(setting, subject), error);
}

int option_set_time(const struct setting *setting, void *subject, struct error *error)
{
    static const char units[] = "smhd";
    static const uint64_t seconds[] = {1, 60, 3600, 86400};
    enum { YEARS_100_S = 100 * 365 * 86400u };
    uint64_t *place = place_of(setting, subject);
    const char *text = setting->value;
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    const char *unit = *end == '\0' ? units : strchr(units, *end);
    bool is_number = *text >= '0' && *text <= '9' && errno == 0 && unit != NULL &&
                     (*end == '\0' || end[1] == '\0');
    if (!is_number || number == 0 || number > YEARS_100_S / seconds[unit - units]) {
        return error_set(error, ERR_USAGE, "--%s: not a time such as 90s, 30m, 12h or 7d: %s",
                         setting->option->name, text);
    }
    *place = number * seconds[unit - units];
    return 0;
}
