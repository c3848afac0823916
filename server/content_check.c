#include "server/content_check.h"

#include "common/fault_guard.h"
#include "common/mem.h"
#include "common/sha256.h"
#include "server/end_request.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    PIECE_BYTES = 4 << 20, /* between two looks at whether to go on */
    BATCH_BYTES = 1 << 20, /* what a thread takes at a time, at least a claim */
    BATCH_CLAIMS = 256,
    ALONE_BYTES = 16 << 20, /* up to here one thread is as quick */
    THREADS_MAX = 64,
    NICE_LAST = 19,
};

/* Bytes of the archive, and what the index says of them. */
struct claim {
    uint64_t offset;
    uint64_t bytes;
    const uint8_t *digest;
    uint32_t entry; /* whose they are: its position */
};

/* What became of a claim. */
enum verdict {
    CLAIM_HOLDS,
    CLAIM_BROKEN,     /* other bytes */
    CLAIM_UNREADABLE, /* cut short, or the disk fails */
    CLAIM_LEFT,       /* not hashed to its end: no need any more */
};

/* A path for a message, read inside a guard. */
struct path_copy {
    const struct index *index;
    uint32_t entry;
    char text[512];
};

struct content_check {
    const struct site_list *sites;
    const struct index *index;
    const struct archive *archive;
    struct claim *claims; /* by offset, once they are all there */
    size_t count;
    size_t capacity;
    uint64_t bytes;              /* of all claims */
    atomic_bool is_cancelled;    /* the process is told to end */
    _Atomic(size_t) first_wrong; /* the first claim that does not hold; SIZE_MAX: none so far */
    pthread_mutex_t mutex;       /* of what is below, and of setting first_wrong */
    enum verdict verdict;        /* of first_wrong */
    size_t next;                 /* the first claim that nobody has taken */
};

/* ---- what is to be hashed ---- */

static bool is_equal(const struct index *a, const struct index_representation *x,
                     const struct index *b, const struct index_representation *y)
{
    const uint8_t *digest = index_digest(a, x);
    const uint8_t *other = index_digest(b, y);
    return x->payload_offset == y->payload_offset && x->stored_bytes == y->stored_bytes &&
           digest != NULL && other != NULL && memcmp(digest, other, DIGEST_BYTES) == 0;
}

/* Does a release that serves from the same mapping tell the same of this path? Then its bytes were
 * hashed when that was loaded: every release that is loaded was checked. */
static bool is_vouched_for(const struct content_check *check, const struct index_entry *entry,
                           const struct index_representation *form)
{
    struct slice path = index_path(check->index, entry);
    for (size_t i = 0; i < check->sites->count; i++) {
        const struct site *site = check->sites->sites[i];
        if (site->archive != check->archive || site_is_damaged(site)) {
            continue;
        }
        const struct index_entry *known = index_find(site->index, &entry->path_hash, path);
        for (unsigned j = 0; known != NULL && j < known->representation_count; j++) {
            const struct index_representation *other = index_representation(site->index, known, j);
            if (other != NULL && is_equal(check->index, form, site->index, other)) {
                return true;
            }
        }
    }
    return false;
}

static void count_forms(void *argument)
{
    struct content_check *check = argument;
    check->capacity = 0;
    for (uint32_t i = 0; i < check->index->entry_count; i++) {
        check->capacity += check->index->entries[i].representation_count;
    }
}

static void collect_claims(void *argument)
{
    struct content_check *check = argument;
    const struct index *index = check->index;
    check->count = 0;
    check->bytes = 0;
    for (uint32_t i = 0; i < index->entry_count; i++) {
        const struct index_entry *entry = &index->entries[i];
        const struct index_representation *form;
        for (unsigned j = 0; (form = index_representation(index, entry, j)) != NULL; j++) {
            if (check->count == check->capacity || is_vouched_for(check, entry, form)) {
                continue;
            }
            check->bytes += form->stored_bytes;
            check->claims[check->count++] = (struct claim){form->payload_offset, form->stored_bytes,
                                                           index_digest(index, form), i};
        }
    }
}

static int by_offset(const void *a, const void *b)
{
    const struct claim *x = a;
    const struct claim *y = b;
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    return (x->entry > y->entry) - (x->entry < y->entry);
}

/* Mappings of other releases are read too, and may have been cut: that one then vouches for nothing
 * any more. */
static int collect(struct content_check *check, struct error *error)
{
    const void *address;
    if (!fault_guard_run(count_forms, check, &address)) {
        return error_set(error, -EIO, "the index was cut short while it was read");
    }
    check->claims = mem_zeroed(check->capacity + 1, sizeof *check->claims);
    while (!fault_guard_run(collect_claims, check, &address)) {
        struct site *site = site_list_at_address(check->sites, address);
        if (site == NULL || site_is_damaged(site)) {
            return error_set(error, -EIO, "the index was cut short while it was read");
        }
        site_set_damaged(site, "cut short, or not readable any more");
    }
    if (check->count > 0) {
        qsort(check->claims, check->count, sizeof *check->claims, by_offset);
    }
    return 0;
}

/* ---- hashing, on any thread ---- */

struct hashing {
    struct content_check *check;
    struct sha256_stream *stream;
    size_t claim;
    enum verdict verdict;
    /* What was hashed last: paths that share their bytes follow one another. */
    uint64_t offset;
    uint64_t bytes;
    uint8_t digest[DIGEST_BYTES];
    bool has_digest;
};

/* Is it of no use to go on with this claim? The first one that is wrong is looked for. */
static bool is_over(struct content_check *check, size_t claim)
{
    if (end_is_requested()) {
        atomic_store(&check->is_cancelled, true);
    }
    return atomic_load(&check->is_cancelled) || claim > atomic_load(&check->first_wrong);
}

/* The digest of the claim's bytes; false if there is no need of it any more. */
static bool hash_bytes(struct hashing *hashing, const struct claim *claim)
{
    const struct archive *archive = hashing->check->archive;
    hashing->has_digest = false;
    sha256_stream_restart(hashing->stream);
    for (uint64_t done = 0; done < claim->bytes;) {
        uint64_t left = claim->bytes - done;
        size_t piece = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        if (left > piece) {
            (void)posix_fadvise(archive->fd, (off_t)(claim->offset + done + piece), PIECE_BYTES,
                                POSIX_FADV_WILLNEED);
        }
        sha256_stream_add(hashing->stream, archive->map + claim->offset + done, piece);
        done += piece;
        if (left > piece && is_over(hashing->check, hashing->claim)) {
            return false;
        }
    }
    sha256_stream_value(hashing->stream, hashing->digest);
    hashing->offset = claim->offset;
    hashing->bytes = claim->bytes;
    hashing->has_digest = true;
    return true;
}

/* Inside a guard. */
static void judge_claim(void *argument)
{
    struct hashing *hashing = argument;
    const struct claim *claim = &hashing->check->claims[hashing->claim];
    uint64_t limit = hashing->check->index->committed_bytes;
    bool is_same =
        hashing->has_digest && hashing->offset == claim->offset && hashing->bytes == claim->bytes;
    if (claim->digest == NULL || claim->offset > limit || claim->bytes > limit - claim->offset) {
        hashing->verdict = CLAIM_BROKEN;
    } else if (!is_same && !hash_bytes(hashing, claim)) {
        hashing->verdict = CLAIM_LEFT;
    } else {
        bool is_right = memcmp(hashing->digest, claim->digest, DIGEST_BYTES) == 0;
        hashing->verdict = is_right ? CLAIM_HOLDS : CLAIM_BROKEN;
    }
}

static void note(struct content_check *check, size_t claim, enum verdict verdict)
{
    pthread_mutex_lock(&check->mutex);
    if (claim < atomic_load(&check->first_wrong)) {
        atomic_store(&check->first_wrong, claim);
        check->verdict = verdict;
    }
    pthread_mutex_unlock(&check->mutex);
}

/* The next claims, in their order: *out_first to the result; equal if there are none left. */
static size_t take(struct content_check *check, size_t *out_first)
{
    uint64_t bytes = 0;
    pthread_mutex_lock(&check->mutex);
    *out_first = check->next;
    while (check->next < check->count && bytes < BATCH_BYTES &&
           check->next - *out_first < BATCH_CLAIMS) {
        bytes += check->claims[check->next++].bytes;
    }
    size_t end = check->next;
    pthread_mutex_unlock(&check->mutex);
    return end;
}

static void hash_claims(struct content_check *check)
{
    struct hashing hashing = {.check = check, .stream = sha256_stream_new()};
    size_t first;
    size_t end;
    while ((end = take(check, &first)) > first && !is_over(check, first)) {
        for (hashing.claim = first; hashing.claim < end; hashing.claim++) {
            const void *ignored;
            if (!fault_guard_run(judge_claim, &hashing, &ignored)) {
                hashing.verdict = CLAIM_UNREADABLE;
                hashing.has_digest = false;
            }
            if (hashing.verdict == CLAIM_BROKEN || hashing.verdict == CLAIM_UNREADABLE) {
                note(check, hashing.claim, hashing.verdict);
            }
            if (hashing.verdict != CLAIM_HOLDS) {
                break;
            }
        }
    }
    sha256_stream_free(hashing.stream);
}

static void *hash_beside(void *argument)
{
    struct content_check *check = argument;
    if (check->sites->count > 0) { /* what is served now goes before what will be */
        (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE_LAST);
    }
    hash_claims(check);
    return NULL;
}

/* A thread for each processor; where none can be had, this one does it. */
static void hash_all(struct content_check *check)
{
    pthread_t threads[THREADS_MAX];
    cpu_set_t set;
    int processors = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    size_t wanted = processors < THREADS_MAX ? (size_t)processors : THREADS_MAX;
    size_t count = 0;
    while (check->bytes > ALONE_BYTES && count < wanted &&
           pthread_create(&threads[count], NULL, hash_beside, check) == 0) {
        count++;
    }
    if (count == 0) {
        hash_claims(check);
    }
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(threads[i], NULL);
    }
}

static void copy_path(void *argument)
{
    struct path_copy *copy = argument;
    struct slice path = index_path(copy->index, &copy->index->entries[copy->entry]);
    size_t count = path.count < sizeof copy->text - 1 ? path.count : sizeof copy->text - 1;
    memcpy(copy->text, path.bytes, count);
    copy->text[count] = '\0';
}

static int result_of(const struct content_check *check, struct error *error)
{
    size_t wrong = atomic_load(&check->first_wrong);
    if (wrong == SIZE_MAX) {
        return atomic_load(&check->is_cancelled)
                   ? error_set(error, -ECANCELED, "not checked to the end: told to end")
                   : 0;
    }
    struct path_copy copy = {.index = check->index, .entry = check->claims[wrong].entry};
    const void *ignored;
    (void)fault_guard_run(copy_path, &copy, &ignored);
    return check->verdict == CLAIM_UNREADABLE
               ? error_set(error, -EIO, "%s: %s: cut short, or not readable", check->archive->path,
                           copy.text)
               : error_set(error, ERR_TRUST, "%s: %s: not the bytes that were signed",
                           check->archive->path, copy.text);
}

int content_check(const struct site_list *sites, const struct index *index,
                  const struct archive *archive, struct error *error)
{
    struct content_check check = {.sites = sites, .index = index, .archive = archive};
    atomic_init(&check.first_wrong, SIZE_MAX);
    int status = collect(&check, error);
    if (status == 0) {
        pthread_mutex_init(&check.mutex, NULL);
        hash_all(&check);
        pthread_mutex_destroy(&check.mutex);
        status = result_of(&check, error);
    }
    free(check.claims);
    return status;
}
