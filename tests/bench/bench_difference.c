/* What it takes to find what a release changed for browsers, in ms of a processor: the least of
 * some rounds, on one core, on indexes that are in memory. cmake --build --preset release --target
 * bench_difference build/release/bin/bench_difference [PATHS]
 *
 * a save       an overlay with one other file, over everything
 * one file     a whole site, of which one file is another
 * one path     a whole site with one path more: all others stand at other places of the index
 * elsewhere    as "one file", from another archive: all digests are compared
 * everything   a whole site, in which every file is another
 * nothing in common: as "everything", with other paths */
#include "samples.h"
#include "site/site_difference.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PATHS = 1000000, PATH_SIZE = 64, ROUNDS = 5, HEADS = 8, ROOM = 256 << 10 };

/* A release: so many paths of a set, the first `changed` of them with other bytes. */
struct kind {
    unsigned set;
    unsigned paths;
    unsigned changed;
    bool is_overlay;
    bool is_elsewhere; /* in an archive of its own */
};

static struct archive *archive;

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void add_file(struct index_writer *writer, const struct kind *kind, unsigned i,
                     const uint32_t heads[HEADS])
{
    char text[PATH_SIZE];
    int count = snprintf(text, sizeof text, "/assets/set-%02u/topic-%03u/page-%07u.js", kind->set,
                         i % 500, i);
    uint64_t content = i + (i < kind->changed ? (uint64_t)PATHS * 100 : 0);
    uint8_t digest[DIGEST_BYTES] = {0};
    memcpy(digest, &content, sizeof content);
    const struct representation_input form = {
        .payload_offset = SUPERBLOCK_BYTES * (content + 1) + (kind->is_elsewhere ? 64U << 20 : 0),
        .stored_bytes = i % 5000,
        .head = heads[i % HEADS],
        .digest = digest,
    };
    index_writer_file(writer, (struct slice){text, (size_t)count}, 200, 0, &form, 1);
}

static struct site *make_site(struct undertaker *undertaker, const struct kind *kind)
{
    const struct index_properties properties = {.flags = kind->is_overlay ? INDEX_OVERLAY : 0,
                                                .release = 1,
                                                .committed_bytes = UINT64_C(1) << 40};
    struct index_writer *writer = index_writer_new();
    uint32_t heads[HEADS];
    for (unsigned i = 0; i < HEADS; i++) {
        char *type = mem_format("Content-Type: text/%u\r\n", i);
        heads[i] = index_writer_head(writer, slice_of_string(type), SLICE("Vary: Accept\r\n"));
        free(type);
    }
    for (unsigned i = 0; i < kind->paths; i++) {
        add_file(writer, kind, i, heads);
    }
    return site_new(undertaker, sample_index(writer, &properties),
                    kind->is_elsewhere ? sample_archive("", 1, 1) : archive_ref(archive),
                    mem_string("site.idx", 8), mount_everywhere(), 1, 0);
}

static double measure(const struct site_list *before, const struct site_list *after,
                      struct site_difference *out_difference)
{
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        const struct site_region region = {.prefix = SLICE("")};
        site_difference_fini(out_difference);
        site_difference_init(out_difference, ROOM);
        double begun = now_ms();
        site_difference_find(out_difference, &region, (struct site_view){.stack = before->only},
                             (struct site_view){.stack = after->only});
        double ms = now_ms() - begun;
        least = ms < least ? ms : least;
    }
    return least;
}

int main(int argc, char **argv)
{
    unsigned paths = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : PATHS;
    const struct {
        const char *name;
        struct kind kind;
    } rows[] = {
        {"a save", {.paths = 1, .changed = 1, .is_overlay = true}},
        {"one file", {.paths = paths, .changed = 1}},
        {"one path", {.paths = paths + 1}},
        {"elsewhere", {.paths = paths, .changed = 1, .is_elsewhere = true}},
        {"everything", {.paths = paths, .changed = paths}},
        {"nothing in common", {.paths = paths, .set = 1}},
    };
    const struct site_retention retention = {4, 0};
    struct undertaker undertaker;
    if (undertaker_init(&undertaker, NULL) != 0) {
        return 1;
    }
    archive = sample_archive("", 1, 1);
    struct site_list *empty = site_list_new();
    const struct kind base = {.paths = paths};
    struct site_list *before = site_list_next(
        empty, &(struct site_change){.added = make_site(&undertaker, &base)}, &retention, 1);
    printf("%u paths\n", paths);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct site_difference difference = {.paths = NULL};
        struct site *site = make_site(&undertaker, &rows[i].kind);
        struct site_list *after =
            site_list_next(before, &(struct site_change){.added = site}, &retention, 1);
        double ms = measure(before, after, &difference);
        printf("%-20s %8.1f ms   %llu changed, %llu added, %llu removed\n", rows[i].name, ms,
               (unsigned long long)difference.counts[SITE_CHANGED],
               (unsigned long long)difference.counts[SITE_ADDED],
               (unsigned long long)difference.counts[SITE_REMOVED]);
        site_difference_fini(&difference);
        site_list_free(after);
        undertaker_bury(&undertaker);
    }
    site_list_free(before);
    site_list_free(empty);
    archive_unref(archive);
    undertaker_fini(&undertaker);
    return 0;
}
