#include "http/conditional.h"

static struct slice skip_spaces(struct slice text)
{
    while (text.count > 0 && (text.bytes[0] == ' ' || text.bytes[0] == '\t')) {
        text = slice_after(text, 1);
    }
    return text;
}

/* Empty members of a list are passed over (RFC 9110 §5.6.1.2). */
static struct slice skip_separators(struct slice text)
{
    for (text = skip_spaces(text); text.count > 0 && text.bytes[0] == ',';) {
        text = skip_spaces(slice_after(text, 1));
    }
    return text;
}

bool etag_list_matches(struct slice value, struct slice etag)
{
    if (slice_equal(value, SLICE("*"))) {
        return true;
    }
    for (value = skip_separators(value); value.count > 0; value = skip_separators(value)) {
        if (slice_starts_with(value, SLICE("W/"))) {
            value = slice_after(value, 2);
        }
        if (value.count < 2 || value.bytes[0] != '"') {
            return false;
        }
        const char *end = memchr(value.bytes + 1, '"', value.count - 1);
        if (end == NULL) {
            return false;
        }
        size_t count = (size_t)(end - value.bytes) + 1;
        if (slice_equal((struct slice){value.bytes, count}, etag)) {
            return true;
        }
        value = skip_spaces(slice_after(value, count));
        if (value.count > 0 && value.bytes[0] != ',') {
            return false; /* members are separated by commas */
        }
    }
    return false;
}

bool is_not_modified(const struct request *request, struct slice etag)
{
    for (size_t i = 0; i < request->field_count; i++) {
        if (request->fields[i].id == FIELD_IF_NONE_MATCH &&
            etag_list_matches(request->fields[i].value, etag)) {
            return true;
        }
    }
    return false;
}
