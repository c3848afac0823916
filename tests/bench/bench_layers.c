/* What a look-up costs in a stack of 1, 4, 16 and 64 releases, in nanoseconds: the least of many
 * rounds over 10,000 paths in random order, on one core. The hash of the path is part of it.
 *   cmake --build --preset release --target bench_layers && build/release/bin/bench_layers
 *
 * newest     all layers are overlays, and the newest has all paths
 * oldest     all layers are overlays, and only the oldest has what is asked for
 * missing    all layers are overlays, and none has it; none has a page for missing paths either
 * deployed   as many whole sites (snapshots), and the path is in the newest
 * chunk      the same, and the path is an immutable file that only the oldest has: an open tab
 * gone       the same, and no release has it
 * plain      as gone, with releases that have no immutable files and are passed over
 *
 * "big": each layer has 10,000 paths; "small": each but the one that is hit has 100. */
#include "samples.h"
#include "site/site_list.h"

#include "common/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PATHS = 10000, SMALL = 100, LAYERS_MAX = 64, PATH_SIZE = 64, ROUNDS = 15 };

static char asked[PATHS][PATH_SIZE]; /* what the look-ups ask for, in random order */
static size_t asked_bytes[PATHS];

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* The i-th path of a set: what a generator of sites writes. */
static size_t path_text(char text[PATH_SIZE], unsigned set, unsigned i)
{
    return (size_t)snprintf(text, PATH_SIZE, "/assets/set-%02u/topic-%03u/page-%05u.4f9a8b2c.js",
                            set, i % 500, i);
}

static void ask_for(unsigned set)
{
    static unsigned order[PATHS];
    uint64_t state = 88172645463325252U; /* xorshift: the same order in each run */
    for (unsigned i = 0; i < PATHS; i++) {
        order[i] = i;
    }
    for (unsigned i = PATHS - 1; i > 0; i--) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        unsigned j = (unsigned)(state % (i + 1));
        unsigned swapped = order[i];
        order[i] = order[j];
        order[j] = swapped;
    }
    for (unsigned i = 0; i < PATHS; i++) {
        asked_bytes[i] = path_text(asked[i], set, order[i]);
    }
}

/* A release with so many paths of a set. */
struct layer {
    unsigned set;
    unsigned paths;
    uint32_t index_flags;
    unsigned entry_flags;
};

static struct site *make_site(struct undertaker *undertaker, const struct layer *layer,
                              uint64_t release)
{
    static const uint8_t digest[DIGEST_BYTES] = {1};
    struct index_properties properties = {
        .flags = layer->index_flags, .release = release, .committed_bytes = 256};
    struct index_writer *writer = index_writer_new();
    struct representation_input form = {
        .payload_offset = SUPERBLOCK_BYTES,
        .head = index_writer_head(writer, SLICE("A: b\r\n"), SLICE("")),
        .digest = digest,
    };
    for (unsigned i = 0; i < layer->paths; i++) {
        char text[PATH_SIZE];
        struct slice path = {text, path_text(text, layer->set, i)};
        index_writer_file(writer, path, 200, layer->entry_flags, &form, 1);
    }
    struct index *index = sample_index(writer, &properties);
    return site_new(undertaker, index, sample_archive("", 1, 1), mem_string("site.idx", 8),
                    mount_everywhere(), release, 0);
}

/* Set 0 is the oldest layer's, and so on. */
enum { NOBODYS_SET = 99 };

static const struct {
    const char *name;
    uint32_t index_flags;
    unsigned entry_flags;
    enum { NEWEST, OLDEST, NOBODYS } wanted; /* whose paths */
} rows[] = {
    {"newest", INDEX_OVERLAY, 0, NEWEST},
    {"oldest", INDEX_OVERLAY, 0, OLDEST},
    {"missing", INDEX_OVERLAY, 0, NOBODYS},
    {"deployed", 0, ENTRY_IMMUTABLE, NEWEST},
    {"chunk", 0, ENTRY_IMMUTABLE, OLDEST},
    {"gone", 0, ENTRY_IMMUTABLE, NOBODYS},
    {"plain", 0, 0, NOBODYS},
};

static struct site_list *make_list(struct undertaker *undertaker, size_t row, unsigned layers,
                                   bool is_big)
{
    static const struct site_retention retention = {LAYERS_MAX, 0};
    unsigned hit = rows[row].wanted == NEWEST ? layers - 1 : 0;
    struct site_list *list = site_list_new();
    for (unsigned i = 0; i < layers; i++) {
        struct layer layer = {
            .set = i,
            .paths = is_big || i == hit ? PATHS : SMALL,
            .index_flags = rows[row].index_flags,
            .entry_flags = rows[row].entry_flags,
        };
        struct site *site = make_site(undertaker, &layer, i + 1);
        struct site_list *next =
            site_list_next(list, &(struct site_change){.added = site}, &retention, 1);
        site_list_free(list);
        list = next;
    }
    ask_for(rows[row].wanted == NOBODYS ? NOBODYS_SET : hit);
    return list;
}

/* Nanoseconds a look-up; negative if it did not find what it should. */
static double measure(const struct site_stack *stack, bool is_hit)
{
    double least = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        size_t found = 0;
        double started = now_ns();
        for (size_t i = 0; i < PATHS; i++) {
            struct slice path = {asked[i], asked_bytes[i]};
            found += site_stack_find(stack, path).entry != NULL;
            __asm__ volatile("" ::: "memory"); /* each one is done */
        }
        double each = (now_ns() - started) / PATHS;
        least = each < least ? each : least;
        if (found != (is_hit ? PATHS : 0)) {
            return -1;
        }
    }
    return least;
}

int main(void)
{
    static const unsigned layers[] = {1, 4, 16, LAYERS_MAX};
    struct undertaker undertaker;
    if (undertaker_init(&undertaker, NULL) != 0) {
        return 1;
    }
    puts("ns a look-up     layers:       1       4      16      64");
    for (int is_big = 0; is_big < 2; is_big++) {
        for (size_t row = 0; row < ARRAY_COUNT(rows); row++) {
            printf("%-5s layers, %-10s", is_big ? "big" : "small", rows[row].name);
            for (size_t i = 0; i < ARRAY_COUNT(layers); i++) {
                struct site_list *list = make_list(&undertaker, row, layers[i], is_big != 0);
                double each = measure(list->only, rows[row].wanted != NOBODYS);
                site_list_free(list);
                undertaker_bury(&undertaker);
                if (each < 0) {
                    puts("  it found something else");
                    return 1;
                }
                printf("%8.0f", each);
            }
            puts("");
        }
    }
    undertaker_fini(&undertaker);
    return 0;
}
