#include "http/conditional.h"

#include "common/http_date.h"

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

bool etag_list_matches(struct slice value, struct slice etag, bool is_strong)
{
    if (slice_equal(value, SLICE("*"))) {
        return true;
    }
    for (value = skip_separators(value); value.count > 0; value = skip_separators(value)) {
        bool is_weak = slice_starts_with(value, SLICE("W/"));
        value = slice_after(value, is_weak ? 2 : 0);
        if (value.count < 2 || value.bytes[0] != '"') {
            return false;
        }
        const char *end = memchr(value.bytes + 1, '"', value.count - 1);
        if (end == NULL) {
            return false;
        }
        size_t count = (size_t)(end - value.bytes) + 1;
        if (slice_equal((struct slice){value.bytes, count}, etag) && !(is_weak && is_strong)) {
            return true;
        }
        value = skip_spaces(slice_after(value, count));
        if (value.count > 0 && value.bytes[0] != ',') {
            return false; /* members are separated by commas */
        }
    }
    return false;
}

/* All lines of the field together are one list (§5.3). */
static bool any_line_matches(const struct request *request, enum http_field_id id,
                             struct slice etag, bool is_strong)
{
    for (size_t i = 0; i < request->field_count; i++) {
        if (request->fields[i].id == id &&
            etag_list_matches(request->fields[i].value, etag, is_strong)) {
            return true;
        }
    }
    return false;
}

/* The date of a field, if the representation has one to compare it with. */
static bool comparable_date(const struct request *request, enum http_field_id id,
                            const struct validators *validators, int64_t now_s, int64_t *out_date_s)
{
    struct slice value;
    return validators->modified_s >= 0 && request_field(request, id, &value) &&
           http_date_parse(value, now_s, out_date_s);
}

enum precondition precondition_evaluate(const struct request *request,
                                        const struct validators *validators, int64_t now_s)
{
    int64_t date_s;
    if (request_has(request, FIELD_IF_MATCH)) {
        if (!any_line_matches(request, FIELD_IF_MATCH, validators->etag, true)) {
            return PRECONDITION_FAILED;
        }
    } else if (comparable_date(request, FIELD_IF_UNMODIFIED_SINCE, validators, now_s, &date_s) &&
               validators->modified_s > date_s) {
        return PRECONDITION_FAILED;
    }
    if (request_has(request, FIELD_IF_NONE_MATCH)) {
        return any_line_matches(request, FIELD_IF_NONE_MATCH, validators->etag, false)
                   ? PRECONDITION_NOT_MODIFIED
                   : PRECONDITION_PASSED;
    }
    bool is_unchanged =
        comparable_date(request, FIELD_IF_MODIFIED_SINCE, validators, now_s, &date_s) &&
        validators->modified_s <= date_s;
    return is_unchanged ? PRECONDITION_NOT_MODIFIED : PRECONDITION_PASSED;
}

bool range_applies(const struct request *request, const struct validators *validators,
                   int64_t now_s, struct slice *out_range)
{
    if (request->method != METHOD_GET || !request_field(request, FIELD_RANGE, out_range)) {
        return false;
    }
    if (!request_has(request, FIELD_IF_RANGE)) {
        return true;
    }
    struct slice value;
    if (!request_field(request, FIELD_IF_RANGE, &value)) {
        return false;
    }
    if (slice_starts_with(value, SLICE("\""))) {
        return slice_equal(value, validators->etag);
    }
    int64_t date_s;
    return comparable_date(request, FIELD_IF_RANGE, validators, now_s, &date_s) &&
           date_s == validators->modified_s && date_s < now_s;
}
