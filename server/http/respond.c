#include "http/respond.h"

#include "common/path.h"
#include "common/validators.h"
#include "http/accept.h"
#include "http/conditional.h"
#include "http/route.h"

/* The scratch: own field lines, an expanded target, a copy of the canonical path. */
enum {
    ROUTE_SCRATCH_AT = 256,
    RULES_PATH_AT = ROUTE_SCRATCH_AT + ROUTE_TARGET_BYTES_MAX,
};
_Static_assert(VALIDATORS_BYTES + LENGTH_FIELD_BYTES_MAX <= ROUTE_SCRATCH_AT, "own field lines");
_Static_assert(RULES_PATH_AT + PATH_BYTES_MAX <= RESPONSE_SCRATCH_BYTES, "all of it");

struct status_text {
    unsigned status;
    struct slice text;   /* the body of an answer that has no page */
    struct slice fields; /* and its fields */
};

/* Errors are not to be kept: what is missing now may be there in the next release. */
#define TEXT_FIELDS(length)                                                                        \
    "Content-Type: text/plain; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"               \
    "Content-Length: " length "\r\nCache-Control: no-store\r\n"

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

/* Which stored form goes out (RFC 9110 §12.5.3). Without the field, or with one form only:
 * identity. */
static const struct index_representation *select_representation(const struct request *request,
                                                                const struct index *index,
                                                                const struct index_entry *entry)
{
    struct accept_encoding accepted;
    bool is_asked = false;
    for (size_t i = 0; entry->representation_count > 1 && i < request->field_count; i++) {
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
                         char *scratch, struct response *response)
{
    const struct index *index = match->site->index;
    const struct index_representation *form = select_representation(request, index, match->entry);
    const uint8_t *digest = index_digest(index, form);
    if (digest == NULL || !set_body(response, match->site, form)) {
        respond_text(500, response);
        return;
    }
    struct index_head_text head = index_head(index, form->head);
    struct slice validators = {scratch,
                               validators_format(digest, representation_modified_s(form), scratch)};
    struct slice etag = {scratch + ETAG_FIELD_BYTES, ETAG_BYTES};
    if (is_not_modified(request, etag)) {
        response->status = 304; /* RFC 9110 §15.4.5: what a 200 would say of caching, no more */
        response->has_body = false;
        response->site = NULL;
        response->fields[0] = head.policy;
        response->fields[1] = validators;
        return;
    }
    char *length = scratch + VALIDATORS_BYTES;
    response->status = 200;
    response->fields[0] = head.entity;
    response->fields[1] = head.policy;
    response->fields[2] = validators;
    response->fields[3] = (struct slice){length, length_field_format(form->stored_bytes, length)};
}

static void respond_redirect(const struct request *request, const struct site_match *match,
                             struct response *response)
{
    const struct index *index = match->site->index;
    const struct index_target *target = &match->entry->target;
    struct index_head_text head = index_head(index, target->head);
    response->status = match->entry->status;
    response->has_body = false;
    response->location = index_text(index, target->text_at, target->bytes);
    if ((match->entry->flags & ENTRY_KEEP_QUERY) != 0) {
        response->query = request->query;
    }
    response->fields[0] = head.entity;
    response->fields[1] = head.policy;
}

/* A page that says what is not there, without validators: it is nobody's representation, and a
 * cache that kept it would keep it for a path that may exist tomorrow (RFC 9110 §15.5.5). */
static void respond_missing(const struct request *request, struct site *site,
                            const struct index_entry *page, unsigned status, char *scratch,
                            struct response *response)
{
    const struct index_representation *form =
        page == NULL ? NULL : select_representation(request, site->index, page);
    if (form == NULL || !set_body(response, site, form)) {
        respond_text(status, response);
        return;
    }
    response->status = status;
    response->fields[0] = index_head(site->index, form->head).entity;
    response->fields[1] = (struct slice){scratch, length_field_format(form->stored_bytes, scratch)};
    response->fields[2] = SLICE("Cache-Control: no-store\r\n");
    if (page->representation_count > 1) {
        response->fields[3] = SLICE("Vary: Accept-Encoding\r\n");
    }
}

static void respond_entry(const struct request *request, const struct site_match *match,
                          char *scratch, struct response *response)
{
    if (match->entry == NULL) {
        respond_missing(request, match->site, match->not_found_page, match->missing_status, scratch,
                        response);
    } else if (match->entry->kind == ENTRY_REDIRECT) {
        respond_redirect(request, match, response);
    } else if (match->entry->status != 200) {
        respond_missing(request, match->site, match->entry, match->entry->status, scratch,
                        response);
    } else {
        respond_file(request, match, scratch, response);
    }
}

/* What a rewrite leads to. Where another spelling is the one that answers ("/page.html" is a
 * redirect to "/page", "/docs" to "/docs/"), that one. */
static struct site_match find_rewritten(const struct site_list *sites, struct slice path,
                                        char *buffer)
{
    struct site_match match = site_list_find(sites, path);
    const struct index_entry *entry = match.entry;
    if (entry == NULL || entry->kind != ENTRY_REDIRECT || (entry->flags & ENTRY_DERIVED) == 0 ||
        (entry->flags & ENTRY_BY_RULE) != 0) {
        return match;
    }
    struct slice target = index_text(match.site->index, entry->target.text_at, entry->target.bytes);
    return path_canonical(target, buffer, &path) == PATH_OK ? site_list_find(sites, path) : match;
}

/* What a rule says that decides: another path, a redirect, or a page with a status. */
static void respond_route(const struct site_list *sites, const struct request *request,
                          const struct route *route, char *scratch, struct response *response)
{
    const struct index *index = sites->sites[0]->index;
    if (route->status >= 300 && route->status < 400) {
        struct index_head_text head = index_head(index, route->rule->head);
        response->status = route->status;
        response->has_body = false;
        response->location = route->target;
        if ((route->rule->flags & RULE_KEEP_QUERY) != 0) {
            response->query = request->query;
        }
        response->fields[0] = head.entity;
        response->fields[1] = head.policy;
        return;
    }
    char buffer[PATH_BYTES_MAX];
    struct site_match match = find_rewritten(sites, route->target, buffer);
    if (match.entry != NULL && route->status == 200) {
        respond_entry(request, &match, scratch, response);
        return;
    }
    const struct index_entry *page = match.entry;
    if (page == NULL || page->kind != ENTRY_FILE) {
        page = match.not_found_page;
    }
    respond_missing(request, match.site, page, route->status == 200 ? 404 : route->status, scratch,
                    response);
}

/* Rules are those of the newest release: they describe the site as it is now. */
static void respond_path(const struct site_list *sites, const struct request *request,
                         char *scratch, struct response *response)
{
    char buffer[PATH_BYTES_MAX];
    struct slice path;
    enum path_status status = path_canonical(request->path, buffer, &path);
    if (status == PATH_BAD) {
        respond_text(400, response);
        return;
    }
    /* No key is empty: looking that up misses, with the site's page for missing paths. */
    if (status == PATH_ABSENT) {
        path = (struct slice){"", 0};
    }
    struct site_match match = site_list_find(sites, path);
    const struct index *newest = sites->sites[0]->index;
    bool is_missing = match.entry == NULL;
    struct route route;
    bool is_routed =
        newest->rule_count > 0 && path.count > 0 &&
        (is_missing || (match.entry->flags & ENTRY_ASK_RULES) != 0) &&
        route_find(newest, request, path, !is_missing && (match.entry->flags & ENTRY_BY_RULE) == 0,
                   scratch + ROUTE_SCRATCH_AT, &route);
    if (is_routed) {
        respond_route(sites, request, &route, scratch, response);
    } else {
        respond_entry(request, &match, scratch, response);
    }
    /* What files and redirects have at their own path was merged into their heads. */
    bool is_own = !is_missing && !is_routed && match.entry->status < 400;
    if (newest->rule_count > 0 && path.count > 0 && response->status != 200 &&
        response->status != 304 && !is_own) {
        response->rules = newest;
        memcpy(scratch + RULES_PATH_AT, path.bytes, path.count);
        response->rules_path = (struct slice){scratch + RULES_PATH_AT, path.count};
        response->rules_vary = response->fields[3].count > 0; /* one line with that of the rules */
        response->fields[3].count = 0;
    }
}

void respond(const struct site_list *sites, const struct request *request, char *scratch,
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
        respond_path(sites, request, scratch, out_response);
    }
}

void respond_bad(unsigned status, struct response *out_response)
{
    *out_response = (struct response){.has_body = true};
    respond_text(status, out_response);
}
