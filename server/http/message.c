#include "http/message.h"

#include "http/token.h"

bool request_field(const struct request *request, enum http_field_id id, struct slice *out_value)
{
    size_t found = 0;
    for (size_t i = 0; request_has(request, id) && i < request->field_count; i++) {
        if (request->fields[i].id == id && found++ == 0) {
            *out_value = request->fields[i].value;
        }
    }
    return found == 1;
}

size_t request_lines(const struct request *request, struct slice name, struct slice *out_first)
{
    size_t found = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        if (slice_equal_ignoring_case(request->fields[i].name, name) && found++ == 0) {
            *out_first = request->fields[i].value;
        }
    }
    return found;
}

bool request_list_has(const struct request *request, struct slice name, struct slice member)
{
    for (size_t i = 0; i < request->field_count; i++) {
        if (slice_equal_ignoring_case(request->fields[i].name, name) &&
            list_has(request->fields[i].value, member)) {
            return true;
        }
    }
    return false;
}
