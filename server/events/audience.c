#include "events/audience.h"

#include "common/hash.h"
#include "common/mem.h"

#include <assert.h>
#include <stdlib.h>

static struct audience **bucket_of(const struct audiences *audiences, uint64_t hash)
{
    return &audiences->buckets[(size_t)hash & (audiences->capacity - 1)];
}

static void put(struct audiences *audiences, struct audience *audience)
{
    struct audience **bucket = bucket_of(audiences, audience->hash);
    audience->next = *bucket;
    *bucket = audience;
}

static void grow(struct audiences *audiences)
{
    enum { CAPACITY_LEAST = 16 };
    free(audiences->buckets);
    audiences->capacity = audiences->capacity == 0 ? CAPACITY_LEAST : 2 * audiences->capacity;
    audiences->buckets = mem_zeroed(audiences->capacity, sizeof(struct audience *));
    for (struct audience *at = audiences->newest; at != NULL; at = at->older) {
        put(audiences, at);
    }
}

static struct audience *find(const struct audiences *audiences, struct slice host, uint64_t hash)
{
    struct audience *found = audiences->capacity == 0 ? NULL : *bucket_of(audiences, hash);
    while (found != NULL && !slice_equal(found->host, host)) {
        found = found->next;
    }
    return found;
}

struct audience *audiences_join(struct audiences *audiences, struct slice host)
{
    uint64_t hash = hash64(host.bytes, host.count, audiences->seed);
    struct audience *audience = find(audiences, host, hash);
    if (audience != NULL) {
        return audience;
    }
    if (audiences->count == audiences->capacity) {
        grow(audiences);
    }
    audience = mem_zeroed(1, sizeof *audience + host.count);
    audience->hash = hash;
    audience->host = (struct slice){audience->bytes, host.count};
    if (host.count > 0) {
        memcpy(audience->bytes, host.bytes, host.count);
    }
    audience->older = audiences->newest;
    if (audiences->newest != NULL) {
        audiences->newest->newer = audience;
    }
    audiences->newest = audience;
    audiences->count++;
    put(audiences, audience);
    return audience;
}

void audiences_forget(struct audiences *audiences, struct audience *audience)
{
    assert(audience->newest == NULL);
    struct audience **at = bucket_of(audiences, audience->hash);
    while (*at != audience) {
        at = &(*at)->next;
    }
    *at = audience->next;
    *(audience->newer != NULL ? &audience->newer->older : &audiences->newest) = audience->older;
    if (audience->older != NULL) {
        audience->older->newer = audience->newer;
    }
    audiences->count--;
    free(audience);
}

void audiences_fini(struct audiences *audiences)
{
    assert(audiences->count == 0);
    free(audiences->buckets);
    *audiences = (struct audiences){0};
}
