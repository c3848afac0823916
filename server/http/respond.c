#include "http/respond.h"

#include "common/path.h"
#include "http/conditional.h"

struct status_text {
    unsigned status;
    struct slice text;   /* the body of an answer that has no page */
    struct slice fields; /* and its fields */
};

/* Errors are not to be kept: what is missing now may be there in the next release. */
#define TEXT_FIELDS(length)                                                                        \
    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " length                           \
    "\r\nCache-Control: no-store\r\n"

static const struct status_text status_texts[] = {
    {400, {"400 Bad Request\n", 16}, SLICE(TEXT_FIELDS("16"))},
    {404, {"404 Not Found\n", 14}, SLICE(TEXT_FIELDS("14"))},
    {405, {"405 Method Not Allowed\n", 23}, SLICE(TEXT_FIELDS("23") "Allow: GET, HEAD\r\n")},
    {410, {"410 Gone\n", 9}, SLICE(TEXT_FIELDS("9"))},
    {414, {"414 URI Too Long\n", 17}, SLICE(TEXT_FIELDS("17"))},
    {431, {"431 Request Header Fields Too Large\n", 36}, SLICE(TEXT_FIELDS("36"))},
    {500, {"500 Internal Server Error\n", 26}, SLICE(TEXT_FIELDS("26"))},
    {501, {"501 Not Implemented\n", 20}, SLICE(TEXT_FIELDS("20"))},
    {503, {"503 Service Unavailable\n", 24}, SLICE(TEXT_FIELDS("24") "Retry-After: 1\r\n")},
    {505, {"505 HTTP Version Not Supported\n", 31}, SLICE(TEXT_FIELDS("31"))},
};

static void respond_text(unsigned status, struct response *response)
{
    const struct status_text *found = &status_texts[0];
    for (size_t i = 0; i < ARRAY_COUNT(status_texts); i++) {
        if (status_texts[i].status == status) {
            found = &status_texts[i];
        }
    }
    response->status = found->status;
    response->fields[0] = found->fields;
    response->text = found->text;
}

static bool set_body(struct response *response, struct site *site,
                     const struct index_representation *representation)
{
    const uint8_t *body = site_body(site, representation);
    if (body == NULL) {
        return false;
    }
    response->site = site;
    response->body = body;
    response->body_offset = representation->payload_offset;
    response->body_bytes = representation->stored_bytes;
    return true;
}

static void respond_file(const struct request *request, const struct site_match *match,
                         struct response *response)
{
    const struct index_representation *representation = &match->entry->first;
    struct index_head_text head = index_head(match->site->index, representation);
    if (is_not_modified(request, head.etag)) {
        response->status = 304; /* RFC 9110 §15.4.5: what a 200 would say of caching, no more */
        response->has_body = false;
        response->fields[0] = head.policy;
        response->fields[1] = head.validator;
        return;
    }
    if (!set_body(response, match->site, representation)) {
        respond_text(500, response);
        return;
    }
    response->status = 200;
    response->fields[0] = head.entity;
    response->fields[1] = head.policy;
    response->fields[2] = head.validator;
    response->fields[3] = head.length;
}

static void respond_redirect(const struct request *request, const struct site_match *match,
                             struct response *response)
{
    const struct index *index = match->site->index;
    const struct index_representation *first = &match->entry->first;
    struct index_head_text head = index_head(index, first);
    response->status = match->entry->status;
    response->has_body = false;
    response->location = index_text(index, first->head_at, first->head_bytes);
    response->query = request->query;
    response->fields[0] = head.entity;
    response->fields[1] = head.policy;
}

/* The site's own page for missing paths, without validators: it is nobody's representation, and a
 * cache that kept it would keep it for a path that may exist tomorrow (RFC 9110 §15.5.5). */
static void respond_missing(const struct site_match *match, struct response *response)
{
    const struct index_entry *page = match->not_found_page;
    if (page == NULL || !set_body(response, match->site, &page->first)) {
        respond_text(match->missing_status, response);
        return;
    }
    struct index_head_text head = index_head(match->site->index, &page->first);
    response->status = match->missing_status;
    response->fields[0] = head.entity;
    response->fields[1] = head.length;
    response->fields[2] = SLICE("Cache-Control: no-store\r\n");
}

static void respond_path(const struct site_list *sites, const struct request *request,
                         struct response *response)
{
    char buffer[PATH_BYTES_MAX];
    struct slice path;
    enum path_status status = path_canonical(request->path, buffer, &path);
    if (status == PATH_BAD) {
        respond_text(400, response);
        return;
    }
    /* No key is empty: looking that up misses, with the site's page for missing paths. */
    struct site_match match =
        site_list_find(sites, status == PATH_OK ? path : (struct slice){"", 0});
    if (match.entry == NULL) {
        respond_missing(&match, response);
    } else if (match.entry->kind == ENTRY_REDIRECT) {
        respond_redirect(request, &match, response);
    } else {
        respond_file(request, &match, response);
    }
}

void respond(const struct site_list *sites, const struct request *request,
             struct response *out_response)
{
    *out_response = (struct response){
        .keep_alive = request->keep_alive,
        .tell_keep_alive = request->version_minor == 0,
        .has_body = request->method != METHOD_HEAD,
    };
    if (request->method == METHOD_UNKNOWN) {
        respond_text(501, out_response);
    } else if (request->method == METHOD_NOT_ALLOWED) {
        respond_text(405, out_response);
    } else if (sites->count == 0) {
        respond_text(503, out_response);
    } else {
        respond_path(sites, request, out_response);
    }
}

void respond_bad(unsigned status, struct response *out_response)
{
    *out_response = (struct response){.has_body = true};
    respond_text(status, out_response);
}
