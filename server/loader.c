#include "server/loader.h"

#include "common/clock.h"
#include "common/mem.h"
#include "server/content_check.h"
#include "server/overlay_base.h"
#include "server/overwrite_check.h"
#include "server/preload.h"
#include "server/site_opening.h"
#include "site/site_state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

const struct site_list *loader_sites(const struct loader *loader)
{
    return loader->draft != NULL
               ? loader->draft
               : atomic_load_explicit(&loader->publication->current, memory_order_relaxed);
}

static const struct site_stack *stack_for(const struct site_list *sites, const struct mount *mount,
                                          size_t host)
{
    return site_list_stack_of(sites, slice_of_string(mount->hosts[host]),
                              slice_of_string(mount->prefix));
}

/* The same release in a stack, not taken back; NULL: it is not there. */
static const struct site *find_active(const struct site_stack *stack, const struct site *site)
{
    size_t active = stack == NULL ? 0 : stack->active_count;
    for (size_t i = 0; i < active; i++) {
        if (site_is_same_release(stack->sites[i], site)) {
            return stack->sites[i];
        }
    }
    return NULL;
}

/* Is the same release in every stack that this one would go to? */
static bool is_active(const struct site_list *sites, const struct site *site)
{
    for (size_t i = 0; i < site->mount.host_count; i++) {
        if (find_active(stack_for(sites, &site->mount, i), site) == NULL) {
            return false;
        }
    }
    return true;
}

/* HUP names older releases again before newer ones. With trust those that are active stay where
 * they are; without, each goes on top, as any other. */
static bool stays_below(const struct loader *loader, const struct load_request *request,
                        const struct site *site)
{
    return loader->trust != NULL && request->is_again && is_active(loader_sites(loader), site);
}

/* The newest release of the same archive that is active where this one would answer; NULL: there is
 * none. By UUID: a copy of the archive is the archive. */
static const struct site *newest_active(const struct site_list *sites, const struct mount *mount,
                                        const struct index *index)
{
    const struct site *newest = NULL;
    for (size_t i = 0; i < mount->host_count; i++) {
        const struct site_stack *stack = stack_for(sites, mount, i);
        for (size_t j = 0; stack != NULL && j < stack->active_count; j++) {
            const struct site *site = stack->sites[j];
            if (memcmp(site->index->archive_uuid, index->archive_uuid, UUID_BYTES) == 0 &&
                (newest == NULL || site->index->release > newest->index->release)) {
                newest = site;
            }
        }
    }
    return newest;
}

/* Only `rollback` goes back. What a process was handed may stand in any order, since it was allowed
 * before; and what goes below an overlay is no step back if the overlay is none. */
static int check_age(const struct loader *loader, const struct load_request *request,
                     const struct site *site, struct error *error)
{
    const struct site_list *sites = loader_sites(loader);
    const struct site *newest = newest_active(sites, &site->mount, site->index);
    if (newest == NULL || newest->index->release <= site->index->release || request->is_handed ||
        request->above != NULL || stays_below(loader, request, site)) {
        return 0;
    }
    return error_set(error, ERR_TRUST,
                     "release %" PRIu64 ": older than release %" PRIu64
                     ", which its archive serves; only rollback goes back",
                     site->index->release, newest->index->release);
}

/* Whose is it, and is it no step back? */
static int check_signature(const struct loader *loader, const struct load_request *request,
                           const struct site *site, struct key_id *out_key_id, struct error *error)
{
    struct error detail = {""};
    int status = signature_check(site->index, site->archive, loader->trust, out_key_id, &detail);
    if (status == 0) {
        status = check_age(loader, request, site, &detail);
    }
    return status == 0 ? 0 : error_set(error, status, "%s: %s", site->index_path, detail.text);
}

/* How many releases there are where the site answers: its first host's stack. */
static size_t count_layers(const struct site_list *sites, const struct site *site)
{
    const struct site_stack *stack = site_list_stack_of(
        sites, slice_of_string(site->mount.hosts[0]), slice_of_string(site->mount.prefix));
    return stack == NULL ? 0 : stack->count;
}

/* ---- the next list ---- */

static void draft(struct loader *loader, struct site_change change)
{
    change.at_ms = (int64_t)monotonic_exact_ms();
    if (loader->announcer != NULL) {
        announcer_note(loader->announcer, loader_sites(loader));
    }
    struct site_list *next =
        site_list_next(loader_sites(loader), &change, &loader->retention, time(NULL));
    host_meters_assign(&loader->host_meters, next);
    site_list_free(loader->draft);
    loader->draft = next;
}

static void publish_draft(struct loader *loader)
{
    struct site_list *next = loader->draft;
    if (next != NULL) {
        loader->draft = NULL;
        /* a step that nobody has seen is no change */
        site_list_date(next, loader_sites(loader), (int64_t)monotonic_exact_ms());
        publication_publish(loader->publication, next);
        host_meters_prune(&loader->host_meters, next);
    }
}

static void drop_draft(struct loader *loader)
{
    site_list_free(loader->draft);
    loader->draft = NULL;
    host_meters_prune(&loader->host_meters, loader_sites(loader));
}

static void publish(struct loader *loader, struct site_change change)
{
    draft(loader, change);
    publish_draft(loader);
}

/* ---- loads ---- */

/* Where it is on top: can it answer for all that it would answer for? */
static bool is_whole(const struct site_list *sites, const struct load_request *request,
                     const struct site *site)
{
    for (size_t i = 0; i < site->mount.host_count; i++) {
        if (site_is_damaged(stack_for(sites, &site->mount, i)->sites[0])) {
            return false;
        }
    }
    return request->is_handed || overlay_base_is_there(sites, site);
}

/* Nothing has to change for it. By HUP too, what is on top and damaged is loaded anew; what is
 * below another one could not be without becoming the newest. */
static bool is_there(const struct loader *loader, const struct load_request *request,
                     const struct site *site)
{
    const struct site_list *sites = loader_sites(loader);
    return site_list_has_on_top(sites, site) ? is_whole(sites, request, site)
                                             : stays_below(loader, request, site);
}

/* A release that was opened. */
struct candidate {
    struct site *site;
    struct key_id key_id; /* with trust: who has signed it */
    bool is_there;        /* nothing has to change for it */
};

/* Puts it into the next list, unless it is there. Takes the site over. */
static void add_to_draft(struct loader *loader, const struct load_request *request,
                         const struct candidate *candidate, struct load_result *out_result)
{
    struct site *site = candidate->site;
    *out_result = (struct load_result){
        .release = site->index->release,
        .paths = site->index->entry_count,
        .was_on_top = candidate->is_there,
    };
    if (out_result->was_on_top) {
        out_result->id = find_active(stack_for(loader_sites(loader), &site->mount, 0), site)->id;
        out_result->layers = count_layers(loader_sites(loader), site);
        site_unref(site);
        return;
    }
    if (loader->is_preloading) {
        operation_phase(request->operation, "preload");
        preload_archive(site->archive, site->index->committed_bytes);
    }
    site->id = ++loader->last_id;
    operation_phase(request->operation, "publish");
    struct site *kept = site_ref(site); /* the list may have no place for it */
    draft(loader, (struct site_change){.added = site});
    out_result->id = kept->id;
    out_result->layers = count_layers(loader_sites(loader), kept);
    site_unref(kept);
}

/* What is quick to find out of a release. */
static int open_candidate(struct loader *loader, const struct load_request *request,
                          struct candidate *out_candidate, struct error *error)
{
    struct candidate candidate = {.site = NULL};
    operation_phase(request->operation, "validate");
    int status = site_opening(loader, request, &candidate.site, error);
    if (status == 0 && loader->trust != NULL) {
        operation_phase(request->operation, "check trust");
        status = check_signature(loader, request, candidate.site, &candidate.key_id, error);
    }
    if (status != 0) {
        site_unref(candidate.site);
        return status;
    }
    candidate.is_there = is_there(loader, request, candidate.site);
    *out_candidate = candidate;
    return 0;
}

/* Is it whole? What the next list has already is not hashed again. */
static int check_content(const struct loader *loader, const struct candidate *candidate,
                         struct error *error)
{
    char text[KEY_ID_TEXT_BYTES];
    struct error detail = {""};
    const struct site *site = candidate->site;
    int status = content_check(loader_sites(loader), site->index, site->archive, &detail);
    return status == 0 ? 0
                       : error_set(error, status, "%s: signed by key %s, but %s", site->index_path,
                                   key_id_text(&candidate->key_id, text), detail.text);
}

/* The rest of it. Takes the site over. */
static int add_candidate(struct loader *loader, const struct load_request *request,
                         const struct candidate *candidate, struct load_result *out_result,
                         struct error *error)
{
    int status = loader->trust == NULL ? 0 : check_content(loader, candidate, error);
    if (status == 0) {
        add_to_draft(loader, request, candidate, out_result);
    } else {
        site_unref(candidate->site);
    }
    return status;
}

/* Puts what an overlay is laid over into the next list, where the overlay will go: from its mapping
 * of the archive. */
static int add_base(struct loader *loader, const struct load_request *request,
                    const struct overlay_base *base, const struct site *above, struct error *error)
{
    char *hosts = mount_hosts_text(&above->mount);
    struct load_request below = *request;
    int status = 0;
    below.hosts = hosts;
    below.prefix = above->mount.prefix;
    below.above = above;
    below.is_again = false; /* it goes on top here, wherever else it stays */
    for (size_t i = 0; status == 0 && i < base->count; i++) {
        struct candidate candidate;
        struct load_result result;
        below.path = base->paths[i];
        status = open_candidate(loader, &below, &candidate, error);
        if (status == 0) {
            status = add_candidate(loader, &below, &candidate, &result, error);
        }
    }
    if (loader->trust != NULL) {
        operation_phase(request->operation, "check trust"); /* of the overlay, once more */
    }
    free(hosts);
    return status;
}

/* Opens and checks a release, and puts it into the next list, with what it is laid over. Its bytes
 * are hashed last, when it is known to be allowed and the releases below it vouch for theirs. */
static int prepare(struct loader *loader, const struct load_request *request,
                   struct load_result *out_result, struct error *error)
{
    struct candidate candidate;
    struct overlay_base base = {0};
    int status = open_candidate(loader, request, &candidate, error);
    if (status != 0) {
        return status;
    }
    if (!request->is_handed && !candidate.is_there) {
        status = overlay_base_find(loader_sites(loader), candidate.site, &base, error);
    }
    if (status == 0 && base.count > 0) {
        status = add_base(loader, request, &base, candidate.site, error);
    }
    overlay_base_fini(&base);
    if (status != 0) {
        site_unref(candidate.site);
        return status;
    }
    return add_candidate(loader, request, &candidate, out_result, error);
}

/* What came of one, now that all are live, or none is. */
static void settle(struct loader *loader, struct load *load, int status)
{
    double ms = monotonic_exact_ms() - load->started_ms;
    if (load->status == 0 && status != 0) {
        load->status =
            error_set(&load->error, -ECANCELED,
                      "%s: not made live, because another one was refused", load->request.path);
        return;
    }
    load->result.ms = ms;
    load_counts_add(&loader->counts, load->status, load->result.was_on_top, ms);
}

int loader_load_all(struct loader *loader, struct load *loads, size_t count)
{
    int status = 0;
    uint64_t last_id = loader->last_id;
    overwrite_check_run(loader_sites(loader)); /* what is damaged is not on top already */
    for (size_t i = 0; i < count; i++) {
        struct load *load = &loads[i];
        load->started_ms = monotonic_exact_ms();
        load->status = prepare(loader, &load->request, &load->result, &load->error);
        status = status == 0 ? load->status : status;
    }
    if (status == 0) {
        publish_draft(loader);
    } else {
        drop_draft(loader);
        loader->last_id = last_id;
    }
    for (size_t i = 0; i < count; i++) {
        settle(loader, &loads[i], status);
    }
    return status;
}

int loader_load(struct loader *loader, const struct load_request *request,
                struct load_result *out_result, struct error *error)
{
    struct load load = {.request = *request};
    int status = loader_load_all(loader, &load, 1);
    if (status == 0) {
        *out_result = load.result;
    } else if (error != NULL) {
        *error = load.error;
    }
    return status;
}

struct site *loader_find(const struct loader *loader, struct slice id_or_path)
{
    const struct site_list *sites = loader_sites(loader);
    char id[24];
    for (size_t i = 0; i < sites->count; i++) {
        int count = snprintf(id, sizeof id, "%llu", (unsigned long long)sites->sites[i]->id);
        if (slice_equal(id_or_path, (struct slice){id, (size_t)count})) {
            return sites->sites[i];
        }
    }
    char *path = mem_string(id_or_path.bytes, id_or_path.count);
    char *real = realpath(path, NULL);
    struct site *found = NULL;
    for (size_t i = 0; i < sites->count && found == NULL; i++) {
        const char *other = sites->sites[i]->index_path;
        if (strcmp(other, path) == 0 || (real != NULL && strcmp(other, real) == 0)) {
            found = sites->sites[i];
        }
    }
    free(real);
    free(path);
    return found;
}

/* An overlay alone is a site with holes. */
static int check_above(const struct loader *loader, const struct site *site, struct error *error)
{
    const struct site *above = overlay_base_above(loader_sites(loader), site);
    return above == NULL
               ? 0
               : error_set(error, -EBUSY, "release %" PRIu64 " (id %" PRIu64 ") is laid over it",
                           above->index->release, above->id);
}

int loader_unload(struct loader *loader, const struct site *site, struct error *error)
{
    int status = check_above(loader, site, error);
    if (status != 0) {
        return status;
    }
    publish(loader, (struct site_change){.removed = site});
    return 0;
}

void loader_retire(struct loader *loader, const struct site *site)
{
    publish(loader, (struct site_change){.retired = site});
}

int loader_rollback(struct loader *loader, const struct site_stack *stack,
                    struct load_result *out_result, struct error *error)
{
    double started_ms = monotonic_exact_ms();
    if (stack->active_count < 2) {
        return error_set(error, ERR_EMPTY, "there is no release below %llu",
                         (unsigned long long)stack->sites[0]->index->release);
    }
    const struct site *top = stack->sites[1];
    if (!overlay_base_is_below(stack, 1)) {
        return error_set(error, ERR_EMPTY,
                         "release %" PRIu64
                         " below it is nothing without those that it was laid over; "
                         "load it again",
                         top->index->release);
    }
    int status = check_above(loader, stack->sites[0], error);
    if (status != 0) {
        return status;
    }
    *out_result = (struct load_result){
        .id = top->id,
        .release = top->index->release,
        .paths = top->index->entry_count,
    };
    publish(loader, (struct site_change){.retired = stack->sites[0]});
    out_result->layers = count_layers(loader_sites(loader), top);
    out_result->ms = monotonic_exact_ms() - started_ms;
    atomic_fetch_add_explicit(&loader->counts.rollbacks, 1, memory_order_relaxed);
    return 0;
}

void loader_announce(struct loader *loader)
{
    if (loader->announcer != NULL) {
        announcer_tell(loader->announcer, loader_sites(loader));
    }
}

void loader_user_changed(struct loader *loader)
{
    const struct site_list *sites = loader_sites(loader);
    for (size_t i = 0; i < sites->count; i++) {
        archive_ask_residency(sites->sites[i]->archive);
    }
}

void loader_say_damage(struct loader *loader)
{
    const struct site_list *sites = loader_sites(loader);
    for (size_t i = 0; i < sites->count; i++) {
        struct site *site = sites->sites[i];
        const char *damage = atomic_load_explicit(&site->damage, memory_order_relaxed);
        if (damage != NULL && !site->is_damage_said) {
            site->is_damage_said = true;
            fprintf(stderr,
                    "cairn-serve: %s: %s; answered with 503 until a good release is loaded\n",
                    site->index_path, damage);
        }
    }
}

int64_t loader_expire(struct loader *loader)
{
    int64_t expiry_s = site_list_expiry_s(loader_sites(loader), &loader->retention);
    if (expiry_s >= 0 && time(NULL) >= expiry_s) {
        publish(loader, (struct site_change){.added = NULL});
        expiry_s = site_list_expiry_s(loader_sites(loader), &loader->retention);
    }
    return expiry_s;
}
