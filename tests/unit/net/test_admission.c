/* How many connections there may be: the limits, who is one client, thousands of clients against a
 * simple model, and several threads at once. */
#include "net/admission.h"

#include "common/hash.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static struct admission *admission_of(uint64_t connections, uint64_t address_connections)
{
    struct limits limits;
    limits_init(&limits);
    limits.connections = connections;
    limits.address_connections = address_connections;
    return admission_new(&limits, 1);
}

static struct ip_address address_of(const char *text)
{
    struct ip_address address = {0};
    cr_assert(strcmp(text, "unix") == 0 || ip_address_parse(slice_of_string(text), &address), "%s",
              text);
    return address;
}

static enum admission_result enter(struct admission *admission, const char *text)
{
    struct ip_address address = address_of(text);
    return admission_enter(admission, &address);
}

static void leave(struct admission *admission, const char *text)
{
    struct ip_address address = address_of(text);
    admission_leave(admission, &address);
}

static bool move(struct admission *admission, const char *from, const char *to)
{
    struct ip_address old = address_of(from);
    struct ip_address new = address_of(to);
    return admission_move(admission, &old, &new);
}

/* How many more get in from there, which all leave again; `most` if there is no end to it. */
static size_t room(struct admission *admission, const char *text, size_t most,
                   enum admission_result *out_why)
{
    size_t count = 0;
    *out_why = ADMITTED;
    while (count < most && (*out_why = enter(admission, text)) == ADMITTED) {
        count++;
    }
    for (size_t i = 0; i < count; i++) {
        leave(admission, text);
    }
    return count;
}

static void expect_room(struct admission *admission, const char *text, size_t wanted,
                        enum admission_result wanted_why)
{
    enum admission_result why;
    size_t count = room(admission, text, 1000, &why);
    cr_expect(count == wanted && why == wanted_why, "%s: %zu more, then %d; not %zu, %d", text,
              count, (int)why, wanted, (int)wanted_why);
}

Test(admission, no_limits)
{
    struct admission *admission = admission_of(0, 0);
    expect_room(admission, "192.0.2.1", 1000, ADMITTED);
    expect_room(admission, "2001:db8::1", 1000, ADMITTED);
    expect_room(admission, "unix", 1000, ADMITTED);
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    cr_expect(move(admission, "192.0.2.1", "192.0.2.2"));
    leave(admission, "192.0.2.2");
    admission_free(admission);
    admission_free(NULL);
}

Test(admission, limit_in_all)
{
    struct admission *admission = admission_of(3, 0);
    for (int round = 0; round < 3; round++) { /* what is refused is not counted */
        expect_room(admission, "192.0.2.1", 3, ADMISSION_FULL);
    }
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    cr_expect(enter(admission, "2001:db8::1") == ADMITTED);
    expect_room(admission, "unix", 1, ADMISSION_FULL);
    cr_expect(enter(admission, "unix") == ADMITTED);
    expect_room(admission, "192.0.2.9", 0, ADMISSION_FULL);
    cr_expect(move(admission, "unix", "192.0.2.1"), "moving takes no more room");
    expect_room(admission, "unix", 0, ADMISSION_FULL);
    leave(admission, "2001:db8::1");
    expect_room(admission, "unix", 1, ADMISSION_FULL);
    leave(admission, "192.0.2.1");
    leave(admission, "192.0.2.1");
    expect_room(admission, "unix", 3, ADMISSION_FULL);
    admission_free(admission);
}

Test(admission, limit_of_an_address)
{
    struct admission *admission = admission_of(0, 2);
    for (int round = 0; round < 3; round++) {
        expect_room(admission, "192.0.2.1", 2, ADMISSION_ADDRESS_FULL);
    }
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    expect_room(admission, "192.0.2.1", 1, ADMISSION_ADDRESS_FULL);
    expect_room(admission, "192.0.2.2", 2, ADMISSION_ADDRESS_FULL);
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    expect_room(admission, "192.0.2.1", 0, ADMISSION_ADDRESS_FULL);
    expect_room(admission, "193.0.2.1", 2, ADMISSION_ADDRESS_FULL);
    expect_room(admission, "unix", 1000, ADMITTED);
    leave(admission, "192.0.2.1");
    expect_room(admission, "192.0.2.1", 1, ADMISSION_ADDRESS_FULL);
    leave(admission, "192.0.2.1");
    expect_room(admission, "192.0.2.1", 2, ADMISSION_ADDRESS_FULL);
    admission_free(admission);
}

/* The smaller limit decides, and a refusal by either leaves the other's count alone. */
Test(admission, both_limits)
{
    struct admission *admission = admission_of(3, 2);
    for (int round = 0; round < 3; round++) {
        expect_room(admission, "192.0.2.1", 2, ADMISSION_ADDRESS_FULL);
        expect_room(admission, "unix", 3, ADMISSION_FULL);
    }
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    expect_room(admission, "192.0.2.1", 0, ADMISSION_ADDRESS_FULL);
    expect_room(admission, "192.0.2.2", 1, ADMISSION_FULL);
    cr_expect(enter(admission, "192.0.2.2") == ADMITTED);
    for (int round = 0; round < 5; round++) {
        expect_room(admission, "192.0.2.2", 0, ADMISSION_FULL);
    }
    leave(admission, "192.0.2.1");
    expect_room(admission, "192.0.2.2", 1, ADMISSION_FULL); /* not fewer by those refused */
    leave(admission, "192.0.2.1");
    leave(admission, "192.0.2.2");
    expect_room(admission, "192.0.2.2", 2, ADMISSION_ADDRESS_FULL);
    admission_free(admission);
}

static const struct {
    const char *a, *b;
    bool is_one_client;
} pairs[] = {
    {"192.0.2.1", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.2", false},
    {"192.0.2.1", "192.0.3.1", false},
    {"192.0.2.1", "::ffff:192.0.2.1", true},
    {"0.0.0.0", "255.255.255.255", false},
    /* IPv6 by its first 64 bits */
    {"2001:db8::1", "2001:db8::1", true},
    {"2001:db8::1", "2001:db8::2", true},
    {"2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", true},
    {"2001:db8::1", "2001:db8:0:0:8000::1", true},
    {"2001:db8::1", "2001:db8:0:1::1", false},
    {"2001:db8:0:1::", "2001:db8:0:0:ffff:ffff:ffff:ffff", false},
    {"2001:db8::1", "3001:db8::1", false},
    /* not IPv4, though the first 64 bits are the same */
    {"::1", "192.0.2.1", false},
    {"::1", "0.0.0.0", false},
    {"::1", "::fffe:192.0.2.1", true},
};

Test(admission, who_is_one_client)
{
    for (size_t i = 0; i < ARRAY_COUNT(pairs); i++) {
        struct admission *admission = admission_of(0, 1);
        cr_expect(enter(admission, pairs[i].a) == ADMITTED);
        enum admission_result result = enter(admission, pairs[i].b);
        cr_expect(result == (pairs[i].is_one_client ? ADMISSION_ADDRESS_FULL : ADMITTED),
                  "%s and %s: %d", pairs[i].a, pairs[i].b, (int)result);
        if (pairs[i].is_one_client) {
            leave(admission, pairs[i].b); /* the same one, by whatever address */
            expect_room(admission, pairs[i].a, 1, ADMISSION_ADDRESS_FULL);
        }
        admission_free(admission);
    }
}

Test(admission, moves_between_clients)
{
    struct admission *admission = admission_of(5, 2);
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    cr_expect(enter(admission, "192.0.2.1") == ADMITTED);
    cr_expect(move(admission, "192.0.2.1", "192.0.2.2"));
    expect_room(admission, "192.0.2.1", 1, ADMISSION_ADDRESS_FULL);
    expect_room(admission, "192.0.2.2", 1, ADMISSION_ADDRESS_FULL);
    cr_expect(move(admission, "192.0.2.1", "192.0.2.2"));
    expect_room(admission, "192.0.2.1", 2, ADMISSION_ADDRESS_FULL);
    expect_room(admission, "192.0.2.2", 0, ADMISSION_ADDRESS_FULL);
    /* to one that has as many as it may have: all stays as it was */
    cr_expect(enter(admission, "2001:db8::1") == ADMITTED);
    cr_expect(!move(admission, "2001:db8::1", "192.0.2.2"));
    expect_room(admission, "192.0.2.2", 0, ADMISSION_ADDRESS_FULL);
    expect_room(admission, "2001:db8::2", 1, ADMISSION_ADDRESS_FULL);
    /* from a Unix socket, and from an address to none */
    cr_expect(enter(admission, "unix") == ADMITTED);
    cr_expect(!move(admission, "unix", "192.0.2.2"));
    cr_expect(move(admission, "unix", "192.0.2.3"));
    expect_room(admission, "unix", 1, ADMISSION_FULL);
    leave(admission, "192.0.2.2");
    expect_room(admission, "192.0.2.3", 1, ADMISSION_ADDRESS_FULL);
    cr_expect(move(admission, "192.0.2.2", "unix"));
    leave(admission, "unix");
    expect_room(admission, "192.0.2.2", 2, ADMISSION_ADDRESS_FULL);
    leave(admission, "192.0.2.3");
    leave(admission, "2001:db8::1");
    expect_room(admission, "unix", 5, ADMISSION_FULL);
    admission_free(admission);
}

/* A balancer's own connection, or a client in the same 64 bits: no further one, so that it stays
 * admitted even if that client has as many as it may have. */
Test(admission, moves_to_the_same_client)
{
    static const char *const same[][2] = {{"192.0.2.1", "192.0.2.1"},
                                          {"2001:db8::1", "2001:db8::1"},
                                          {"2001:db8::1", "2001:db8::2"},
                                          {"unix", "unix"}};
    for (size_t i = 0; i < ARRAY_COUNT(same); i++) {
        struct admission *admission = admission_of(3, 1);
        cr_expect(enter(admission, same[i][0]) == ADMITTED);
        cr_expect(move(admission, same[i][0], same[i][1]), "row %zu", i);
        expect_room(admission, "192.0.2.77", 1, ADMISSION_ADDRESS_FULL);
        leave(admission, same[i][1]);
        cr_expect(enter(admission, same[i][1]) == ADMITTED, "row %zu", i);
        leave(admission, same[i][1]);
        admission_free(admission);
    }
}

/* ---- thousands of clients, against a model ---- */

enum { CLIENTS = 5000, CLIENT_LIMIT = 4, STEPS = 300000 };

static uint64_t random_state;

static size_t random_below(size_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % limit;
}

/* One of the addresses that client number `client` may have. */
static struct ip_address address_of_client(size_t client)
{
    struct ip_address address = {.bytes = {[10] = 0xff, [11] = 0xff, [12] = 10}};
    uint8_t number[3] = {(uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client};
    if (client % 2 == 0) {
        memcpy(address.bytes + 13, number, sizeof number);
        return address;
    }
    address.bytes[0] = 0x20;
    memcpy(address.bytes + 5, number, sizeof number);
    for (size_t i = 8; i < IP_ADDRESS_BYTES; i++) {
        address.bytes[i] = (uint8_t)random_below(256);
    }
    return address;
}

struct model {
    uint64_t most;
    uint64_t count;
    uint32_t counts[CLIENTS];
};

static void step_enter(struct admission *admission, struct model *model, size_t client)
{
    struct ip_address address = address_of_client(client);
    enum admission_result wanted = model->count >= model->most             ? ADMISSION_FULL
                                   : model->counts[client] >= CLIENT_LIMIT ? ADMISSION_ADDRESS_FULL
                                                                           : ADMITTED;
    enum admission_result result = admission_enter(admission, &address);
    cr_assert(result == wanted, "client %zu: %d, not %d", client, (int)result, (int)wanted);
    model->count += result == ADMITTED;
    model->counts[client] += result == ADMITTED;
}

static void step_leave(struct admission *admission, struct model *model, size_t client)
{
    struct ip_address address = address_of_client(client);
    if (model->counts[client] > 0) {
        admission_leave(admission, &address);
        model->count--;
        model->counts[client]--;
    }
}

static void step_move(struct admission *admission, struct model *model, size_t from, size_t to)
{
    struct ip_address old = address_of_client(from);
    struct ip_address new = address_of_client(to);
    if (model->counts[from] == 0 || from == to) {
        return;
    }
    bool moved = admission_move(admission, &old, &new);
    cr_assert(moved == (model->counts[to] < CLIENT_LIMIT), "from %zu to %zu", from, to);
    model->counts[from] -= moved;
    model->counts[to] += moved;
}

/* Enters and leaves as many as `entering` of 100 tell; then everybody's count is looked at. */
static void run_phase(struct admission *admission, struct model *model, size_t entering,
                      size_t clients)
{
    for (size_t i = 0; i < STEPS; i++) {
        size_t client = random_below(clients);
        size_t kind = random_below(100);
        if (kind < 5) {
            step_move(admission, model, client, random_below(clients));
        } else if (kind < entering) {
            step_enter(admission, model, client);
        } else {
            step_leave(admission, model, client);
        }
    }
    for (size_t client = 0; client < CLIENTS; client++) {
        uint32_t before = model->counts[client];
        while (model->count < model->most && model->counts[client] < CLIENT_LIMIT) {
            step_enter(admission, model, client);
        }
        step_enter(admission, model, client); /* refused */
        while (model->counts[client] > before) {
            step_leave(admission, model, client);
        }
    }
}

Test(admission, thousands_of_clients)
{
    static const struct {
        size_t entering, clients;
    } phases[] = {{90, CLIENTS}, {50, CLIENTS}, {20, CLIENTS}, {60, 50},
                  {5, CLIENTS},  {52, CLIENTS}, {95, CLIENTS}, {5, CLIENTS}};
    struct model *model = calloc(1, sizeof *model);
    model->most = CLIENTS * 3;
    random_state = 1;
    struct admission *admission = admission_of(model->most, CLIENT_LIMIT);
    for (size_t i = 0; i < ARRAY_COUNT(phases); i++) {
        run_phase(admission, model, phases[i].entering, phases[i].clients);
    }
    for (size_t client = 0; client < CLIENTS; client++) {
        while (model->counts[client] > 0) {
            step_leave(admission, model, client);
        }
    }
    expect_room(admission, "192.0.2.1", CLIENT_LIMIT, ADMISSION_ADDRESS_FULL);
    admission_free(admission);
    free(model);
}

/* All at once in, and out again in another order: one each, so that every one of them would be
 * missed. */
Test(admission, everyone_in_and_out)
{
    enum { COUNT = 40000, STRIDE = 7919 };
    struct admission *admission = admission_of(0, 1);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            struct ip_address address = address_of_client(i);
            cr_assert(admission_enter(admission, &address) == ADMITTED, "%zu", i);
        }
        for (size_t i = 0; i < COUNT; i++) {
            struct ip_address address = address_of_client(i * STRIDE % COUNT);
            cr_assert(admission_enter(admission, &address) == ADMISSION_ADDRESS_FULL, "%zu", i);
            admission_leave(admission, &address);
        }
    }
    admission_free(admission);
}

/* ---- several threads ---- */

enum { THREADS = 8, SHARED_CLIENTS = 40, THREAD_STEPS = 60000, HELD_MAX = 30 };
enum { THREADS_LIMIT = 100, THREADS_CLIENT_LIMIT = 5 };

static struct crowd {
    struct admission *admission;
    atomic_uint count;
    atomic_uint counts[SHARED_CLIENTS]; /* of those that are in: at most as many as are counted */
    atomic_uint too_many;
    atomic_uint results[3];
    pthread_barrier_t have_entered;
} crowd;

static struct ip_address address_of_shared(size_t client)
{
    return (struct ip_address){.bytes = {0x20, 1, [7] = (uint8_t)client, [15] = 1}};
}

static void note_in(size_t client)
{
    unsigned in_all = atomic_fetch_add(&crowd.count, 1) + 1;
    unsigned of_client = atomic_fetch_add(&crowd.counts[client], 1) + 1;
    if (in_all > THREADS_LIMIT || of_client > THREADS_CLIENT_LIMIT) {
        atomic_fetch_add(&crowd.too_many, 1);
    }
}

static void note_out(size_t client)
{
    atomic_fetch_sub(&crowd.counts[client], 1);
    atomic_fetch_sub(&crowd.count, 1);
}

/* The connection of `from` becomes another client's, or does not. */
static size_t move_shared(size_t from, size_t to)
{
    struct ip_address old = address_of_shared(from);
    struct ip_address new = address_of_shared(to);
    note_out(from);
    bool moved = from != to && admission_move(crowd.admission, &old, &new);
    note_in(moved ? to : from);
    return moved ? to : from;
}

/* As many as it may hold: first of one client that is this thread's own, one more than that may
 * have, then of all. Nobody leaves before all threads have tried, so that there is no room for
 * some, however they run. Returns how many it got. */
static size_t fill(size_t number, size_t held[HELD_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < HELD_MAX; i++) {
        size_t client =
            i <= THREADS_CLIENT_LIMIT ? number : (number * HELD_MAX + i) % SHARED_CLIENTS;
        struct ip_address address = address_of_shared(client);
        enum admission_result result = admission_enter(crowd.admission, &address);
        atomic_fetch_add(&crowd.results[result], 1);
        if (result == ADMITTED) {
            note_in(client);
            held[count++] = client;
        }
    }
    pthread_barrier_wait(&crowd.have_entered);
    return count;
}

static void *run_thread(void *argument)
{
    const unsigned short *number = argument;
    unsigned short seed[3] = {1, 2, *number};
    size_t held[HELD_MAX];
    size_t count = fill(*number, held);
    for (size_t i = 0; i < THREAD_STEPS; i++) {
        size_t client = (size_t)nrand48(seed) % SHARED_CLIENTS;
        size_t at = count > 0 ? (size_t)nrand48(seed) % count : 0;
        long kind = nrand48(seed) % 10;
        if (kind < 5 && count < HELD_MAX) {
            struct ip_address address = address_of_shared(client);
            enum admission_result result = admission_enter(crowd.admission, &address);
            atomic_fetch_add(&crowd.results[result], 1);
            if (result == ADMITTED) {
                note_in(client);
                held[count++] = client;
            }
        } else if (kind == 5 && count > 0) {
            held[at] = move_shared(held[at], client);
        } else if (count > 0) {
            struct ip_address address = address_of_shared(held[at]);
            note_out(held[at]);
            admission_leave(crowd.admission, &address);
            held[at] = held[--count];
        }
    }
    while (count > 0) {
        struct ip_address address = address_of_shared(held[--count]);
        note_out(held[count]);
        admission_leave(crowd.admission, &address);
    }
    return NULL;
}

/* No thread sees more than there may be, and at the end nothing is left or missing. */
Test(admission, several_threads)
{
    pthread_t threads[THREADS];
    unsigned short numbers[THREADS];
    crowd.admission = admission_of(THREADS_LIMIT, THREADS_CLIENT_LIMIT);
    cr_assert(pthread_barrier_init(&crowd.have_entered, NULL, THREADS) == 0);
    for (unsigned short i = 0; i < THREADS; i++) {
        numbers[i] = i;
        cr_assert(pthread_create(&threads[i], NULL, run_thread, &numbers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&crowd.have_entered);
    cr_expect(crowd.too_many == 0, "%u times too many", crowd.too_many);
    for (size_t i = 0; i < ARRAY_COUNT(crowd.results); i++) {
        cr_expect(crowd.results[i] > 0, "result %zu never came", i);
    }
    cr_expect(crowd.count == 0);
    for (size_t client = 0; client < SHARED_CLIENTS; client++) {
        struct ip_address address = address_of_shared(client);
        char text[IP_ADDRESS_TEXT_BYTES];
        ip_address_format(&address, text);
        expect_room(crowd.admission, text, THREADS_CLIENT_LIMIT, ADMISSION_ADDRESS_FULL);
    }
    expect_room(crowd.admission, "unix", THREADS_LIMIT, ADMISSION_FULL);
    admission_free(crowd.admission);
}

/* ---- addresses that are chosen ---- */

enum { CHOSEN = 3000, CHOSEN_CAPACITY = 8192, CHOSEN_HOMES = 512 };

static uint64_t hash_by_64(const struct ip_address *address)
{
    return hash64(address->bytes, sizeof address->bytes, 0);
}

static uint64_t hash_by_128(const struct ip_address *address)
{
    struct hash128 hash = hash128(address->bytes, sizeof address->bytes);
    uint64_t value;
    memcpy(&value, hash.bytes, sizeof value);
    return value;
}

/* The next address after `number` whose hash leads to the first places of a table. */
static struct ip_address next_chosen(uint64_t (*hash)(const struct ip_address *), uint32_t *number)
{
    struct ip_address address = {{0x20, 0x01, 0x0d, 0xb8}};
    do {
        ++*number;
        memcpy(address.bytes + 4, number, sizeof *number);
    } while (hash(&address) % CHOSEN_CAPACITY >= CHOSEN_HOMES);
    return address;
}

/* Whoever knows the function but not its seed cannot make one search long. */
Test(admission, chosen_addresses_do_not_meet)
{
    static uint64_t (*const hashes[])(const struct ip_address *) = {hash_by_64, hash_by_128};
    for (size_t i = 0; i < ARRAY_COUNT(hashes); i++) {
        struct admission *admission = admission_of(0, 10);
        uint32_t number = 0;
        for (int count = 0; count < CHOSEN; count++) {
            struct ip_address address = next_chosen(hashes[i], &number);
            cr_assert(admission_enter(admission, &address) == ADMITTED);
        }
        size_t longest = admission_longest_search(admission);
        cr_expect(longest > 0 && longest < 200, "hash %zu: %zu", i, longest);
        number = 0;
        for (int count = 0; count < CHOSEN; count++) {
            struct ip_address address = next_chosen(hashes[i], &number);
            admission_leave(admission, &address);
        }
        cr_expect(admission_longest_search(admission) == 0);
        admission_free(admission);
    }
}
