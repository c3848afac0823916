#include "http/file_answer.h"

#include "common/field_lines.h"
#include "common/validators.h"
#include "http/accept.h"
#include "http/conditional.h"
#include "http/range.h"
#include "http/text_answer.h"

_Static_assert(sizeof((struct response_scratch *)0)->lines >=
                   VALIDATORS_BYTES + LENGTH_FIELD_BYTES_MAX + 2 * CONTENT_RANGE_BYTES_MAX,
               "own field lines fit");

const struct index_representation *file_representation(const struct request *request,
                                                       const struct index *index,
                                                       const struct index_entry *entry)
{
    struct accept_encoding accepted;
    bool is_asked = false;
    bool is_chosen = entry->representation_count > 1 && request_has(request, FIELD_ACCEPT_ENCODING);
    for (size_t i = 0; is_chosen && i < request->field_count; i++) {
        if (request->fields[i].id == FIELD_ACCEPT_ENCODING) {
            if (!is_asked) {
                accept_encoding_init(&accepted);
                is_asked = true;
            }
            accept_encoding_add(&accepted, request->fields[i].value);
        }
    }
    if (!is_asked) {
        return &entry->first;
    }
    const struct index_representation *forms[CODEC_COUNT] = {NULL};
    uint64_t sizes[CODEC_COUNT];
    memset(sizes, 0xff, sizeof sizes);
    for (unsigned i = 0; i < entry->representation_count; i++) {
        const struct index_representation *form = index_representation(index, entry, i);
        if (form != NULL && form->codec < CODEC_COUNT) {
            forms[form->codec] = form;
            sizes[form->codec] = form->stored_bytes;
        }
    }
    const struct index_representation *chosen = forms[accept_encoding_select(&accepted, sizes)];
    return chosen == NULL ? &entry->first : chosen;
}

bool file_set_body(struct response *response, struct site *site,
                   const struct index_representation *representation)
{
    const uint8_t *body = site_body(site, representation);
    if (body == NULL) {
        return false;
    }
    __builtin_prefetch(body); /* the system copies it once the head is written */
    __builtin_prefetch(body + 64);
    response->site = site;
    response->codec = (enum codec)representation->codec;
    response->body = body;
    response->body_offset = representation->payload_offset;
    response->body_bytes = representation->stored_bytes;
    return true;
}

/* Takes the Content-Type line out of a run of field lines: what stands before and behind it, and
 * the line. */
static struct slice cut_type(struct slice lines, struct slice *out_before, struct slice *out_behind)
{
    struct slice rest = lines;
    while (rest.count > 0) {
        struct slice line = field_line_take(&rest);
        if (field_line_is(line, SLICE("Content-Type:"))) {
            *out_before = (struct slice){lines.bytes, (size_t)(line.bytes - lines.bytes)};
            *out_behind = rest;
            return line;
        }
    }
    *out_before = lines;
    *out_behind = (struct slice){"", 0};
    return (struct slice){"", 0};
}

/* Makes a 206 of what is the 200 so far: entity, policy, validators, length. */
static void respond_ranges(const struct multipart *multipart, char *line, struct response *response)
{
    const struct byte_ranges *ranges = &multipart->ranges;
    response->status = 206;
    if (ranges->count == 1) {
        size_t count = content_range_format(&ranges->at[0], multipart->length, line);
        count += length_field_format(ranges->at[0].bytes, line + count);
        response->fields[3] = (struct slice){line, count};
        response->body += ranges->at[0].first;
        response->body_offset += ranges->at[0].first;
        response->body_bytes = ranges->at[0].bytes;
        return;
    }
    struct slice behind;
    (void)cut_type(response->fields[0], &response->fields[0], &behind);
    response->fields[4] = behind;
    static const char type[] = "Content-Type: multipart/byteranges; boundary=";
    size_t count = sizeof type - 1;
    memcpy(line, type, count);
    memcpy(line + count, multipart->boundary, BOUNDARY_BYTES);
    memcpy(line + count + BOUNDARY_BYTES, "\r\n", 2);
    count += BOUNDARY_BYTES + 2;
    count += length_field_format(multipart_bytes(multipart), line + count);
    response->fields[3] = (struct slice){line, count};
    response->multipart = multipart;
}

/* 206 or 416 to a Range (RFC 9110 §14.2), which is looked at when all preconditions have passed
 * (§13.2.2). The response is the 200 so far. */
static void apply_range(const struct respond_context *context, const struct request *request,
                        const struct validators *validators, struct response *response)
{
    struct slice value;
    if (!range_applies(request, validators, context->now_s, &value)) {
        return;
    }
    struct multipart *multipart = &context->scratch->multipart;
    char *line = context->scratch->lines + VALIDATORS_BYTES;
    multipart->inserted = (struct slice){"", 0};
    multipart->length = response->body_bytes;
    switch (range_parse(value, multipart->length, (size_t)context->limits->ranges,
                        &multipart->ranges)) {
    case RANGE_NONE:
        break;
    case RANGE_OUTSIDE:
        text_answer(416, response);
        response->fields[1] =
            (struct slice){line, content_range_unsatisfied(multipart->length, line)};
        break;
    case RANGE_SATISFIABLE: {
        struct slice before, behind;
        /* a copy: the parts may be written after this turn, when the mapping is not looked at */
        struct slice type = cut_type(response->fields[0], &before, &behind);
        char *copy = context->scratch->type;
        multipart->type = (struct slice){copy, type.count};
        if (type.count > sizeof context->scratch->type) {
            multipart->type.count = 0;
        }
        memcpy(copy, type.bytes, multipart->type.count);
        multipart_set_boundary(multipart, validators->etag);
        respond_ranges(multipart, line, response);
        break;
    }
    }
}

void file_answer(const struct respond_context *context, const struct request *request,
                 const struct site_match *match, struct response *response)
{
    const struct index *index = match->site->index;
    const struct index_representation *form = file_representation(request, index, match->entry);
    const uint8_t *digest = index_digest(index, form);
    __builtin_prefetch(digest);
    if (digest == NULL || !file_set_body(response, match->site, form)) {
        text_answer(500, response);
        return;
    }
    struct index_head_text head = index_head(index, form->head);
    char *lines = context->scratch->lines;
    int64_t modified_s = representation_modified_s(form);
    if (modified_s > context->now_s) {
        modified_s = context->now_s; /* never later than Date (RFC 9110 §8.8.2.1) */
    }
    struct slice own = {lines, validators_format(digest, modified_s, lines)};
    const struct validators validators = {
        .etag = {lines + ETAG_FIELD_BYTES, ETAG_BYTES},
        .modified_s = modified_s > 1 ? modified_s : -1, /* as validators_format() does */
    };
    switch (precondition_evaluate(request, &validators, context->now_s)) {
    case PRECONDITION_NOT_MODIFIED:
        response->status = 304; /* RFC 9110 §15.4.5: what a 200 would say of caching, no more */
        response->has_body = false;
        response->site = NULL;
        response->fields[0] = head.policy;
        response->fields[1] = own;
        return;
    case PRECONDITION_FAILED:
        text_answer(412, response);
        return;
    case PRECONDITION_PASSED:
        break;
    }
    char *length = lines + VALIDATORS_BYTES;
    response->status = 200;
    response->fields[0] = head.entity;
    response->fields[1] = head.policy;
    response->fields[2] = own;
    response->fields[3] = (struct slice){length, length_field_format(form->stored_bytes, length)};
    if (request_has(request, FIELD_RANGE)) {
        apply_range(context, request, &validators, response);
    }
}
