#include "admin/answer.h"

#include "admin/api.h"
#include "common/json_writer.h"
#include "common/mem.h"
#include "server/metrics/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void admin_answer_text(struct admin_answer *out_answer, unsigned status, const char *format, ...)
{
    char line[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    char *body = mem_format("%s\n", line);
    *out_answer = (struct admin_answer){.status = status, .body = body, .body_bytes = strlen(body)};
}

/* The process works: whoever reads this has heard it from the process itself. */
static void answer_health(const struct admin_context *context, const struct admin_request *request,
                          struct admin_answer *answer)
{
    (void)context;
    (void)request;
    admin_answer_text(answer, 200, "ok");
}

/* A release that nothing can be answered from, of those that a stack shows; NULL: there is none. */
static const struct site *damaged_site(const struct site_stack *stack)
{
    for (size_t i = 0; site_stack_is_damaged(stack) && i < stack->active_count; i++) {
        if (site_is_damaged(stack->sites[i])) {
            return stack->sites[i];
        }
    }
    return NULL;
}

static void judge_sites(const struct site_list *sites, struct admin_answer *answer)
{
    if (sites->host_count == 0) {
        admin_answer_text(answer, 503, "no release is loaded");
        return;
    }
    for (size_t i = 0; i < sites->host_count; i++) {
        for (size_t j = 0; j < sites->hosts[i].stack_count; j++) {
            const struct site *site = damaged_site(&sites->hosts[i].stacks[j]);
            if (site != NULL) {
                admin_answer_text(answer, 503, "release %" PRIu64 " is damaged: %s",
                                  site->index->release, site->index_path);
                return;
            }
        }
    }
    admin_answer_text(answer, 200, "ready");
}

/* Shall requests be sent here? */
static void answer_readiness(const struct admin_context *context,
                             const struct admin_request *request, struct admin_answer *answer)
{
    (void)request;
    if (context->is_draining) {
        admin_answer_text(answer, 503, "draining: this server is about to end");
        return;
    }
    judge_sites(publication_hold(context->metrics.publication), answer);
    publication_let_go(context->metrics.publication);
}

static void answer_metrics(const struct admin_context *context, const struct admin_request *request,
                           struct admin_answer *answer)
{
    struct slice accept = {"", 0};
    (void)request_field(request->request, FIELD_ACCEPT, &accept);
    enum metrics_format format = metrics_select(accept);
    FILE *stream = admin_body_open(answer);
    struct metrics_snapshot *snapshot = metrics_take(&context->metrics);
    metrics_write(snapshot, format, stream);
    metrics_free(snapshot);
    admin_body_close(stream);
    answer->status = 200;
    answer->type = metrics_media_type(format);
}

struct admin_route {
    const char *path;
    const char *allow; /* the methods, as a field's value */
    bool is_open;      /* says nothing that is not for everybody: any Host will do */
    void (*answer)(const struct admin_context *context, const struct admin_request *request,
                   struct admin_answer *answer);
};

static const struct admin_route routes[] = {
    {"/healthz", "GET, HEAD", true, answer_health},
    {"/readyz", "GET, HEAD", true, answer_readiness},
    {"/metrics", "GET, HEAD", false, answer_metrics},
    {"/api/state", "GET, HEAD", false, api_state},
    {"/api/indexes", "GET, HEAD", false, api_indexes},
    {"/api/load", "POST", false, api_load},
    {"/api/rollback", "POST", false, api_rollback},
    {"/api/promote", "POST", false, api_promote},
};

/* Is the method one of the list? */
static bool is_allowed(const char *allow, struct slice method)
{
    struct slice rest = slice_of_string(allow);
    while (rest.count > 0) {
        if (slice_equal(slice_trim(slice_take(&rest, ',')), method)) {
            return true;
        }
    }
    return false;
}

static const struct admin_route *find_route(struct slice path)
{
    for (size_t i = 0; i < ARRAY_COUNT(routes); i++) {
        if (slice_equal(path, slice_of_string(routes[i].path))) {
            return &routes[i];
        }
    }
    return NULL;
}

void admin_answer(const struct admin_context *context, const struct admin_request *request,
                  struct admin_answer *out_answer)
{
    *out_answer = (struct admin_answer){0};
    if (request->request->method == METHOD_UNKNOWN) { /* and its target was not looked at */
        admin_answer_text(out_answer, 501, "this method is not one of HTTP's");
        return;
    }
    const struct admin_route *route = find_route(request->request->path);
    bool is_open = route != NULL && route->is_open;
    if (!is_open && !admin_hosts_allow(&context->hosts, request->request->host)) {
        admin_answer_text(out_answer, 421,
                          "this name is not one of the admin address: ask by its number, as "
                          "localhost, or start the server with --admin-host NAME");
    } else if (route != NULL && !is_allowed(route->allow, request->method)) {
        admin_answer_text(out_answer, 405, "this path takes %s", route->allow);
        out_answer->allow = route->allow;
    } else if (route != NULL) {
        route->answer(context, request, out_answer);
    } else if (context->page->is_there) {
        out_answer->is_page = true;
    } else {
        admin_answer_text(out_answer, 404, "there is nothing at this path");
    }
}
