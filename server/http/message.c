#include "http/message.h"

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
