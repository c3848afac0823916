#include "admin/state.h"

#include "common/mem.h"
#include "server/control/report.h"

#include <stdlib.h>
#include <unistd.h>

static void put_text(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, slice_of_string(text));
}

static void put_number(struct json_writer *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_u64(json, number);
}

static void put_bool(struct json_writer *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}

/* ---- sites ---- */

static size_t place_of(const struct site_list *list, const struct site *site)
{
    size_t i = 0;
    while (i < list->count && list->sites[i] != site) {
        i++;
    }
    return i;
}

/* The host's stack that is the same site under another name; NULL: there is none. */
static const struct site_stack *stack_like(const struct site_host *host,
                                           const struct site_stack *stack)
{
    for (size_t i = 0; i < host->stack_count; i++) {
        if (site_stack_equal(&host->stacks[i], stack)) {
            return &host->stacks[i];
        }
    }
    return NULL;
}

static bool is_told_before(const struct site_list *list, size_t host,
                           const struct site_stack *stack)
{
    for (size_t i = 0; i < host; i++) {
        if (stack_like(&list->hosts[i], stack) != NULL) {
            return true;
        }
    }
    return false;
}

static void write_hosts(struct json_writer *json, const struct site_list *list, size_t first,
                        const struct site_stack *stack)
{
    json_begin_array(json, false);
    for (size_t i = first; i < list->host_count; i++) {
        struct slice name = list->hosts[i].name;
        bool is_pattern = name.count == 0 || name.bytes[0] == '.';
        if (stack_like(&list->hosts[i], stack) != NULL) {
            char *text = mem_format("%s%.*s", is_pattern ? "*" : "", (int)name.count, name.bytes);
            json_string(json, slice_of_string(text));
            free(text);
        }
    }
    json_end_array(json);
}

static void write_release(struct json_writer *json, const struct site_list *list,
                          const struct site_stack *stack, size_t i)
{
    const struct site *site = stack->sites[i];
    json_begin_object(json);
    report_write_site(json, list, place_of(list, site));
    put_bool(json, "is_on_top", i == 0);
    put_bool(json, "is_taken_back", i >= stack->active_count);
    put_number(json, "archive_bytes", site->index->committed_bytes);
    put_number(json, "created", (uint64_t)site->index->created_s);
    json_end_object(json);
}

static void write_stack(struct json_writer *json, const struct site_list *list, size_t host,
                        const struct site_stack *stack)
{
    json_begin_object(json);
    json_key(json, "hosts");
    write_hosts(json, list, host, stack);
    json_key(json, "at");
    json_string(json, stack->prefix_url.count == 0 ? SLICE("/") : stack->prefix_url);
    put_bool(json, "is_damaged", site_stack_is_damaged(stack));
    put_bool(json, "can_roll_back", stack->active_count > 1);
    json_key(json, "releases");
    json_begin_array(json, false);
    for (size_t i = 0; i < stack->count; i++) {
        write_release(json, list, stack, i);
    }
    json_end_array(json);
    json_end_object(json);
}

static void write_sites(struct json_writer *json, const struct site_list *list)
{
    json_begin_array(json, false);
    for (size_t i = 0; i < list->host_count; i++) {
        for (size_t j = 0; j < list->hosts[i].stack_count; j++) {
            const struct site_stack *stack = &list->hosts[i].stacks[j];
            if (!is_told_before(list, i, stack)) {
                write_stack(json, list, i, stack);
            }
        }
    }
    json_end_array(json);
}

/* ---- the rest ---- */

static void write_process(struct json_writer *json, const struct admin_context *context)
{
    put_text(json, "version", CAIRN_VERSION);
    put_number(json, "pid", (uint64_t)getpid());
    put_number(json, "started", (uint64_t)context->metrics.started_s);
    put_text(json, "sandbox", context->sandbox);
    put_number(json, "workers", workers_running(context->metrics.workers));
    put_bool(json, "is_draining", context->is_draining);
    put_bool(json, "takes_changes", context->token->is_set);
}

static void write_totals(struct json_writer *json, const struct admin_context *context)
{
    struct loop_totals totals = workers_totals(context->metrics.workers);
    json_key(json, "totals");
    json_begin_object(json);
    put_number(json, "accepted", totals.accepted);
    put_number(json, "requests", totals.requests);
    put_number(json, "bytes", totals.bytes);
    put_number(json, "shed", totals.shed);
    put_number(json, "log_lost", totals.log_lost);
    put_number(json, "disk_reads", totals.disk_reads);
    json_end_object(json);
    json_key(json, "connections");
    json_begin_object(json);
    for (size_t i = 0; i < CONN_STATES; i++) {
        put_number(json, conn_state_name((enum conn_state)i), totals.connections[i]);
    }
    json_end_object(json);
}

static void write_refusals(struct json_writer *json, struct refusals *refusals)
{
    struct refusal copies[REFUSALS_MAX];
    size_t count = refusals_copy(refusals, copies);
    json_key(json, "refused");
    json_begin_array(json, false);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json);
        put_number(json, "at", (uint64_t)copies[i].at_s);
        put_number(json, "count", copies[i].count);
        put_text(json, "text", copies[i].text);
        json_end_object(json);
    }
    json_end_array(json);
}

void admin_state_write(const struct admin_context *context, uint64_t after, FILE *stream)
{
    struct json_writer json = json_writer(stream);
    json_begin_object(&json);
    write_process(&json, context);
    write_totals(&json, context);
    json_key(&json, "sites");
    write_sites(&json, publication_hold(context->metrics.publication));
    publication_let_go(context->metrics.publication);
    write_refusals(&json, context->refusals);
    put_number(&json, "sample_count", context->history->count);
    json_key(&json, "samples");
    admin_history_write(context->history, after, &json);
    json_end_object(&json);
    json_end(&json);
}
