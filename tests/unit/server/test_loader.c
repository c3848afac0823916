/* Loading releases into a running list: what is published, and that a failure changes nothing. */
#include "server/loader.h"

#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RETAIN = 3 };

static void add(const char *archive_path, const char *text)
{
    scratch_file("site/a", text);
    sample_pack(archive_path);
}

static void add_overlay(const char *archive_path, const char *text)
{
    scratch_file("site/a", text);
    sample_pack_overlay(archive_path);
}

static void enter_scratch(void)
{
    scratch_enter();
    unsetenv("SOURCE_DATE_EPOCH");
}

TestSuite(loader, .init = enter_scratch, .fini = scratch_leave);

struct fixture {
    struct publication publication;
    struct undertaker undertaker;
    struct loader loader;
};

static void fixture_init(struct fixture *fixture)
{
    publication_init(&fixture->publication);
    cr_assert(undertaker_init(&fixture->undertaker, NULL) == 0);
    fixture->loader = (struct loader){.publication = &fixture->publication,
                                      .undertaker = &fixture->undertaker,
                                      .retention = {RETAIN, 0}};
}

static void fixture_fini(struct fixture *fixture)
{
    publication_fini(&fixture->publication);
    undertaker_fini(&fixture->undertaker);
}

static struct load_result load(struct fixture *fixture, const char *path)
{
    struct load_result result = {0};
    struct error error = {""};
    int status =
        loader_load(&fixture->loader, &(struct load_request){.path = path}, &result, &error);
    cr_assert(status == 0, "%s", error.text);
    return result;
}

/* "321" for releases 3, 2, 1 from the top. */
static const char *releases(const struct fixture *fixture)
{
    static char text[16];
    const struct site_list *list = loader_sites(&fixture->loader);
    for (size_t i = 0; i < list->count; i++) {
        text[i] = (char)('0' + list->sites[i]->index->release);
    }
    text[list->count] = '\0';
    return text;
}

Test(loader, newest_on_top)
{
    struct fixture fixture;
    fixture_init(&fixture);
    static const char *const texts[] = {"one", "two", "three", "four"};
    static const char *const lists[] = {"1", "21", "321", "432"};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        add("site.cairn", texts[i]);
        struct load_result result = load(&fixture, "site.idx");
        cr_expect(result.id == i + 1 && result.release == i + 1 && result.paths == 1);
        cr_expect(result.layers == strlen(lists[i]) && !result.was_on_top && result.ms >= 0);
        cr_expect(strcmp(releases(&fixture), lists[i]) == 0, "%s", releases(&fixture));
    }
    fixture_fini(&fixture);
}

Test(loader, what_is_on_top_is_not_loaded_again)
{
    struct fixture fixture;
    fixture_init(&fixture);
    add("site.cairn", "one");
    load(&fixture, "site.idx");
    const struct site_list *before = loader_sites(&fixture.loader);
    static const char *const names[] = {"site.idx", "site.000001.idx", "./site/../site.idx"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        struct load_result result = load(&fixture, names[i]);
        cr_expect(result.was_on_top && result.id == 1 && result.layers == 1, "%s", names[i]);
        cr_expect(loader_sites(&fixture.loader) == before, "%s", names[i]);
    }
    fixture_fini(&fixture);
}

Test(loader, older_release_is_a_rollback)
{
    struct fixture fixture;
    fixture_init(&fixture);
    add("site.cairn", "one");
    add("site.cairn", "two");
    load(&fixture, "site.000001.idx");
    load(&fixture, "site.000002.idx");
    struct load_result result = load(&fixture, "site.000001.idx");
    cr_expect(result.release == 1 && result.layers == 2 && result.id == 3);
    cr_expect(strcmp(releases(&fixture), "12") == 0, "%s", releases(&fixture));
    fixture_fini(&fixture);
}

Test(loader, releases_of_one_archive_share_its_mapping)
{
    struct fixture fixture;
    fixture_init(&fixture);
    add("site.cairn", "one");
    load(&fixture, "site.idx");
    add("site.cairn", "two");
    load(&fixture, "site.idx");
    add("other.cairn", "three");
    load(&fixture, "other.idx");
    const struct site_list *list = loader_sites(&fixture.loader);
    cr_assert(list->count == 3);
    cr_expect(list->sites[1]->archive == list->sites[2]->archive);
    cr_expect(list->sites[0]->archive != list->sites[1]->archive);
    for (size_t i = 0; i < 3; i++) {
        static const char *const texts[] = {"three", "two", "one"};
        const struct index_representation *form = &list->sites[i]->index->entries[0].first;
        const uint8_t *body = site_body(list->sites[i], form);
        cr_expect(body != NULL && memcmp(body, texts[i], form->stored_bytes) == 0, "%s", texts[i]);
    }
    cr_expect(list->sites[0]->index_path[0] == '/');
    fixture_fini(&fixture);
}

Test(loader, an_overlay_and_what_it_is_laid_over_are_opened_once)
{
    struct fixture fixture;
    fixture_init(&fixture);
    add("site.cairn", "one");
    add_overlay("site.cairn", "two");
    add_overlay("site.cairn", "three");
    struct load_result result = load(&fixture, "site.idx");
    cr_expect(result.id == 3 && result.release == 3 && result.layers == 3);
    cr_expect_str_eq(releases(&fixture), "321");
    const struct site_list *list = loader_sites(&fixture.loader);
    for (size_t i = 0; i < list->count; i++) {
        cr_expect(list->sites[i]->id == 3 - i);
        cr_expect(list->sites[i]->archive == list->sites[0]->archive, "one mapping");
    }
    cr_expect(atomic_load(&list->sites[0]->archive->references) == 3);
    cr_expect(atomic_load(&fixture.undertaker.dead) == NULL, "none was opened for nothing");
    fixture_fini(&fixture);
}

static void make_bad_indexes(void)
{
    add("site.cairn", "one");
    add("other.cairn", "two");
    add("lonely.cairn", "three");
    add("short.cairn", "four");
    cr_assert(unlink("lonely.cairn") == 0 && truncate("short.cairn", 128) == 0);
    cr_assert(rename("other.000001.idx", "site.000009.idx") == 0); /* beside the wrong archive */
    scratch_link("missing", "dangling.idx");
    cr_assert(mkfifo("fifo.idx", 0644) == 0);
    scratch_file("text.idx",
                 "this is no index, and long enough to have a header of a hundred and "
                 "twenty-eight bytes, which it does not have either, whatever is in it");
    scratch_file("empty.idx", "");
}

Test(loader, failure_changes_nothing)
{
    static const struct {
        const char *path;
        int status;
        const char *says;
    } rows[] = {
        {"missing.idx", -ENOENT, "missing.idx: No such file"},
        {"dangling.idx", -ENOENT, "dangling.idx: No such file"},
        {"site", ERR_FORMAT, "directory"},
        {"fifo.idx", ERR_FORMAT, "not a regular file"},
        {"empty.idx", ERR_FORMAT, "the file is empty"},
        {"text.idx", ERR_FORMAT, "not a Cairn index"},
        {"site.cairn", ERR_FORMAT, "this is an archive"},
        {"site.000009.idx", ERR_BINDING, "not the archive that this index was made for"},
        {"lonely.idx", -ENOENT, "lonely.cairn: No such file"},
        {"short.idx", ERR_BINDING, "bytes long, but this index needs"},
    };
    struct fixture fixture;
    fixture_init(&fixture);
    make_bad_indexes();
    load(&fixture, "site.idx");
    const struct site_list *before = loader_sites(&fixture.loader);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct load_result result = {.id = 77};
        struct error error = {""};
        int status = loader_load(&fixture.loader, &(struct load_request){.path = rows[i].path},
                                 &result, &error);
        cr_expect(status == rows[i].status, "%s: %d, %s", rows[i].path, status, error.text);
        cr_expect(strstr(error.text, rows[i].says) != NULL, "%s", error.text);
        cr_expect(result.id == 77 && loader_sites(&fixture.loader) == before, "%s", rows[i].path);
        cr_expect(fixture.loader.last_id == 1, "%s", rows[i].path);
    }
    cr_expect(atomic_load(&before->sites[0]->archive->references) == 1, "a failure let go of it");
    fixture_fini(&fixture);
}

/* ---- what is counted ---- */

static size_t outcome(const struct fixture *fixture, enum load_outcome outcome)
{
    return (size_t)atomic_load(&fixture->loader.counts.outcomes[outcome]);
}

Test(loader, counts_what_became_of_loads)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_bad_indexes();
    load(&fixture, "site.idx");
    load(&fixture, "site.idx");
    int64_t last_s = atomic_load(&fixture.loader.counts.last_s);
    cr_expect(last_s > 0 && !atomic_load(&fixture.loader.counts.is_last_refused));
    static const struct {
        struct load_request request;
        enum load_outcome outcome;
    } rows[] = {
        {{.path = "missing.idx"}, LOAD_NOT_FOUND},
        {{.path = "site.idx/site.idx"}, LOAD_NOT_FOUND},
        {{.path = "text.idx"}, LOAD_DAMAGED},
        {{.path = "site.000009.idx"}, LOAD_DAMAGED},
        {{.path = "site.idx", .hosts = "a..b"}, LOAD_MISTAKEN},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct load_result result;
        size_t before = outcome(&fixture, rows[i].outcome);
        cr_expect(loader_load(&fixture.loader, &rows[i].request, &result, NULL) != 0, "row %zu", i);
        cr_expect(outcome(&fixture, rows[i].outcome) == before + 1, "row %zu", i);
    }
    cr_expect(outcome(&fixture, LOAD_LIVE) == 1 && outcome(&fixture, LOAD_UNCHANGED) == 1);
    cr_expect(outcome(&fixture, LOAD_FAILED) == 0 && outcome(&fixture, LOAD_DENIED) == 0);
    cr_expect(atomic_load(&fixture.loader.counts.is_last_refused));
    cr_expect(atomic_load(&fixture.loader.counts.last_s) >= last_s);
    cr_expect(atomic_load(&fixture.loader.counts.rollbacks) == 0);
    fixture_fini(&fixture);
}

/* A worker that takes up every list, as all do, and notes which release is on top. */
struct watcher {
    struct publication *publication;
    struct subscriber subscriber;
    atomic_bool is_over;
    char seen[16];
};

static void *watch(void *argument)
{
    struct watcher *watcher = argument;
    const struct site_list *list = NULL;
    size_t count = 0;
    while (!atomic_load(&watcher->is_over)) {
        const struct site_list *next =
            publication_refresh(watcher->publication, &watcher->subscriber, list);
        if (next != list && next->count > 0 && count + 1 < sizeof watcher->seen) {
            watcher->seen[count++] =
                (char)('0' + next->hosts[0].stacks[0].sites[0]->index->release);
        }
        list = next;
        struct pollfd woken = {.fd = watcher->subscriber.wake_fd, .events = POLLIN};
        uint64_t ignored;
        if (poll(&woken, 1, -1) > 0) {
            (void)!read(woken.fd, &ignored, sizeof ignored);
        }
    }
    publication_leave(watcher->publication, &watcher->subscriber);
    return NULL;
}

Test(loader, several_become_live_at_the_same_moment)
{
    struct fixture fixture;
    fixture_init(&fixture);
    struct watcher watcher = {.publication = &fixture.publication};
    pthread_t thread;
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    publication_subscribe(&fixture.publication, &watcher.subscriber, wake_fd);
    cr_assert(pthread_create(&thread, NULL, watch, &watcher) == 0);
    add("site.cairn", "one");
    add("site.cairn", "two");
    int64_t changed_ms = 0;
    for (int i = 0; i < 3; i++) { /* the first comes on top of the second, and below it again */
        struct load loads[] = {{.request = {.path = "site.000001.idx"}},
                               {.request = {.path = "site.000002.idx"}}};
        cr_assert(loader_load_all(&fixture.loader, loads, ARRAY_COUNT(loads)) == 0);
        cr_expect(loads[0].status == 0 && loads[0].result.release == 1);
        cr_expect(loads[1].status == 0 && loads[1].result.layers == 2);
        cr_expect_str_eq(releases(&fixture), "21");
        const struct site_list *list = loader_sites(&fixture.loader);
        cr_expect(i == 0 || list->hosts[0].changed_ms == changed_ms, "what is served is the same");
        changed_ms = list->hosts[0].changed_ms;
    }
    atomic_store(&watcher.is_over, true);
    cr_assert(eventfd_write(wake_fd, 1) == 0);
    pthread_join(thread, NULL);
    cr_expect_str_eq(watcher.seen, "222");
    fixture_fini(&fixture);
    close(wake_fd);
}

Test(loader, one_that_is_refused_keeps_all_as_they_are)
{
    struct fixture fixture;
    fixture_init(&fixture);
    add("site.cairn", "one");
    add("site.cairn", "two");
    load(&fixture, "site.000001.idx");
    const struct site_list *before = loader_sites(&fixture.loader);
    struct load loads[] = {{.request = {.path = "site.000002.idx"}},
                           {.request = {.path = "missing.idx"}},
                           {.request = {.path = "site.000001.idx", .hosts = "a.example"}}};
    cr_expect(loader_load_all(&fixture.loader, loads, ARRAY_COUNT(loads)) == -ENOENT);
    cr_expect(loads[0].status == -ECANCELED && loads[2].status == -ECANCELED);
    cr_expect_str_eq(loads[0].error.text,
                     "site.000002.idx: not made live, because another one was refused");
    cr_expect(loads[1].status == -ENOENT);
    cr_expect(loader_sites(&fixture.loader) == before);
    cr_expect(outcome(&fixture, LOAD_LIVE) == 1 && outcome(&fixture, LOAD_NOT_FOUND) == 1);
    cr_expect(load(&fixture, "site.000002.idx").id == 2);
    fixture_fini(&fixture);
}
