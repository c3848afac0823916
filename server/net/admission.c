#include "net/admission.h"

#include "common/hash.h"
#include "common/mem.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Open addressing with linear probing; an entry is there as long as its count is not 0. Clients
 * choose their addresses, most of all behind a proxy or with a large IPv6 network: the hash has a
 * seed that nobody knows, so that they cannot choose those that meet at one place. */
struct address_count {
    struct ip_address address;
    uint32_t count;
};

struct admission {
    uint64_t most;
    uint64_t most_per_address;
    atomic_uint_fast64_t count;
    pthread_mutex_t mutex; /* of what follows: taken once when a connection opens, once at its end,
                              and only if there is a limit per address */
    struct address_count *table;
    uint64_t seed;
    size_t capacity; /* a power of two */
    size_t used;
};

struct admission *admission_new(const struct limits *limits, uint64_t seed)
{
    struct admission *admission = mem_aligned(64, sizeof *admission); /* a line of its own */
    admission->seed = seed;
    admission->most = limits->connections;
    admission->most_per_address = limits->address_connections;
    pthread_mutex_init(&admission->mutex, NULL);
    return admission;
}

void admission_free(struct admission *admission)
{
    if (admission != NULL) {
        pthread_mutex_destroy(&admission->mutex);
        free(admission->table);
        free(admission);
    }
}

/* The part of an address that stands for one client. */
static struct ip_address client_of(const struct ip_address *address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct ip_address client = *address;
    if (memcmp(client.bytes, mapped, sizeof mapped) != 0) {
        memset(client.bytes + 8, 0, 8);
    }
    return client;
}

static size_t home_of(const struct admission *admission, const struct ip_address *client)
{
    uint64_t hash = hash64(client->bytes, sizeof client->bytes, admission->seed);
    return (size_t)hash & (admission->capacity - 1);
}

/* The client's entry, or the free one where it would go. */
static struct address_count *find(const struct admission *admission,
                                  const struct ip_address *client)
{
    size_t i = home_of(admission, client);
    while (admission->table[i].count > 0 &&
           memcmp(&admission->table[i].address, client, sizeof *client) != 0) {
        i = (i + 1) & (admission->capacity - 1);
    }
    return &admission->table[i];
}

static void grow(struct admission *admission)
{
    struct address_count *old = admission->table;
    size_t old_capacity = admission->capacity;
    admission->capacity = old_capacity == 0 ? 64 : 2 * old_capacity;
    admission->table = mem_zeroed(admission->capacity, sizeof *admission->table);
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].count > 0) {
            *find(admission, &old[i].address) = old[i];
        }
    }
    free(old);
}

/* Frees an entry, and moves those behind it that would not be found any more (Knuth, The Art of
 * Computer Programming 3, §6.4, algorithm R). */
static void empty(struct admission *admission, struct address_count *entry)
{
    size_t mask = admission->capacity - 1;
    size_t hole = (size_t)(entry - admission->table);
    entry->count = 0;
    admission->used--;
    for (size_t i = (hole + 1) & mask; admission->table[i].count > 0; i = (i + 1) & mask) {
        size_t home = home_of(admission, &admission->table[i].address);
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            admission->table[hole] = admission->table[i];
            admission->table[i].count = 0;
            hole = i;
        }
    }
}

static bool is_counted(const struct admission *admission, const struct ip_address *address)
{
    static const struct ip_address none;
    return admission->most_per_address > 0 && memcmp(address, &none, sizeof none) != 0;
}

static bool enter_address(struct admission *admission, const struct ip_address *address)
{
    struct ip_address client = client_of(address);
    pthread_mutex_lock(&admission->mutex);
    if (2 * (admission->used + 1) > admission->capacity) {
        grow(admission);
    }
    struct address_count *entry = find(admission, &client);
    bool has_room = entry->count < admission->most_per_address;
    if (has_room) {
        admission->used += entry->count == 0;
        entry->address = client;
        entry->count++;
    }
    pthread_mutex_unlock(&admission->mutex);
    return has_room;
}

enum admission_result admission_enter(struct admission *admission, const struct ip_address *address)
{
    uint64_t before = atomic_fetch_add_explicit(&admission->count, 1, memory_order_relaxed);
    if (admission->most > 0 && before >= admission->most) {
        atomic_fetch_sub_explicit(&admission->count, 1, memory_order_relaxed);
        return ADMISSION_FULL;
    }
    if (is_counted(admission, address) && !enter_address(admission, address)) {
        atomic_fetch_sub_explicit(&admission->count, 1, memory_order_relaxed);
        return ADMISSION_ADDRESS_FULL;
    }
    return ADMITTED;
}

static void leave_address(struct admission *admission, const struct ip_address *address)
{
    struct ip_address client = client_of(address);
    pthread_mutex_lock(&admission->mutex);
    struct address_count *entry = find(admission, &client);
    assert(entry->count > 0);
    if (entry->count == 1) {
        empty(admission, entry);
    } else {
        entry->count--;
    }
    pthread_mutex_unlock(&admission->mutex);
}

bool admission_move(struct admission *admission, const struct ip_address *from,
                    const struct ip_address *to)
{
    struct ip_address before = client_of(from);
    struct ip_address after = client_of(to);
    if (memcmp(&before, &after, sizeof before) == 0) {
        return true;
    }
    if (is_counted(admission, to) && !enter_address(admission, to)) {
        return false;
    }
    if (is_counted(admission, from)) {
        leave_address(admission, from);
    }
    return true;
}

void admission_leave(struct admission *admission, const struct ip_address *address)
{
    atomic_fetch_sub_explicit(&admission->count, 1, memory_order_relaxed);
    if (is_counted(admission, address)) {
        leave_address(admission, address);
    }
}

size_t admission_longest_search(struct admission *admission)
{
    size_t longest = 0;
    pthread_mutex_lock(&admission->mutex);
    for (size_t i = 0; i < admission->capacity; i++) {
        if (admission->table[i].count > 0) {
            size_t home = home_of(admission, &admission->table[i].address);
            size_t looks = ((i - home) & (admission->capacity - 1)) + 1;
            longest = looks > longest ? looks : longest;
        }
    }
    pthread_mutex_unlock(&admission->mutex);
    return longest;
}
