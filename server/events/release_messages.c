#include "events/release_messages.h"

#include "common/mem.h"
#include "events/json_text.h"
#include "site/list_difference.h"
#include "site/site_state.h"

#include <stdlib.h>

_Static_assert((int)EVENT_STATE_BYTES == (int)SITE_STATE_BYTES, "a message tells a site's state");

/* ---- differences ---- */

static bool regions_equal(const struct region_change *a, const struct region_change *b)
{
    bool is_equal = slice_equal(a->region.prefix, b->region.prefix) &&
                    a->region.hole_count == b->region.hole_count &&
                    site_view_equal(a->before, b->before) && site_view_equal(a->after, b->after);
    for (size_t i = 0; is_equal && i < a->region.hole_count; i++) {
        is_equal = slice_equal(a->region.holes[i], b->region.holes[i]);
    }
    return is_equal;
}

/* Many hosts may see the same releases: they are compared once. */
struct found_differences {
    const struct list_difference *lists;
    struct site_difference *at; /* by the place of the change; one that is another's is empty */
    size_t *same_as;
};

static void find_differences(struct found_differences *found, const struct list_difference *lists)
{
    size_t count = lists->change_count;
    size_t share = count == 0 ? 0 : EVENT_CHANGE_BYTES_MAX / count;
    size_t room = share < EVENT_PATH_BYTES_MAX ? share : EVENT_PATH_BYTES_MAX;
    found->lists = lists;
    found->at = mem_zeroed(count, sizeof *found->at);
    found->same_as = mem_zeroed(count, sizeof *found->same_as);
    for (size_t i = 0; i < count; i++) {
        const struct region_change *change = &lists->changes[i];
        size_t same = 0;
        while (same < i &&
               (found->same_as[same] != same || !regions_equal(change, &lists->changes[same]))) {
            same++;
        }
        found->same_as[i] = same;
        if (same == i) {
            site_difference_init(&found->at[i], room);
            site_difference_find(&found->at[i], &change->region, change->before, change->after);
        }
    }
}

static void free_differences(struct found_differences *found)
{
    for (size_t i = 0; i < found->lists->change_count; i++) {
        site_difference_fini(&found->at[i]);
    }
    free(found->at);
    free(found->same_as);
}

/* ---- texts ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_paths(struct json_writer *json, const char *key,
                      const struct site_difference *difference, enum site_change_kind kind)
{
    const char *end = difference->paths + difference->path_bytes;
    const char **paths = NULL;
    size_t count = 0;
    size_t capacity = 0;
    for (const char *at = difference->paths; at < end; at += strlen(at) + 1) {
        if (*at != '0' + (char)kind) {
            continue;
        }
        if (count == capacity) {
            capacity = mem_capacity(capacity, count + 1);
            paths = mem_resize(paths, capacity, sizeof *paths);
        }
        paths[count++] = at + 1;
    }
    if (count > 0) {
        qsort(paths, count, sizeof *paths, by_text);
    }
    json_key(json, key);
    json_begin_array(json, false);
    for (size_t i = 0; i < count; i++) {
        json_string(json, slice_of_string(paths[i]));
    }
    json_end_array(json);
    free(paths);
}

static const struct {
    const char *key;
    enum site_change_kind kind;
} kinds[] = {
    {"changed", SITE_CHANGED},
    {"added", SITE_ADDED},
    {"removed", SITE_REMOVED},
};

/* "docs.example.com/docs/": as the stack that answers there has it, or the one that did. */
static char *site_text(const struct region_change *change)
{
    const struct site_stack *stack =
        change->after.stack != NULL ? change->after.stack : change->before.stack;
    bool is_wide = stack->host.count == 0 || stack->host.bytes[0] == '.';
    return mem_format("%s%.*s%.*s/", is_wide ? "*" : "", (int)stack->host.count, stack->host.bytes,
                      (int)stack->prefix_url.count, stack->prefix_url.bytes);
}

static char *release_text(const struct region_change *change, const char *state,
                          const struct site_difference *difference, size_t *out_bytes)
{
    struct json_text text;
    json_text_begin(&text, "release");
    struct json_writer *json = &text.json;
    json_key(json, "state");
    json_string(json, slice_of_string(state));
    char *site = site_text(change);
    json_key(json, "site");
    json_string(json, slice_of_string(site));
    free(site);
    json_key(json, "release");
    if (change->after.stack != NULL) {
        json_u64(json, change->after.stack->sites[0]->index->release);
    } else {
        json_null(json);
    }
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        put_paths(json, kinds[i].key, difference, kinds[i].kind);
    }
    json_key(json, "truncated");
    json_bool(json, difference->is_partial);
    json_key(json, "counts");
    json_begin_object(json);
    for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
        json_key(json, kinds[i].key);
        json_u64(json, difference->counts[kinds[i].kind]);
    }
    json_end_object(json);
    return json_text_end(&text, out_bytes);
}

/* ---- messages ---- */

void release_messages_init(struct release_messages *messages, const struct site_list *before,
                           const struct site_list *after)
{
    struct list_difference lists;
    struct found_differences found;
    list_difference_init(&lists, before, after);
    find_differences(&found, &lists);
    struct event_hosts *hosts = event_hosts_new(lists.hosts, lists.host_count);
    *messages = (struct release_messages){
        .at = mem_zeroed(lists.change_count, sizeof(struct event_message *))};
    for (size_t i = 0; i < lists.change_count; i++) {
        const struct region_change *change = &lists.changes[i];
        const struct site_difference *difference = &found.at[found.same_as[i]];
        struct site_state was = site_list_state(before, change->host);
        struct site_state is = site_list_state(after, change->host);
        if (site_difference_is_empty(difference) && strcmp(was.text, is.text) == 0) {
            continue; /* what is behind the others has moved */
        }
        size_t bytes;
        char *text = release_text(change, is.text, difference, &bytes);
        messages->at[messages->count++] =
            event_message_release(hosts, change->host, is.text, text, bytes);
    }
    event_hosts_unref(hosts);
    free_differences(&found);
    list_difference_fini(&lists);
}

void release_messages_fini(struct release_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++) {
        event_message_unref(messages->at[i]);
    }
    free(messages->at);
    *messages = (struct release_messages){.at = NULL};
}
