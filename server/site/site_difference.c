#include "site/site_difference.h"

#include "common/fault_guard.h"
#include "common/mem.h"
#include "common/path.h"

#include <stdlib.h>

void site_difference_init(struct site_difference *difference, size_t path_bytes_max)
{
    *difference = (struct site_difference){
        .paths = mem_zeroed(path_bytes_max, 1),
        .path_bytes_max = path_bytes_max,
    };
}

void site_difference_fini(struct site_difference *difference)
{
    free(difference->paths);
    *difference = (struct site_difference){.paths = NULL};
}

/* A base may be void. */
static struct site_view with_base(struct site_view view)
{
    if (view.base.count == 0) {
        view.base = SLICE("");
    }
    return view;
}

bool site_view_equal(struct site_view a, struct site_view b)
{
    if (a.stack == NULL || b.stack == NULL) {
        return a.stack == b.stack;
    }
    return site_stack_equal(a.stack, b.stack);
}

/* ---- what is compared ---- */

/* How much of a release answers: nothing, what is immutable, behind other releases or behind those
 * that were not taken back, or all. */
enum role { ROLE_NONE, ROLE_RETIRED, ROLE_HIDDEN, ROLE_ALL };

enum { BEFORE, AFTER, SIDES };

/* A release that came, went, or answers with more or less than it did: where it has nothing to say
 * of a path, the answer is what it was. */
struct candidate {
    const struct site *site;
    int side;
    bool is_immutable_only;
    uint32_t met_count; /* entries that were looked at on the way, for another candidate */
};

/* Pairs of field lines that were found to be the same: sites have few, and a million uses of them.
 */
enum { HEAD_PAIRS = 64 };
struct head_pair {
    const struct index *indexes[SIDES];
    uint32_t rows[SIDES];
};

struct comparison {
    struct site_difference *difference;
    const struct site_region *region;
    struct site_view views[SIDES];
    struct candidate *candidates;
    size_t candidate_count;
    struct head_pair heads[HEAD_PAIRS];
    char key[PATH_BYTES_MAX];
    char url[2 * PATH_ENCODED_BYTES_MAX];
};

/* A path that may answer otherwise, as an entry of a candidate names it. */
struct subject {
    const struct site *site;
    const struct index_entry *entry;
    uint32_t hints[SIDES];             /* where its entry may be, in the releases of each side */
    struct slice path;                 /* below the region's prefix */
    const struct hash128 *hash[SIDES]; /* of the key that it has on each side */
    struct hash128 other_hash;         /* one of them, if the keys differ */
};

static enum role role_of(const struct site_stack *stack, const struct site *site)
{
    size_t visible = stack == NULL ? 0 : site_stack_visible_count(stack);
    for (size_t i = 0; stack != NULL && i < stack->count; i++) {
        if (stack->sites[i] == site) {
            return i < visible ? ROLE_ALL : i < stack->active_count ? ROLE_HIDDEN : ROLE_RETIRED;
        }
    }
    return ROLE_NONE;
}

static void add_candidates(struct comparison *comparison, int side)
{
    const struct site_stack *stack = comparison->views[side].stack;
    const struct site_stack *other = comparison->views[1 - side].stack;
    for (size_t i = 0; stack != NULL && i < stack->count; i++) {
        const struct site *site = stack->sites[i];
        enum role role = role_of(stack, site);
        enum role other_role = role_of(other, site);
        bool is_there = side == BEFORE && other_role != ROLE_NONE; /* from the other side */
        if (role != other_role && !is_there) {
            comparison->candidates[comparison->candidate_count++] = (struct candidate){
                .site = site,
                .side = side,
                .is_immutable_only = role != ROLE_ALL && other_role != ROLE_ALL,
            };
        }
    }
}

/* ---- answers ---- */

static bool has_hash(const struct index_entry *entry, const struct hash128 *hash)
{
    return memcmp(entry->path_hash.bytes, hash->bytes, HASH128_BYTES) == 0;
}

/* The entry by its hash alone: nothing is served from it. */
static const struct index_entry *entry_of(const struct site *site, const struct subject *subject,
                                          int side)
{
    const struct index *index = site->index;
    const struct hash128 *hash = subject->hash[side];
    uint32_t hint = subject->hints[side];
    if (hint < index->entry_count && has_hash(&index->entries[hint], hash)) {
        return &index->entries[hint];
    }
    uint32_t position = mphf_find(&index->mphf, hash);
    bool is_found = position != UINT32_MAX && has_hash(&index->entries[position], hash);
    return is_found ? &index->entries[position] : NULL;
}

/* What answers, as site_stack_find() finds it. */
struct answer {
    const struct site *site;
    const struct index_entry *entry; /* NULL: missing */
};

static struct answer find_answer(const struct site_stack *stack, const struct subject *subject,
                                 int side)
{
    static const struct answer missing = {NULL, NULL};
    bool is_hidden = false;
    for (size_t i = 0; stack != NULL && i < stack->count; i++) {
        const struct site *site = stack->sites[i];
        is_hidden |= i >= stack->active_count;
        if (is_hidden && (site->index->immutable_count == 0 || site_is_damaged(site))) {
            continue;
        }
        const struct index_entry *entry = entry_of(site, subject, side);
        if (entry != NULL && entry->kind == ENTRY_TOMBSTONE) {
            return missing;
        }
        if (entry != NULL && (!is_hidden || (entry->flags & ENTRY_IMMUTABLE) != 0)) {
            return (struct answer){site, entry};
        }
        is_hidden |= (site->index->flags & INDEX_OVERLAY) == 0;
    }
    return missing;
}

/* ---- equality ---- */

static bool heads_equal(struct comparison *comparison, const struct index *a, uint32_t x,
                        const struct index *b, uint32_t y)
{
    struct head_pair *pair = &comparison->heads[x % HEAD_PAIRS];
    if (pair->indexes[0] == a && pair->indexes[1] == b && pair->rows[0] == x &&
        pair->rows[1] == y) {
        return true;
    }
    struct index_head_text left = index_head(a, x);
    struct index_head_text right = index_head(b, y);
    if (!slice_equal(left.entity, right.entity) || !slice_equal(left.policy, right.policy)) {
        return false;
    }
    *pair = (struct head_pair){{a, b}, {x, y}};
    return true;
}

/* An archive only grows: what lies at a place stays there. */
static bool bytes_equal(struct answer a, struct answer b)
{
    const struct index_representation *x = &a.entry->first;
    const struct index_representation *y = &b.entry->first;
    if (x->stored_bytes != y->stored_bytes) {
        return false;
    }
    if (a.site->archive == b.site->archive && x->payload_offset == y->payload_offset) {
        return true;
    }
    const uint8_t *left = index_digest(a.site->index, x);
    const uint8_t *right = index_digest(b.site->index, y);
    return left != NULL && right != NULL && memcmp(left, right, DIGEST_BYTES) == 0;
}

static bool answers_equal(struct comparison *comparison, struct answer a, struct answer b)
{
    const struct index *left = a.site->index;
    const struct index *right = b.site->index;
    if (a.entry == b.entry) {
        return true;
    }
    if (a.entry->kind != b.entry->kind || a.entry->status != b.entry->status) {
        return false;
    }
    if (a.entry->kind != ENTRY_REDIRECT) {
        return bytes_equal(a, b) &&
               heads_equal(comparison, left, a.entry->first.head, right, b.entry->first.head);
    }
    const struct index_target *x = &a.entry->target;
    const struct index_target *y = &b.entry->target;
    return ((a.entry->flags ^ b.entry->flags) & ENTRY_KEEP_QUERY) == 0 &&
           slice_equal(index_text(left, x->text_at, x->bytes),
                       index_text(right, y->text_at, y->bytes)) &&
           heads_equal(comparison, left, x->head, right, y->head);
}

/* ---- one path ---- */

static void put_path(struct comparison *comparison, enum site_change_kind kind, struct slice path)
{
    struct site_difference *difference = comparison->difference;
    char *url = comparison->url;
    size_t count = path_encode(comparison->region->prefix, url);
    count += path_encode(path, url + count);
    difference->counts[kind]++;
    if (difference->path_bytes_max - difference->path_bytes < count + 2) {
        difference->is_partial = true;
        return;
    }
    char *at = difference->paths + difference->path_bytes;
    *at = (char)('0' + kind);
    memcpy(at + 1, url, count);
    at[count + 1] = '\0';
    difference->path_bytes += count + 2;
}

static bool is_in_hole(const struct site_region *region, struct slice path)
{
    for (size_t i = 0; i < region->hole_count; i++) {
        if (mount_prefix_covers(slice_after(region->holes[i], region->prefix.count), path)) {
            return true;
        }
    }
    return false;
}

/* Where the path lies in the region, and what its key is on the other side, which may have another
 * prefix. False: outside. */
static bool place(struct comparison *comparison, const struct candidate *candidate,
                  struct subject *subject)
{
    int side = candidate->side;
    struct slice key = index_path(subject->site->index, subject->entry);
    struct slice base = comparison->views[side].base;
    struct slice other_base = comparison->views[1 - side].base;
    subject->hash[side] = &subject->entry->path_hash;
    subject->hash[1 - side] = &subject->entry->path_hash;
    if (key.count > PATH_BYTES_MAX ||
        !mount_prefix_covers(base, key)) { /* an overwritten file may say more */
        return false;
    }
    subject->path = slice_after(key, base.count);
    if (is_in_hole(comparison->region, subject->path)) {
        return false;
    }
    if (!slice_equal(base, other_base)) {
        size_t count = other_base.count + subject->path.count;
        if (count > sizeof comparison->key) {
            count = 0; /* no key is as long, and none is empty */
        } else {
            memcpy(comparison->key, other_base.bytes, other_base.count);
            memcpy(comparison->key + other_base.count, subject->path.bytes, subject->path.count);
        }
        subject->other_hash = hash128(comparison->key, count);
        subject->hash[1 - side] = &subject->other_hash;
    }
    return true;
}

/* A tombstone ends the search wherever it is. */
static bool looks_at(const struct candidate *candidate, const struct index_entry *entry)
{
    return entry != NULL && (!candidate->is_immutable_only || entry->kind == ENTRY_TOMBSTONE ||
                             (entry->flags & ENTRY_IMMUTABLE) != 0);
}

/* Has an earlier candidate named the path? */
static bool is_seen(const struct comparison *comparison, size_t number,
                    const struct subject *subject)
{
    for (size_t i = 0; i < number; i++) {
        const struct candidate *candidate = &comparison->candidates[i];
        if (looks_at(candidate, entry_of(candidate->site, subject, candidate->side))) {
            return true;
        }
    }
    return false;
}

static void note_met(struct comparison *comparison, size_t number, const struct site *site)
{
    for (size_t i = number + 1; i < comparison->candidate_count; i++) {
        comparison->candidates[i].met_count += comparison->candidates[i].site == site;
    }
}

static void compare_path(struct comparison *comparison, size_t number, struct subject *subject)
{
    struct answer before = find_answer(comparison->views[BEFORE].stack, subject, BEFORE);
    struct answer after = find_answer(comparison->views[AFTER].stack, subject, AFTER);
    if (before.entry != NULL) {
        note_met(comparison, number, before.site);
    }
    if (after.entry != NULL && after.site != before.site) {
        note_met(comparison, number, after.site);
    }
    if (before.entry == NULL && after.entry == NULL) {
        return;
    }
    if (before.entry == NULL) {
        put_path(comparison, SITE_ADDED, subject->path);
    } else if (after.entry == NULL) {
        put_path(comparison, SITE_REMOVED, subject->path);
    } else if (!answers_equal(comparison, before, after)) {
        put_path(comparison, SITE_CHANGED, subject->path);
    }
}

enum { AHEAD = 16 };

/* Where the newest release of the other side may have the path of an entry. Two releases with the
 * same paths have them at the same positions; else the function finds it, and the memory is asked
 * for before it is needed, which is most of what a look-up waits for. */
static uint32_t look_ahead(const struct comparison *comparison, const struct candidate *candidate,
                           uint32_t position)
{
    const struct site_stack *other = comparison->views[1 - candidate->side].stack;
    if (other == NULL) {
        return position;
    }
    const struct hash128 *hash = &candidate->site->index->entries[position].path_hash;
    const struct index *index = other->sites[0]->index;
    if (position < index->entry_count && has_hash(&index->entries[position], hash)) {
        return position;
    }
    uint32_t found = mphf_find(&index->mphf, hash);
    if (found != UINT32_MAX) {
        __builtin_prefetch(&index->entries[found]);
    }
    return found;
}

/* The short way, for most paths of two whole sites: the newest release of each side answers, and
 * says the same. */
static bool is_plainly_same(struct comparison *comparison, size_t number,
                            const struct index_entry *entry, uint32_t hint)
{
    const struct candidate *candidate = &comparison->candidates[number];
    const struct site *other = comparison->views[1 - candidate->side].stack->sites[0];
    if (hint >= other->index->entry_count) {
        return false;
    }
    const struct index_entry *found = &other->index->entries[hint];
    if (!has_hash(found, &entry->path_hash) || entry->kind == ENTRY_TOMBSTONE ||
        found->kind == ENTRY_TOMBSTONE ||
        !answers_equal(comparison, (struct answer){candidate->site, entry},
                       (struct answer){other, found})) {
        return false;
    }
    note_met(comparison, number, other);
    return true;
}

/* May the short way be tried? The first candidate comes after no other. */
static bool has_short_way(const struct comparison *comparison, size_t number)
{
    const struct candidate *candidate = &comparison->candidates[number];
    const struct site_view *views = comparison->views;
    return number == 0 && comparison->region->hole_count == 0 && views[BEFORE].stack != NULL &&
           views[AFTER].stack != NULL && views[BEFORE].base.count == 0 &&
           views[AFTER].base.count == 0 &&
           views[candidate->side].stack->sites[0] == candidate->site;
}

static void compare_candidate(struct comparison *comparison, size_t number)
{
    const struct candidate *candidate = &comparison->candidates[number];
    const struct index *index = candidate->site->index;
    bool is_needless = candidate->met_count == index->entry_count ||
                       (candidate->is_immutable_only && index->immutable_count == 0);
    bool is_short = has_short_way(comparison, number);
    uint32_t hints[AHEAD];
    for (uint32_t i = 0; i < AHEAD && i < index->entry_count && !is_needless; i++) {
        hints[i] = look_ahead(comparison, candidate, i);
    }
    for (uint32_t i = 0; i < index->entry_count && !is_needless; i++) {
        const struct index_entry *entry = &index->entries[i];
        uint32_t hint = hints[i % AHEAD];
        if (index->entry_count - i > AHEAD) {
            hints[i % AHEAD] = look_ahead(comparison, candidate, i + AHEAD);
        }
        if (is_short && is_plainly_same(comparison, number, entry, hint)) {
            continue;
        }
        struct subject subject = {.site = candidate->site, .entry = entry};
        subject.hints[candidate->side] = i;
        subject.hints[1 - candidate->side] = hint;
        if (looks_at(candidate, subject.entry) && place(comparison, candidate, &subject) &&
            !is_seen(comparison, number, &subject)) {
            compare_path(comparison, number, &subject);
        }
    }
}

/* ---- what concerns any path ---- */

static bool rule_texts_equal(const struct index *a, const struct index_rule *x,
                             const struct index *b, const struct index_rule *y)
{
    return slice_equal(index_text(a, x->pattern_at, x->pattern_bytes),
                       index_text(b, y->pattern_at, y->pattern_bytes)) &&
           slice_equal(index_text(a, x->host_at, x->host_bytes),
                       index_text(b, y->host_at, y->host_bytes)) &&
           slice_equal(index_text(a, x->query_at, x->query_bytes),
                       index_text(b, y->query_at, y->query_bytes)) &&
           slice_equal(index_text(a, x->target_at, x->target_bytes),
                       index_text(b, y->target_at, y->target_bytes));
}

/* Those of the newest release count. */
static bool rules_equal(struct comparison *comparison, const struct index *a, const struct index *b)
{
    bool is_equal = a->rule_count == b->rule_count;
    for (uint32_t i = 0; is_equal && i < a->rule_count; i++) {
        const struct index_rule *x = &a->rules[i];
        const struct index_rule *y = &b->rules[i];
        is_equal = x->kind == y->kind && x->status == y->status && x->flags == y->flags &&
                   x->pattern_flags == y->pattern_flags && rule_texts_equal(a, x, b, y) &&
                   heads_equal(comparison, a, x->head, b, y->head);
    }
    return is_equal;
}

/* One that is another path's from now on: a change of its bytes is told as that path's. */
static bool missing_pages_equal(const struct site_stack *a, const struct site_stack *b)
{
    struct site_match x = site_stack_find(a, SLICE(""));
    struct site_match y = site_stack_find(b, SLICE(""));
    return x.not_found_page == NULL || y.not_found_page == NULL ||
           slice_equal(index_path(x.site->index, x.not_found_page),
                       index_path(y.site->index, y.not_found_page));
}

static void compare(void *argument)
{
    struct comparison *comparison = argument;
    const struct site_stack *before = comparison->views[BEFORE].stack;
    const struct site_stack *after = comparison->views[AFTER].stack;
    if (before != NULL && after != NULL &&
        (!rules_equal(comparison, before->sites[0]->index, after->sites[0]->index) ||
         !missing_pages_equal(before, after))) {
        comparison->difference->is_partial = true;
    }
    for (size_t i = 0; i < comparison->candidate_count; i++) {
        compare_candidate(comparison, i);
    }
}

/* ---- all of it ---- */

static void forget(struct site_difference *difference)
{
    memset(difference->counts, 0, sizeof difference->counts);
    difference->path_bytes = 0;
    difference->is_partial = true;
}

static void put_out_of_use(const struct site_stack *stack, const void *address)
{
    for (size_t i = 0; stack != NULL && i < stack->count; i++) {
        if (site_has_address(stack->sites[i], address)) {
            site_set_damaged(stack->sites[i], "cut short, or not readable any more");
        }
    }
}

static bool is_damaged(struct site_view view)
{
    return view.stack != NULL && site_stack_is_damaged(view.stack);
}

void site_difference_find(struct site_difference *difference, const struct site_region *region,
                          struct site_view before, struct site_view after)
{
    if (is_damaged(before) || is_damaged(after)) {
        forget(difference);
        return;
    }
    struct comparison *comparison = mem_zeroed(1, sizeof *comparison);
    comparison->difference = difference;
    comparison->region = region;
    comparison->views[BEFORE] = with_base(before);
    comparison->views[AFTER] = with_base(after);
    size_t most = (before.stack == NULL ? 0 : before.stack->count) +
                  (after.stack == NULL ? 0 : after.stack->count);
    comparison->candidates = mem_zeroed(most, sizeof *comparison->candidates);
    add_candidates(comparison, AFTER);
    add_candidates(comparison, BEFORE);
    const void *address;
    if (!fault_guard_run(compare, comparison, &address)) {
        put_out_of_use(before.stack, address);
        put_out_of_use(after.stack, address);
        forget(difference);
    }
    free(comparison->candidates);
    free(comparison);
}
