#include "site/site_state.h"

#include <inttypes.h>
#include <stdio.h>

static uint64_t add_release(uint64_t state, const struct index *index)
{
    state = hash64(index->archive_uuid, UUID_BYTES, state);
    state = hash64(&index->release, sizeof index->release, state);
    return hash64(index->checksum.bytes, HASH128_BYTES, state);
}

/* Older releases, of which only immutable files answer, do not count: a restart forgets them. */
static uint64_t stack_state(const struct site_stack *stack)
{
    uint64_t state = hash64(stack->prefix.bytes, stack->prefix.count, 0);
    size_t visible = site_stack_visible_count(stack);
    for (size_t i = 0; i < visible; i++) {
        state = add_release(state, stack->sites[i]->index);
    }
    return state;
}

/* A sum, since stacks of equally long prefixes have no order. */
static uint64_t host_state(const struct site_host *host)
{
    uint64_t state = 0;
    for (size_t i = 0; i < host->stack_count; i++) {
        state += host->stacks[i].state;
    }
    return state;
}

void site_list_date(struct site_list *list, const struct site_list *old, int64_t at_ms)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->host_count; i++) {
        struct site_host *host = &list->hosts[i];
        const struct site_host *before = site_list_host(old, host->name);
        for (size_t j = 0; j < host->stack_count; j++) {
            host->stacks[j].state = stack_state(&host->stacks[j]);
        }
        bool is_same = before != NULL && host_state(before) == host_state(host);
        host->changed_ms = is_same ? before->changed_ms : at_ms;
        kept += before != NULL;
    }
    list->host_gone_ms = kept < old->host_count ? at_ms : old->host_gone_ms;
}

struct site_state site_list_state(const struct site_list *list, struct slice host)
{
    const struct site_host *chain[SITE_CHAIN_MAX];
    size_t count = site_list_chain(list, host, chain);
    struct site_state result = {.changed_ms = list->host_gone_ms};
    uint64_t state = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < chain[i]->stack_count; j++) {
            const struct site_stack *stack = &chain[i]->stacks[j];
            bool is_known;
            if (site_list_stack(list, host, stack->prefix, &is_known) == stack) {
                state += stack->state;
            }
        }
        if (chain[i]->changed_ms > result.changed_ms) {
            result.changed_ms = chain[i]->changed_ms;
        }
    }
    snprintf(result.text, sizeof result.text, "%016" PRIx64, state);
    return result;
}
