#include "http/method.h"

#include <stdbool.h>

const struct slice method_names[METHOD_NAMES] = {
    {"GET", 3},     {"HEAD", 4},  {"POST", 4},  {"PUT", 3},   {"DELETE", 6}, {"CONNECT", 7},
    {"OPTIONS", 7}, {"TRACE", 5}, {"PATCH", 5}, {"QUERY", 5}, {"_OTHER", 6},
};

size_t method_name_of(struct slice line)
{
    while (slice_starts_with(line, SLICE("\r\n"))) {
        line = slice_after(line, 2);
    }
    size_t i = 0;
    while (i < METHOD_NAMES - 1) {
        struct slice name = method_names[i];
        bool is_it = slice_starts_with(line, name) &&
                     (line.count == name.count || line.bytes[name.count] == ' ');
        if (is_it) {
            break;
        }
        i++;
    }
    return i;
}
