#include "http/respond.h"

#include "common/field_lines.h"
#include "common/validators.h"
#include "http/file_answer.h"
#include "http/text_answer.h"

/* One request on its way to its response. */
struct responding {
    const struct respond_context *context;
    const struct request *request;
    const struct site_stack *stack;
    struct response *response;
};

static void respond_nothing(unsigned status, struct response *response)
{
    response->status = status;
    response->has_body = false;
}

/* A redirect whose fields are those of a head of the index. Paths of a site that is mounted below a
 * prefix begin with that. */
static void set_location(const struct responding *responding, struct slice target, bool keeps_query,
                         struct index_head_text head)
{
    struct response *response = responding->response;
    response->location = target;
    if (slice_starts_with(target, SLICE("/"))) {
        response->location_prefix = responding->stack->prefix_url;
    }
    if (keeps_query) {
        response->query = responding->request->query;
    }
    response->fields[0] = head.entity;
    response->fields[1] = head.policy;
}

static void respond_redirect(const struct responding *responding, const struct site_match *match)
{
    const struct index *index = match->site->index;
    const struct index_target *target = &match->entry->target;
    respond_nothing(match->entry->status, responding->response);
    set_location(responding, index_text(index, target->text_at, target->bytes),
                 (match->entry->flags & ENTRY_KEEP_QUERY) != 0, index_head(index, target->head));
}

/* Whose release decides, from here on. Without any that has something to say, the newest. */
static void set_origin(const struct responding *responding, const struct site_match *match)
{
    if (match->site != NULL) {
        responding->response->origin = match->site;
    }
}

/* A page that says what is not there, without validators: it is nobody's representation, and a
 * cache that kept it would keep it for a path that may exist tomorrow (RFC 9110 §15.5.5). */
static void respond_missing(const struct responding *responding, struct site *site,
                            const struct index_entry *page, unsigned status)
{
    struct response *response = responding->response;
    const struct index_representation *form =
        page == NULL ? NULL : file_representation(responding->request, site->index, page);
    if (form == NULL || !file_set_body(response, site, form)) {
        text_answer(status, response);
        return;
    }
    char *length = responding->context->scratch->lines;
    response->status = status;
    response->fields[0] = index_head(site->index, form->head).entity;
    response->fields[1] = (struct slice){length, length_field_format(form->stored_bytes, length)};
    response->fields[2] = SLICE("Cache-Control: no-store\r\n");
    if (page->representation_count > 1) {
        response->fields[3] = SLICE("Vary: Accept-Encoding\r\n");
    }
}

/* The lines of `from` whose names begin with Access-Control-: what a browser asks for by OPTIONS
 * before it lets another site's page have the file (WHATWG Fetch, CORS-preflight). */
static size_t copy_cross_origin(struct slice from, char *out, size_t capacity)
{
    size_t count = 0;
    while (from.count > 0) {
        struct slice line = field_line_take(&from);
        if (field_line_is(line, SLICE("Access-Control-")) && line.count <= capacity - count) {
            memcpy(out + count, line.bytes, line.count);
            count += line.count;
        }
    }
    return count;
}

/* What may be done with something that is there (RFC 9110 §9.3.7). */
static void respond_options(const struct responding *responding, const struct site_match *match)
{
    struct response *response = responding->response;
    respond_nothing(204, response);
    response->fields[0] = SLICE(ALLOW_FIELD "Cache-Control: no-store\r\n");
    if (match != NULL && match->entry->kind == ENTRY_FILE) {
        char *lines = responding->context->scratch->cross_origin;
        struct index_head_text head = index_head(match->site->index, match->entry->first.head);
        size_t count = copy_cross_origin(head.policy, lines,
                                         sizeof responding->context->scratch->cross_origin);
        response->fields[1] = (struct slice){lines, count};
    }
}

static void respond_entry(const struct responding *responding, const struct site_match *match)
{
    const struct index_entry *entry = match->entry;
    set_origin(responding, match);
    if (entry == NULL) {
        respond_missing(responding, match->site, match->not_found_page, match->missing_status);
    } else if (entry->kind != ENTRY_REDIRECT && entry->status != 200) {
        respond_missing(responding, match->site, entry, entry->status);
    } else if (responding->request->method == METHOD_OPTIONS) {
        respond_options(responding, match);
    } else if (entry->kind == ENTRY_REDIRECT) {
        respond_redirect(responding, match);
    } else {
        file_answer(responding->context, responding->request, match, responding->response);
    }
}

/* What a rewrite leads to. Where another spelling is the one that answers ("/page.html" is a
 * redirect to "/page", "/docs" to "/docs/"), that one. */
static struct site_match find_rewritten(const struct site_stack *stack, struct slice path,
                                        char *buffer)
{
    struct site_match match = site_stack_find(stack, path);
    const struct index_entry *entry = match.entry;
    if (entry == NULL || entry->kind != ENTRY_REDIRECT || (entry->flags & ENTRY_DERIVED) == 0 ||
        (entry->flags & ENTRY_BY_RULE) != 0) {
        return match;
    }
    struct slice target = index_text(match.site->index, entry->target.text_at, entry->target.bytes);
    return path_canonical(target, buffer, &path) == PATH_OK ? site_stack_find(stack, path) : match;
}

/* What a rule says that decides: another path, a redirect, or a page with a status. */
static void respond_route(const struct responding *responding, const struct route *route)
{
    if (route->status >= 300 && route->status < 400) {
        if (responding->request->method == METHOD_OPTIONS) {
            respond_options(responding, NULL);
            return;
        }
        const struct index *index = responding->stack->sites[0]->index;
        respond_nothing(route->status, responding->response);
        set_location(responding, route->target, (route->rule->flags & RULE_KEEP_QUERY) != 0,
                     index_head(index, route->rule->head));
        return;
    }
    char buffer[PATH_BYTES_MAX];
    struct site_match match = find_rewritten(responding->stack, route->target, buffer);
    if (match.entry != NULL && route->status == 200) {
        respond_entry(responding, &match);
        return;
    }
    set_origin(responding, &match);
    const struct index_entry *page = match.entry;
    if (page == NULL || page->kind != ENTRY_FILE) {
        page = match.not_found_page;
    }
    respond_missing(responding, match.site, page, route->status == 200 ? 404 : route->status);
}

/* Field lines that rules add to what no entry has: not to a file's own, in whose head they are. */
static void add_rules(const struct responding *responding, struct slice path)
{
    struct response *response = responding->response;
    bool is_file = response->status == 200 || response->status == 206 || response->status == 304;
    if (is_file) {
        return;
    }
    char *copy = responding->context->scratch->rules_path;
    memcpy(copy, path.bytes, path.count);
    response->rules = responding->stack->sites[0]->index;
    response->rules_path = (struct slice){copy, path.count};
    response->rules_vary = response->fields[3].count > 0; /* one line with that of the rules */
    response->fields[3].count = 0;
}

/* Rules are those of the newest release: they describe the site as it is now. `path` is canonical,
 * without the prefix; empty for one that no key can equal: looking that up misses, with the site's
 * page for missing paths. */
static void respond_path(const struct responding *responding, struct slice path)
{
    struct site_match match = site_stack_find(responding->stack, path);
    const struct index *newest = responding->stack->sites[0]->index;
    bool is_missing = match.entry == NULL;
    struct route route;
    bool is_routed = newest->rule_count > 0 && path.count > 0 &&
                     (is_missing || (match.entry->flags & ENTRY_ASK_RULES) != 0) &&
                     route_find(newest, responding->request, path,
                                !is_missing && (match.entry->flags & ENTRY_BY_RULE) == 0,
                                responding->context->scratch->target, &route);
    if (is_routed) {
        respond_route(responding, &route);
    } else {
        respond_entry(responding, &match);
    }
    bool is_own = !is_missing && !is_routed && match.entry->status < 400;
    if (newest->rule_count > 0 && path.count > 0 && !is_own) {
        add_rules(responding, path);
    }
}

/* The prefix itself is the folder that the site is (RFC 3986 §6.2.3 does not make "/docs" and
 * "/docs/" the same). */
static void respond_prefix(const struct responding *responding)
{
    static const struct index_head_text head = {
        .entity = {"Content-Length: 0\r\n", 19},
        .policy = {"Cache-Control: no-cache\r\n", 25},
    };
    if (responding->request->method == METHOD_OPTIONS) {
        respond_options(responding, NULL);
    } else {
        respond_nothing(301, responding->response);
        set_location(responding, SLICE("/"), true, head);
    }
}

/* The path of events is the server's own, before any site's, for the hosts that are served here. */
static void respond_events(const struct responding *responding, struct slice path)
{
    const struct respond_context *context = responding->context;
    bool is_host_known = context->sites->only != NULL;
    if (!is_host_known) {
        char name[HOST_NAME_BYTES_MAX];
        (void)site_list_stack(context->sites, host_name(responding->request->host, name), path,
                              &is_host_known);
    }
    if (!is_host_known) {
        text_answer(421, responding->response);
    } else if (responding->request->method == METHOD_OPTIONS) {
        respond_options(responding, NULL);
    } else {
        event_answer(context->events, responding->request, context->scratch->cross_origin,
                     sizeof context->scratch->cross_origin, responding->response);
    }
}

/* The site that the host and the path lead to. */
static void respond_target(struct responding *responding)
{
    const struct site_list *sites = responding->context->sites;
    char buffer[PATH_BYTES_MAX];
    struct slice path;
    enum path_status status = path_canonical(responding->request->path, buffer, &path);
    if (status == PATH_BAD) {
        text_answer(400, responding->response);
        return;
    }
    if (status == PATH_ABSENT) {
        path = (struct slice){"", 0};
    }
    if (responding->context->events != NULL &&
        slice_equal(path, responding->context->events->path)) {
        respond_events(responding, path);
        return;
    }
    responding->stack = sites->only;
    if (responding->stack == NULL) {
        char name[HOST_NAME_BYTES_MAX];
        bool is_host_known;
        responding->stack = site_list_stack(sites, host_name(responding->request->host, name), path,
                                            &is_host_known);
        if (responding->stack == NULL) {
            text_answer(is_host_known ? 404 : 421, responding->response); /* RFC 9110 §15.5.20 */
            return;
        }
    }
    responding->response->stack = responding->stack;
    responding->response->origin = responding->stack->sites[0];
    if (site_stack_is_damaged(responding->stack)) {
        text_answer(503, responding->response);
        return;
    }
    struct slice prefix = responding->stack->prefix;
    if (prefix.count > 0 && path.count == prefix.count) {
        respond_prefix(responding);
    } else {
        respond_path(responding, slice_after(path, prefix.count));
    }
}

static void refuse(enum request_refusal refusal, struct response *response)
{
    text_answer(refusal == REFUSE_EXPECTATION ? 417 : 421, response);
}

static void init(const struct request *request, struct response *response)
{
    /* A client that waits for 100 gets its answer now, and whether its body comes is not known. */
    bool is_body_uncertain = request->expects_continue && request->body != BODY_NONE;
    *response = (struct response){
        .keep_alive = request->keep_alive && !is_body_uncertain,
        .tell_keep_alive = request->version_minor == 0,
        .has_body = request->method != METHOD_HEAD,
    };
}

void respond_init(const struct request *request, struct response *out_response)
{
    init(request, out_response);
}

void respond(const struct respond_context *context, const struct request *request,
             struct response *out_response)
{
    init(request, out_response);
    struct responding responding = {
        .context = context, .request = request, .response = out_response};
    if (request->method == METHOD_UNKNOWN) {
        text_answer(501, out_response);
    } else if (request->refusal != REFUSE_NOTHING) {
        refuse(request->refusal, out_response);
    } else if (request->method == METHOD_NOT_ALLOWED) {
        text_answer(405, out_response);
    } else if (request->is_asterisk) {
        respond_options(&responding, NULL);
    } else if (context->sites->count == 0) {
        text_answer(503, out_response);
    } else {
        respond_target(&responding);
    }
}

void respond_bad(unsigned status, struct response *out_response)
{
    *out_response = (struct response){.has_body = true};
    text_answer(status, out_response);
}
