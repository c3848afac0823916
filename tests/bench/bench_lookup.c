/* What it costs to find a path in an index, in nanoseconds, beside other ways to do it: the least
 * of many rounds, paths drawn at random from sets of 1,000 to 10,000,000, on one core.
 *   cmake --build --preset release --target bench_lookup
 *   taskset -c 1 build/release/bin/bench_lookup [--huge] [PATHS...]
 *
 * hash          hash128() of the path and no more; part of everything below
 * position      and mphf_find()
 * index         and index_find(), which is what the server does: the 128-bit hash in the entry is
 *               compared, then the path's text
 * table 0.5     an open-addressing table of 64-bit hashes and positions, half full, linear probing;
 *               then entry and text as above
 * table 0.8     the same, fuller
 * fingerprint   mphf_find(), 64 bits of the hash in an array of their own, then entry and text
 * hash only     mphf_find(), the hash in the entry; the text is not compared
 * beside        mphf_find(), entries of 128 bytes that hold the first 64 bytes of the text as well
 * index, tag    index, and the digest is read, of which the entity tag of an answer is made; it
 *               stands behind the path's text
 * only, tag     hash only, and the same
 * beside, tag   beside, and the same
 *
 * alone   the processor finishes each look-up before the next begins: a request by itself
 * two     two at a time, step by step with a prefetch, then both finish: what parallel memory
 *         accesses give (index_find() is one step: its comparisons are done here instead)
 * row     nothing waits: look-ups overlap as far as the processor's window reaches
 *
 * bits: of what leads to the entry, per path; bytes: that, the entry and the path's text.
 *
 * The texts asked for, 40 to 70 bytes, are made from a number in batches that stay in the
 * first-level cache. That, the draw and the waiting are measured without a look-up, shown, and
 * subtracted from the rest. The index is the packer's, in anonymous memory of 4 KiB pages, as its
 * mapped file would have; --huge asks for 2 MiB pages for everything, which tells how much of a
 * miss is address translation. 10,000,000 paths take half a minute to build and 3.1 GB. */
#include "packer/release/index_writer.h"

#include "common/index.h"
#include "common/mem.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum {
    BATCH = 64,      /* paths made before they are looked up */
    PATH_SIZE = 128, /* 40 to 70 bytes, and what wide stores spill */
    BATCHES = 1024,  /* of a round */
    ROUNDS = 11,     /* the least counts */
    PATHS_MAX = 100000000,
    BESIDE_BYTES = 64,
};

enum variant {
    NOTHING, /* the path is made, nothing is looked up: the baseline */
    HASH,
    POSITION,
    INDEX,
    TABLE_HALF,
    TABLE_FULL,
    FINGERPRINT,
    HASH_ONLY,
    BESIDE,
    INDEX_TAG,
    HASH_ONLY_TAG,
    BESIDE_TAG,
    VARIANT_COUNT,
};

static const char *const variant_names[VARIANT_COUNT] = {
    "(path made)", "hash",      "position", "index",      "table 0.5", "table 0.8",
    "fingerprint", "hash only", "beside",   "index, tag", "only, tag", "beside, tag",
};

enum mode { ALONE, TWO, ROW, MODE_COUNT };

static bool wants_huge_pages;
static int miss_counter = -1; /* a descriptor of perf_event_open(), if the machine lets us */

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* Nothing that follows begins before all loads so far have their values. */
static inline void wait_for_loads(void)
{
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("dsb ishld\n\tisb" ::: "memory");
#else
#error "what makes this processor wait?"
#endif
}

static inline void use(uint64_t value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

/* ---- paths ---- */

struct piece {
    char text[40]; /* zeros behind it: copied whole */
    size_t bytes;
};
#define PIECE(literal)                                                                             \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct piece folders[16] = {
    PIECE("/docs/reference/api/"),
    PIECE("/docs/guide/getting-started/"),
    PIECE("/assets/chunks/vendor/"),
    PIECE("/docs/de/reference/api/"),
    PIECE("/blog/2024/11/announcements/"),
    PIECE("/static/js/routes/account/"),
    PIECE("/docs/v3.2/cookbook/recipes/"),
    PIECE("/api/java.base/java/util/stream/"),
    PIECE("/docs/next/internals/compiler/"),
    PIECE("/images/screenshots/large/"),
    PIECE("/docs/tutorials/deployment/"),
    PIECE("/assets/fonts/inter/"),
    PIECE("/community/showcase/projects/"),
    PIECE("/docs/reference/configuration/"),
    PIECE("/api/java.desktop/javax/swing/text/"),
    PIECE("/static/media/documents/"),
};
static const struct piece words[16] = {
    PIECE("module"),    PIECE("options"),    PIECE("collector"),  PIECE("settings"),
    PIECE("overview"),  PIECE("transform"),  PIECE("middleware"), PIECE("router"),
    PIECE("component"), PIECE("validator"),  PIECE("pagination"), PIECE("context"),
    PIECE("migration"), PIECE("stylesheet"), PIECE("templates"),  PIECE("encoding"),
};
static const struct piece endings[4] = {
    PIECE(".html"),
    PIECE("/index.html"),
    PIECE(".bundle.min.js"),
    PIECE(".css"),
};

/* Eight hexadecimal digits, eight bits each, in some fixed order. */
static inline uint64_t hexadecimal(uint32_t value)
{
    const uint64_t ones = 0x0101010101010101U;
    uint64_t digits = value;
    digits = (digits | digits << 16) & 0x0000ffff0000ffffU;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ffU;
    digits = (digits | digits << 4) & 0x0f0f0f0f0f0f0f0fU;
    uint64_t letters = (digits + 6 * ones) >> 4 & ones;
    return digits + '0' * ones + letters * ('a' - '0' - 10);
}

/* The path of a number: no branches, another path for every number. */
static inline size_t path_text(char text[PATH_SIZE], uint32_t number)
{
    uint64_t mixed = number * 0x9e3779b97f4a7c15U;
    const struct piece *folder = &folders[mixed >> 60];
    const struct piece *word = &words[mixed >> 56 & 15];
    const struct piece *ending = &endings[mixed >> 54 & 3];
    uint64_t digits = hexadecimal(number * 0x9e3779b1U); /* odd, so one to one */
    char *at = text;
    memcpy(at, folder->text, sizeof folder->text);
    at += folder->bytes;
    memcpy(at, word->text, 16);
    at += word->bytes;
    *at++ = '-';
    memcpy(at, &digits, sizeof digits);
    at += sizeof digits;
    memcpy(at, ending->text, 16);
    return (size_t)(at - text) + ending->bytes;
}

/* What to ask for next: numbers from `first` to first + count - 1. */
struct draw {
    uint64_t state; /* xorshift */
    uint32_t first;
    uint32_t count;
};

static inline uint32_t draw_next(struct draw *draw)
{
    draw->state ^= draw->state << 13;
    draw->state ^= draw->state >> 7;
    draw->state ^= draw->state << 17;
    return draw->first + (uint32_t)((draw->state >> 32) * draw->count >> 32);
}

/* ---- what is looked up in ---- */

struct slot {
    uint64_t hash;
    uint32_t position; /* UINT32_MAX: free */
    uint32_t reserved;
};

struct beside_entry {
    struct index_entry entry;
    char path[BESIDE_BYTES];
};
_Static_assert(sizeof(struct beside_entry) == 128, "two cache lines");

struct subject {
    struct index index;
    void *map;
    size_t map_bytes;
    double path_bytes; /* of a path's text in the index, padded, on average */
    double rest_bytes; /* of it, what is not beside the entry */
    /* of the variant that is measured; else NULL */
    struct slot *slots;
    uint64_t slot_count;
    uint64_t *fingerprints;
    struct beside_entry *beside;
};

static inline bool is_table(enum variant variant)
{
    return variant == TABLE_HALF || variant == TABLE_FULL;
}

static inline bool is_beside(enum variant variant)
{
    return variant == BESIDE || variant == BESIDE_TAG;
}

static void *map_memory(size_t bytes)
{
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    if (wants_huge_pages && madvise(map, bytes, MADV_HUGEPAGE) != 0) {
        perror("madvise");
        exit(1);
    }
    return map;
}

static struct index_image make_image(uint32_t paths)
{
    struct index_properties properties = {.release = 1, .committed_bytes = SUPERBLOCK_BYTES};
    uint8_t digest[DIGEST_BYTES] = {1};
    struct index_writer *writer = index_writer_new();
    struct representation_input form = {
        .payload_offset = SUPERBLOCK_BYTES,
        .head = index_writer_head(writer, SLICE("Content-Type: text/html\r\n"), SLICE("")),
        .digest = digest,
    };
    for (uint32_t i = 0; i < paths; i++) {
        char text[PATH_SIZE];
        struct slice path = {text, path_text(text, i)};
        index_writer_file(writer, path, 200, 0, &form, 1);
        if ((i + 1) % 1000000 == 0) {
            fprintf(stderr, "\r%u of %u paths", i + 1, paths);
        }
    }
    fprintf(stderr, "\r%u paths: building the hash function and the index...\n", paths);
    struct index_image image;
    struct error error = {""};
    if (index_writer_finish(writer, &properties, &image, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    index_writer_free(writer);
    return image;
}

static void subject_init(struct subject *subject, uint32_t paths)
{
    struct index_image image = make_image(paths);
    *subject = (struct subject){.map = map_memory(image.count), .map_bytes = image.count};
    memcpy(subject->map, image.bytes, image.count);
    free(image.bytes);
    struct error error = {""};
    if (index_init(subject->map, subject->map_bytes, &subject->index, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    for (uint32_t i = 0; i < paths; i++) {
        uint32_t bytes = subject->index.entries[i].path_bytes;
        bytes = (bytes + INDEX_TEXT_UNIT - 1) / INDEX_TEXT_UNIT * INDEX_TEXT_UNIT;
        subject->path_bytes += bytes;
        subject->rest_bytes += bytes > BESIDE_BYTES ? bytes - BESIDE_BYTES : 0;
    }
    subject->path_bytes /= paths;
    subject->rest_bytes /= paths;
}

static inline uint64_t hash_word(const struct hash128 *hash)
{
    uint64_t word;
    memcpy(&word, hash->bytes, sizeof word);
    return word;
}

/* The slot where the search for a hash begins. */
static inline uint64_t home_slot(const struct subject *subject, uint64_t hash)
{
    return (uint64_t)(((unsigned __int128)hash * subject->slot_count) >> 64);
}

static void fill_slots(struct subject *subject, uint64_t slot_count)
{
    subject->slot_count = slot_count;
    subject->slots = map_memory(slot_count * sizeof *subject->slots);
    for (uint64_t i = 0; i < slot_count; i++) {
        subject->slots[i].position = UINT32_MAX;
    }
    for (uint32_t i = 0; i < subject->index.entry_count; i++) {
        uint64_t hash = hash_word(&subject->index.entries[i].path_hash);
        uint64_t at = home_slot(subject, hash);
        while (subject->slots[at].position != UINT32_MAX) {
            at = at + 1 == slot_count ? 0 : at + 1;
        }
        subject->slots[at] = (struct slot){.hash = hash, .position = i};
    }
}

static void prepare(struct subject *subject, enum variant variant)
{
    const struct index *index = &subject->index;
    size_t count = index->entry_count;
    if (is_table(variant)) {
        fill_slots(subject, variant == TABLE_HALF ? count * 2 : count * 5 / 4 + 1);
    } else if (variant == FINGERPRINT) {
        subject->fingerprints = map_memory(count * sizeof *subject->fingerprints);
        for (size_t i = 0; i < count; i++) {
            subject->fingerprints[i] = hash_word(&index->entries[i].path_hash);
        }
    } else if (is_beside(variant)) {
        subject->beside = map_memory(count * sizeof *subject->beside);
        for (size_t i = 0; i < count; i++) {
            struct slice path = index_path(index, &index->entries[i]);
            size_t bytes = path.count < BESIDE_BYTES ? path.count : BESIDE_BYTES;
            subject->beside[i].entry = index->entries[i];
            memcpy(subject->beside[i].path, path.bytes, bytes);
        }
    }
}

static void unprepare(struct subject *subject)
{
    size_t count = subject->index.entry_count;
    if (subject->slots != NULL) {
        munmap(subject->slots, subject->slot_count * sizeof *subject->slots);
    }
    if (subject->fingerprints != NULL) {
        munmap(subject->fingerprints, count * sizeof *subject->fingerprints);
    }
    if (subject->beside != NULL) {
        munmap(subject->beside, count * sizeof *subject->beside);
    }
    subject->slots = NULL;
    subject->fingerprints = NULL;
    subject->beside = NULL;
}

/* ---- look-ups ---- */

struct asked {
    struct slice path;
    struct hash128 hash;
    uint32_t position;
};

static inline bool hash_equal(const struct hash128 *a, const struct hash128 *b)
{
    return memcmp(a->bytes, b->bytes, HASH128_BYTES) == 0;
}

/* As the end of index_find(). */
static inline const struct index_entry *entry_if_asked(const struct subject *subject,
                                                       const struct index_entry *entry,
                                                       const struct asked *asked)
{
    bool is_it = hash_equal(&entry->path_hash, &asked->hash) &&
                 slice_equal(index_path(&subject->index, entry), asked->path);
    return is_it ? entry : NULL;
}

/* Calls stay calls, as those of the index are. */
static __attribute__((noinline)) const struct index_entry *table_find(const struct subject *subject,
                                                                      const struct asked *asked)
{
    uint64_t hash = hash_word(&asked->hash);
    uint64_t at = home_slot(subject, hash);
    for (; subject->slots[at].position != UINT32_MAX;
         at = at + 1 == subject->slot_count ? 0 : at + 1) {
        const struct slot *slot = &subject->slots[at];
        if (slot->hash == hash) {
            const struct index_entry *entry = &subject->index.entries[slot->position];
            if (entry_if_asked(subject, entry, asked) != NULL) {
                return entry;
            }
        }
    }
    return NULL;
}

static __attribute__((noinline)) const struct index_entry *
beside_find(const struct subject *subject, const struct asked *asked)
{
    const struct beside_entry *wide = &subject->beside[asked->position];
    const struct index_entry *entry = &wide->entry;
    struct slice path = asked->path;
    if (!hash_equal(&entry->path_hash, &asked->hash) || entry->path_bytes != path.count) {
        return NULL;
    }
    size_t bytes = path.count < BESIDE_BYTES ? path.count : BESIDE_BYTES;
    if (memcmp(wide->path, path.bytes, bytes) != 0) {
        return NULL;
    }
    struct slice rest = slice_after(index_path(&subject->index, entry), bytes);
    return path.count == bytes || slice_equal(rest, slice_after(path, bytes)) ? entry : NULL;
}

static __attribute__((noinline)) const struct index_entry *
position_find(const struct subject *subject, enum variant variant, const struct asked *asked)
{
    const struct index_entry *entry = &subject->index.entries[asked->position];
    switch (variant) {
    case FINGERPRINT:
        if (subject->fingerprints[asked->position] != hash_word(&asked->hash)) {
            return NULL;
        }
        return entry_if_asked(subject, entry, asked);
    case HASH_ONLY:
    case HASH_ONLY_TAG:
        return hash_equal(&entry->path_hash, &asked->hash) ? entry : NULL;
    default:
        return entry_if_asked(subject, entry, asked);
    }
}

/* The first step: hash, position, and the memory of the second step is asked for. */
static inline void begin(const struct subject *subject, enum variant variant, bool prefetches,
                         struct asked *asked)
{
    if (variant == NOTHING) {
        return;
    }
    asked->hash = hash128(asked->path.bytes, asked->path.count);
    if (variant == HASH) {
        return;
    }
    const void *next = NULL;
    if (is_table(variant)) {
        next = &subject->slots[home_slot(subject, hash_word(&asked->hash))];
    } else {
        asked->position = mphf_find(&subject->index.mphf, &asked->hash);
        if (asked->position == UINT32_MAX || variant == POSITION) {
            return;
        }
        next = variant == FINGERPRINT ? (const void *)&subject->fingerprints[asked->position]
               : is_beside(variant)   ? (const void *)&subject->beside[asked->position]
                                      : (const void *)&subject->index.entries[asked->position];
    }
    if (prefetches) {
        __builtin_prefetch(next);
    }
}

/* The second step: whether it is there. */
static inline bool end(const struct subject *subject, enum variant variant,
                       const struct asked *asked)
{
    const struct index_entry *entry = NULL;
    switch (variant) {
    case NOTHING:
        use(asked->path.count);
        return false;
    case HASH:
        use(hash_word(&asked->hash));
        return false;
    case POSITION:
        use(asked->position);
        return false;
    case TABLE_HALF:
    case TABLE_FULL:
        entry = table_find(subject, asked);
        break;
    default:
        if (asked->position == UINT32_MAX) {
            return false;
        }
        entry = is_beside(variant) ? beside_find(subject, asked)
                                   : position_find(subject, variant, asked);
        break;
    }
    if (entry == NULL) {
        return false;
    }
    if (variant >= INDEX_TAG) {
        use(index_digest(&subject->index, &entry->first)[0]);
    } else {
        use(entry->status);
    }
    return true;
}

static inline bool look_up(const struct subject *subject, enum variant variant, struct asked *asked)
{
    if (variant == INDEX) { /* the server's own code, whole */
        asked->hash = hash128(asked->path.bytes, asked->path.count);
        const struct index_entry *entry = index_find(&subject->index, &asked->hash, asked->path);
        use(entry == NULL ? 0 : entry->status);
        return entry != NULL;
    }
    begin(subject, variant, false, asked);
    return end(subject, variant, asked);
}

/* ---- measuring ---- */

/* Asks for a batch of paths; returns how many were there. */
static size_t run_batch(const struct subject *subject, enum variant variant, enum mode mode,
                        struct draw *draw)
{
    static char texts[BATCH][PATH_SIZE];
    struct asked asked[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        asked[i].path = (struct slice){texts[i], path_text(texts[i], draw_next(draw))};
    }
    wait_for_loads();
    size_t found = 0;
    for (size_t i = 0; i < BATCH && mode == ALONE; i++) {
        found += look_up(subject, variant, &asked[i]);
        wait_for_loads();
    }
    for (size_t i = 0; i < BATCH && mode == TWO; i += 2) {
        begin(subject, variant, true, &asked[i]);
        begin(subject, variant, true, &asked[i + 1]);
        found += end(subject, variant, &asked[i]);
        found += end(subject, variant, &asked[i + 1]);
        wait_for_loads();
    }
    for (size_t i = 0; i < BATCH && mode == ROW; i++) {
        found += look_up(subject, variant, &asked[i]);
    }
    wait_for_loads();
    return found;
}

static uint64_t misses_so_far(void)
{
    uint64_t misses = 0;
    if (miss_counter >= 0 && read(miss_counter, &misses, sizeof misses) != sizeof misses) {
        return 0;
    }
    return misses;
}

struct figure {
    double ns;     /* a look-up, with what is not the look-up */
    double misses; /* of the last cache level, if they are counted */
};

static struct figure measure(const struct subject *subject, enum variant variant, enum mode mode,
                             bool is_hit)
{
    static uint64_t state = 88172645463325252U; /* goes on: no round repeats what one before did */
    uint32_t count = subject->index.entry_count;
    struct draw draw = {.state = state, .first = is_hit ? 0 : count, .count = count};
    struct figure least = {1e9, 1e9};
    for (int round = 0; round < ROUNDS; round++) {
        size_t found = 0;
        uint64_t misses_before = misses_so_far();
        double started = now_ns();
        for (int i = 0; i < BATCHES; i++) {
            found += run_batch(subject, variant, mode, &draw);
        }
        double each = (now_ns() - started) / (BATCHES * BATCH);
        double misses = (double)(misses_so_far() - misses_before) / (BATCHES * BATCH);
        least.ns = each < least.ns ? each : least.ns;
        least.misses = misses < least.misses ? misses : least.misses;
        if (found != (is_hit && variant > POSITION ? BATCHES * BATCH : 0)) {
            fprintf(stderr, "%s: found %zu\n", variant_names[variant], found);
            exit(1);
        }
    }
    state = draw.state;
    return least;
}

/* Bits a path of what leads to the entry. */
static double structure_bits(const struct subject *subject, enum variant variant)
{
    const struct mphf *mphf = &subject->index.mphf;
    double paths = subject->index.entry_count;
    double vertices = 3.0 * mphf->part_vertices;
    double function = (vertices * 2 + vertices / (1u << mphf->block_bits) * 32) / paths;
    switch (variant) {
    case NOTHING:
    case HASH:
        return 0;
    case TABLE_HALF:
    case TABLE_FULL:
        return (double)subject->slot_count * (double)sizeof *subject->slots * 8 / paths;
    case FINGERPRINT:
        return function + 64;
    default:
        return function;
    }
}

/* Bytes a path of all that a look-up may read; the digest, which is the same for all, left out. */
static double whole_bytes(const struct subject *subject, enum variant variant)
{
    double bytes = structure_bits(subject, variant) / 8;
    if (variant <= POSITION) {
        return bytes;
    }
    bytes += (double)sizeof(struct index_entry);
    if (is_beside(variant)) {
        return bytes + BESIDE_BYTES + subject->rest_bytes;
    }
    bool reads_text = variant != HASH_ONLY && variant != HASH_ONLY_TAG;
    return bytes + (reads_text ? subject->path_bytes : 0);
}

static void report(struct subject *subject)
{
    struct figure baseline[2][MODE_COUNT];
    printf("%-13s%8s%9s%26s%26s%s\n", "ns a look-up", "bits", "bytes", "hit: alone    two    row",
           "miss: alone    two    row", miss_counter >= 0 ? "   cache misses: hit  miss" : "");
    for (enum variant variant = NOTHING; variant < VARIANT_COUNT; variant++) {
        prepare(subject, variant);
        printf("%-13s%8.2f%9.1f", variant_names[variant], structure_bits(subject, variant),
               whole_bytes(subject, variant));
        double misses[2];
        for (int is_miss = 0; is_miss < 2; is_miss++) {
            printf("     ");
            for (enum mode mode = ALONE; mode < MODE_COUNT; mode++) {
                struct figure figure = measure(subject, variant, mode, !is_miss);
                misses[is_miss] = mode == ALONE ? figure.misses : misses[is_miss];
                if (variant == NOTHING) {
                    baseline[is_miss][mode] = figure;
                } else {
                    figure.ns -= baseline[is_miss][mode].ns;
                }
                printf("%7.1f", figure.ns);
            }
        }
        if (miss_counter >= 0) {
            printf("%20.2f%6.2f", misses[0], misses[1]);
        }
        puts("");
        fflush(stdout);
        unprepare(subject);
    }
}

static void open_miss_counter(void)
{
    struct perf_event_attr what = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof what,
        .config = PERF_COUNT_HW_CACHE_MISSES,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    miss_counter = (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
    if (miss_counter < 0) {
        printf("cache misses are not counted: perf_event_open: %s\n", strerror(errno));
    }
}

static void run(uint32_t paths)
{
    struct subject subject;
    double started = now_ns();
    subject_init(&subject, paths);
    printf("\n%u paths, index of %.1f MB%s\n", paths, (double)subject.map_bytes / 1e6,
           wants_huge_pages ? ", huge pages" : "");
    fprintf(stderr, "built in %.1f s; measuring\n", (now_ns() - started) / 1e9);
    report(&subject);
    munmap(subject.map, subject.map_bytes);
}

int main(int count, char **arguments)
{
    static const uint32_t sizes[] = {1000, 10000, 100000, 1000000, 10000000};
    int first = 1;
    if (count > 1 && strcmp(arguments[1], "--huge") == 0) {
        wants_huge_pages = true;
        first = 2;
    }
    long kib[] = {sysconf(_SC_LEVEL1_DCACHE_SIZE) / 1024, sysconf(_SC_LEVEL2_CACHE_SIZE) / 1024,
                  sysconf(_SC_LEVEL3_CACHE_SIZE) / 1024};
    printf("caches of the machine: %ld, %ld, %ld KiB\n", kib[0], kib[1], kib[2]);
    open_miss_counter();
    for (int i = first; i < count; i++) {
        unsigned long paths = strtoul(arguments[i], NULL, 10);
        if (paths == 0 || paths > PATHS_MAX) {
            fprintf(stderr, "usage: bench_lookup [--huge] [PATHS...]\n");
            return 2;
        }
        run((uint32_t)paths);
    }
    for (size_t i = 0; i < ARRAY_COUNT(sizes) && first == count; i++) {
        run(sizes[i]);
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("\nmost memory: %.2f GB\n", (double)usage.ru_maxrss * 1024 / 1e9);
    return 0;
}
