/* Preconditions, beside the steps of RFC 9110 §13.2.2 and §13.1.5 as they stand there. Input: when
 * the representation was modified ("-": that is not known) and the current time, in days and
 * seconds; its entity tag; then field lines, each a letter for the name and the value. */
#include "fuzz.h"

#include "common/http_date.h"
#include "http/conditional.h"

static const struct {
    char letter;
    enum http_field_id id;
} names[] = {
    {'M', FIELD_IF_MATCH},      {'U', FIELD_IF_UNMODIFIED_SINCE},
    {'N', FIELD_IF_NONE_MATCH}, {'S', FIELD_IF_MODIFIED_SINCE},
    {'I', FIELD_IF_RANGE},      {'R', FIELD_RANGE},
};

static void add_line(struct request *request, struct slice line)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (line.count > 0 && line.bytes[0] == names[i].letter &&
            request->field_count < REQUEST_FIELDS_MAX) {
            struct slice value = slice_trim(slice_after(line, 1));
            request->fields[request->field_count++] = (struct http_field){
                .value = {fuzz_copy(value), value.count},
                .id = names[i].id,
            };
            request->known |= UINT32_C(1) << names[i].id;
        }
    }
}

static size_t count_lines(const struct request *request, enum http_field_id id,
                          struct slice *out_last)
{
    size_t count = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        if (request->fields[i].id == id) {
            *out_last = request->fields[i].value;
            count++;
        }
    }
    return count;
}

/* One line of #entity-tag (§8.8.3, §5.6.1), by a machine with a state for each place in it. */
static bool slow_matches(struct slice list, struct slice etag, bool is_strong)
{
    enum { BEFORE, WEAK, INSIDE, BEHIND } state = BEFORE;
    bool is_weak = false;
    size_t start = 0;
    for (size_t i = 0; i < list.count; i++) {
        char byte = list.bytes[i];
        bool is_space = byte == ' ' || byte == '\t';
        if (state == BEFORE && byte == '"') {
            start = i;
            state = INSIDE;
        } else if (state == BEFORE && byte == 'W' && i + 1 < list.count &&
                   list.bytes[i + 1] == '/') {
            is_weak = true;
            state = WEAK;
            i++;
        } else if (state == WEAK && byte == '"') {
            start = i;
            state = INSIDE;
        } else if (state == INSIDE && byte == '"') {
            struct slice tag = {list.bytes + start, i + 1 - start};
            if (slice_equal(tag, etag) && !(is_strong && is_weak)) {
                return true;
            }
            state = BEHIND;
        } else if (state == BEHIND && byte == ',') {
            state = BEFORE;
            is_weak = false;
        } else if (state != INSIDE &&
                   (state == WEAK || !(is_space || (state == BEFORE && byte == ',')))) {
            return false;
        }
    }
    return false;
}

/* Is the condition of If-Match or If-None-Match "the tag is listed" true? */
static bool is_listed(const struct request *request, enum http_field_id id, struct slice etag,
                      bool is_strong)
{
    bool is_listed = false;
    for (size_t i = 0; i < request->field_count; i++) {
        struct slice value = request->fields[i].value;
        if (request->fields[i].id == id) {
            bool is_any = slice_equal(value, SLICE("*"));
            bool is_found = etag_list_matches(value, etag, is_strong);
            FUZZ_CHECK(is_found == (is_any || slow_matches(value, etag, is_strong)));
            is_listed |= is_found;
        }
    }
    return is_listed;
}

/* Is there a date that counts? Not if the line is not alone, or no date (§13.1.3, §13.1.4). */
static bool has_date(const struct request *request, enum http_field_id id,
                     const struct validators *validators, int64_t now_s, int64_t *out_date_s)
{
    struct slice value;
    return count_lines(request, id, &value) == 1 && validators->modified_s >= 0 &&
           http_date_parse(value, now_s, out_date_s);
}

/* §13.2.2, by its numbers. */
static enum precondition steps(const struct request *request, const struct validators *validators,
                               int64_t now_s)
{
    struct slice value;
    int64_t date_s;
    bool has_match = count_lines(request, FIELD_IF_MATCH, &value) > 0;
    bool has_none_match = count_lines(request, FIELD_IF_NONE_MATCH, &value) > 0;
    if (has_match) { /* 1 */
        if (!is_listed(request, FIELD_IF_MATCH, validators->etag, true)) {
            return PRECONDITION_FAILED;
        }
    }
    if (!has_match && /* 2 */
        has_date(request, FIELD_IF_UNMODIFIED_SINCE, validators, now_s, &date_s)) {
        bool is_unmodified = validators->modified_s <= date_s;
        if (!is_unmodified) {
            return PRECONDITION_FAILED;
        }
    }
    if (has_none_match) { /* 3 */
        if (is_listed(request, FIELD_IF_NONE_MATCH, validators->etag, false)) {
            return PRECONDITION_NOT_MODIFIED;
        }
    }
    if (!has_none_match && /* 4 */
        has_date(request, FIELD_IF_MODIFIED_SINCE, validators, now_s, &date_s)) {
        bool is_modified = validators->modified_s > date_s;
        if (!is_modified) {
            return PRECONDITION_NOT_MODIFIED;
        }
    }
    return PRECONDITION_PASSED;
}

/* Step 5, and §13.1.5: a strong tag, or exactly the date, which has to be strong (§8.8.2.2). */
static bool is_range_wanted(const struct request *request, const struct validators *validators,
                            int64_t now_s)
{
    struct slice range;
    struct slice value;
    size_t conditions = count_lines(request, FIELD_IF_RANGE, &value);
    if (request->method != METHOD_GET || count_lines(request, FIELD_RANGE, &range) != 1 ||
        conditions > 1) {
        return false;
    }
    if (conditions == 0 || (slice_equal(value, validators->etag))) {
        return true;
    }
    int64_t date_s;
    return validators->modified_s >= 0 && http_date_parse(value, now_s, &date_s) &&
           validators->modified_s == date_s && date_s < now_s;
}

static void check(const struct request *request, const struct validators *validators, int64_t now_s)
{
    struct slice range = {"", 0};
    struct slice expected = {"", 0};
    FUZZ_CHECK(precondition_evaluate(request, validators, now_s) ==
               steps(request, validators, now_s));
    bool applies = range_applies(request, validators, now_s, &range);
    FUZZ_CHECK(applies == is_range_wanted(request, validators, now_s));
    if (applies) {
        FUZZ_CHECK(count_lines(request, FIELD_RANGE, &expected) == 1 &&
                   range.bytes == expected.bytes && range.count == expected.count);
    }
}

static int64_t take_time(struct slice *input)
{
    uint64_t days = fuzz_take_number(input) % (HTTP_DATE_SECONDS_MAX / 86400);
    return (int64_t)(days * 86400 + fuzz_take_number(input) % 86400);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct request request;
    struct slice input = fuzz_input(bytes, count);
    bool is_undated = slice_starts_with(input, SLICE("-"));
    input = slice_after(input, is_undated);
    int64_t modified_s = take_time(&input);
    int64_t now_s = take_time(&input);
    struct slice tag = slice_take(&input, '\n');
    char *etag = malloc(tag.count + 2);
    etag[0] = '"';
    etag[tag.count + 1] = '"';
    memcpy(etag + 1, tag.bytes, tag.count);
    bool is_plain = memchr(tag.bytes, '"', tag.count) == NULL;
    struct validators validators = {.etag = {etag, tag.count + 2},
                                    .modified_s = is_undated ? -1 : modified_s};
    request.field_count = 0;
    request.known = 0;
    while (is_plain && input.count > 0) {
        add_line(&request, slice_take(&input, '\n'));
    }
    for (int is_head = 0; is_head < 2; is_head++) {
        request.method = is_head == 1 ? METHOD_HEAD : METHOD_GET;
        check(&request, &validators, now_s);
    }
    for (size_t i = 0; i < request.field_count; i++) {
        free((void *)(uintptr_t)request.fields[i].value.bytes);
    }
    free(etag);
    return 0;
}
