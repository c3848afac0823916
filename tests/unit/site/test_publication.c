/* Lists on their way to the workers: nobody is left behind, nothing is freed too early or twice. */
#include "site/publication.h"

#include "common/mem.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SUBSCRIBERS = 3, LISTS = 3000, RETAIN = 3 };

/* What all sites share: the archive's count tells how many of them are not yet buried. */
struct store {
    struct undertaker undertaker;
    struct archive archive;
};

static void store_init(struct store *store)
{
    *store = (struct store){.archive = {.fd = -1}};
    atomic_init(&store->archive.references, 1);
    cr_assert(undertaker_init(&store->undertaker, NULL) == 0);
}

/* An empty release. Its index is of its own, so that a use after its end is a fault. */
static struct site *make_site(struct store *store, uint64_t release)
{
    struct index_properties properties = {.release = release, .committed_bytes = 256};
    struct index *index = sample_index(index_writer_new(), &properties);
    return site_new(&store->undertaker, index, archive_ref(&store->archive),
                    mem_string("site.idx", 8), mount_everywhere(), release, 0);
}

static unsigned sites_alive(struct store *store)
{
    return atomic_load(&store->archive.references) - 1;
}

static void publish(struct publication *publication, struct store *store, uint64_t release)
{
    struct site_list *old = atomic_load(&publication->current);
    static const struct site_retention retention = {RETAIN, 0};
    const struct site_change change = {.added = make_site(store, release)};
    publication_publish(publication, site_list_next(old, &change, &retention, 0));
}

Test(publication, starts_empty_and_publishes_without_subscribers)
{
    struct store store;
    struct publication publication;
    store_init(&store);
    publication_init(&publication);
    cr_expect(atomic_load(&publication.current)->generation == 1);
    for (uint64_t release = 1; release <= 10; release++) {
        publish(&publication, &store, release);
        undertaker_bury(&store.undertaker);
        unsigned wanted = release < RETAIN ? (unsigned)release : RETAIN;
        cr_expect(sites_alive(&store) == wanted, "%u alive", sites_alive(&store));
    }
    cr_expect(atomic_load(&publication.current)->generation == 11);
    publication_fini(&publication);
    undertaker_fini(&store.undertaker);
    cr_expect(sites_alive(&store) == 0);
}

Test(publication, does_not_wait_for_those_who_left)
{
    struct store store;
    struct publication publication;
    struct subscriber subscriber = {.wake_fd = -1};
    int wake_fd = eventfd(0, EFD_NONBLOCK);
    store_init(&store);
    publication_init(&publication);
    publication_subscribe(&publication, &subscriber, wake_fd);
    const struct site_list *list = publication_refresh(&publication, &subscriber, NULL);
    cr_expect(list->generation == 1 && atomic_load(&subscriber.generation) == 1);
    cr_expect(publication_refresh(&publication, &subscriber, list) == list);
    publication_leave(&publication, &subscriber);
    publish(&publication, &store, 1);
    uint64_t wakes = 0;
    cr_expect(read(wake_fd, &wakes, sizeof wakes) == sizeof wakes && wakes == 1);
    publication_fini(&publication);
    undertaker_fini(&store.undertaker);
    cr_expect(sites_alive(&store) == 0);
    close(wake_fd);
}

/* ---- threads ---- */

struct worker {
    struct publication *publication;
    struct subscriber subscriber;
    int wake_fd;
    pthread_t thread;
    uint64_t lists_seen;
    uint64_t wrong; /* looked at after the thread has ended */
};

/* Reads all of a list, as look-ups do. */
static uint64_t count_wrong(const struct site_list *list)
{
    uint64_t wrong = 0;
    for (size_t i = 0; i < list->count; i++) {
        uint64_t release = list->generation - 1 - i;
        wrong += list->sites[i]->index->release != release;
        wrong += list->sites[i]->id != release;
        wrong += list->sites[i]->index->map[0] != 0x89;
    }
    return wrong;
}

/* A loop turn per wake-up, with a "slow download" of a site that outlives some turns. */
static void *work(void *argument)
{
    struct worker *worker = argument;
    const struct site_list *list = NULL;
    struct site *held = NULL;
    uint64_t generation = 0;
    while (generation < LISTS + 1) {
        const struct site_list *next =
            publication_refresh(worker->publication, &worker->subscriber, list);
        if (next == list) {
            struct pollfd wake = {.fd = worker->wake_fd, .events = POLLIN};
            uint64_t ignored;
            poll(&wake, 1, -1);
            worker->wrong += read(worker->wake_fd, &ignored, sizeof ignored) != sizeof ignored;
            continue;
        }
        list = next;
        worker->wrong += list->generation <= generation;
        generation = list->generation;
        worker->lists_seen++;
        worker->wrong += count_wrong(list);
        if (held != NULL) {
            worker->wrong += held->index->map[0] != 0x89;
        }
        if (generation % 7 == 0 || generation == LISTS + 1) {
            site_unref(held);
            held = generation < LISTS + 1 && list->count > 0 ? site_ref(list->sites[0]) : NULL;
        }
    }
    publication_leave(worker->publication, &worker->subscriber);
    return NULL;
}

Test(publication, every_worker_uses_every_list, .timeout = 120)
{
    struct store store;
    struct publication publication;
    static struct worker workers[SUBSCRIBERS];
    store_init(&store);
    publication_init(&publication);
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        workers[i] = (struct worker){.publication = &publication, .wake_fd = eventfd(0, 0)};
        publication_subscribe(&publication, &workers[i].subscriber, workers[i].wake_fd);
    }
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        cr_assert(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    unsigned most_alive = 0;
    for (uint64_t release = 1; release <= LISTS; release++) {
        publish(&publication, &store, release);
        undertaker_bury(&store.undertaker);
        unsigned alive = sites_alive(&store);
        most_alive = alive > most_alive ? alive : most_alive;
    }
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        pthread_join(workers[i].thread, NULL);
        cr_expect(workers[i].wrong == 0, "worker %zu: %zu", i, (size_t)workers[i].wrong);
        cr_expect(workers[i].lists_seen >= LISTS, "worker %zu: %zu", i,
                  (size_t)workers[i].lists_seen);
        close(workers[i].wake_fd);
    }
    cr_expect(most_alive <= RETAIN + SUBSCRIBERS, "%u sites at a time", most_alive);
    publication_fini(&publication);
    undertaker_fini(&store.undertaker);
    cr_expect(sites_alive(&store) == 0, "%u sites left", sites_alive(&store));
}

/* ---- those who hold a list ---- */

struct holder {
    struct publication *publication;
    pthread_t thread;
    uint64_t wrong;
};

static void *look(void *argument)
{
    struct holder *holder = argument;
    uint64_t generation = 0;
    while (generation < LISTS + 1) {
        const struct site_list *list = publication_hold(holder->publication);
        holder->wrong += list->generation < generation;
        generation = list->generation;
        holder->wrong += count_wrong(list);
        publication_let_go(holder->publication);
    }
    return NULL;
}

Test(publication, who_holds_a_list_finds_it_whole, .timeout = 120)
{
    struct store store;
    struct publication publication;
    struct holder holders[2];
    store_init(&store);
    publication_init(&publication);
    for (size_t i = 0; i < ARRAY_COUNT(holders); i++) {
        holders[i] = (struct holder){.publication = &publication};
        cr_assert(pthread_create(&holders[i].thread, NULL, look, &holders[i]) == 0);
    }
    for (uint64_t release = 1; release <= LISTS; release++) {
        publish(&publication, &store, release);
        undertaker_bury(&store.undertaker);
    }
    for (size_t i = 0; i < ARRAY_COUNT(holders); i++) {
        pthread_join(holders[i].thread, NULL);
        cr_expect(holders[i].wrong == 0, "holder %zu: %zu", i, (size_t)holders[i].wrong);
    }
    publication_fini(&publication);
    undertaker_fini(&store.undertaker);
    cr_expect(sites_alive(&store) == 0, "%u sites left", sites_alive(&store));
}

/* ---- the undertaker alone ---- */

enum { BURIALS = 2000 };

struct dropper {
    struct site **sites;
    pthread_t thread;
};

static void *drop(void *argument)
{
    const struct dropper *dropper = argument;
    for (size_t i = 0; i < BURIALS; i++) {
        site_unref(dropper->sites[i]);
    }
    return NULL;
}

/* Sites of which each thread holds a reference: whoever is last hands it over, once. */
Test(publication, last_reference_of_any_thread_buries_once, .timeout = 120)
{
    struct store store;
    store_init(&store);
    struct site **sites = mem_zeroed(BURIALS, sizeof(struct site *));
    for (size_t i = 0; i < BURIALS; i++) {
        sites[i] = make_site(&store, i);
        for (size_t j = 1; j < SUBSCRIBERS; j++) {
            site_ref(sites[i]);
        }
    }
    struct dropper droppers[SUBSCRIBERS];
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        droppers[i].sites = sites;
        cr_assert(pthread_create(&droppers[i].thread, NULL, drop, &droppers[i]) == 0);
    }
    while (sites_alive(&store) > 0) { /* as the control thread does: sleep until told */
        struct pollfd wake = {.fd = store.undertaker.wake_fd, .events = POLLIN};
        cr_assert(poll(&wake, 1, 60000) == 1, "%u sites left", sites_alive(&store));
        undertaker_bury(&store.undertaker);
    }
    for (size_t i = 0; i < SUBSCRIBERS; i++) {
        pthread_join(droppers[i].thread, NULL);
    }
    free(sites);
    undertaker_fini(&store.undertaker);
}
