#include "common/signature.h"

#include "common/fault_guard.h"
#include "common/mem.h"
#include "common/sha256.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* Its NUL counts. A key that signs other things too never signs them by these bytes. */
static const char domain[] = "cairn release 1";

enum { MESSAGE_BYTES = sizeof domain + DIGEST_BYTES };

static void make_message(struct sha256_stream *stream, const void *index, size_t count,
                         uint8_t out_message[MESSAGE_BYTES])
{
    memcpy(out_message, domain, sizeof domain);
    sha256(stream, index, count, out_message + sizeof domain);
}

struct signature signature_make(const struct private_key *key, const void *index, size_t count)
{
    struct signature signature;
    uint8_t message[MESSAGE_BYTES];
    struct sha256_stream *stream = sha256_stream_new();
    make_message(stream, index, count, message);
    sha256_stream_free(stream);
    memcpy(signature.key_id, private_key_id(key)->bytes, sizeof signature.key_id);
    private_key_sign(key, message, sizeof message, signature.bytes);
    return signature;
}

/* ---- trust ---- */

static const struct public_key *find(const struct trust *trust, const struct key_id *id)
{
    for (size_t i = 0; i < trust->count; i++) {
        if (memcmp(public_key_id(trust->keys[i])->bytes, id->bytes, sizeof id->bytes) == 0) {
            return trust->keys[i];
        }
    }
    return NULL;
}

int trust_add(struct trust *trust, const char *path, struct error *error)
{
    struct public_key *key;
    int status = public_key_read(path, &key, error);
    if (status != 0) {
        return status;
    }
    if (find(trust, public_key_id(key)) != NULL) {
        public_key_free(key);
        return 0;
    }
    trust->keys = mem_resize(trust->keys, trust->count + 1, sizeof(struct public_key *));
    trust->keys[trust->count++] = key;
    return 0;
}

void trust_fini(struct trust *trust)
{
    for (size_t i = 0; i < trust->count; i++) {
        public_key_free(trust->keys[i]);
    }
    free(trust->keys);
    *trust = (struct trust){0};
}

/* What is read of the mappings, inside a guard: nothing is allocated there. */
struct reading {
    const struct index *index;
    const struct archive *archive;
    struct sha256_stream *stream;
    struct signature signature;
    uint8_t message[MESSAGE_BYTES];
    const char *why;
    int status;
};

static void read_release(void *argument)
{
    struct reading *reading = argument;
    const struct archive *archive = reading->archive;
    const uint8_t *uuid = archive->superblock.uuid;
    struct commit commit;
    reading->status =
        commit_decode(archive->map, reading->index->committed_bytes, uuid, &commit, &reading->why);
    if (reading->status == 0) {
        reading->status =
            signature_decode(archive->map, &commit, uuid, &reading->signature, &reading->why);
    }
    if (reading->status == 0) {
        make_message(reading->stream, reading->index->map, reading->index->map_bytes,
                     reading->message);
    }
}

static int judge(const struct reading *reading, const struct trust *trust,
                 struct key_id *out_key_id, struct error *error)
{
    uint64_t release = reading->index->release;
    struct key_id id;
    char text[KEY_ID_TEXT_BYTES];
    memcpy(id.bytes, reading->signature.key_id, sizeof id.bytes);
    const struct public_key *key = find(trust, &id);
    if (key == NULL) {
        return error_set(error, ERR_TRUST,
                         "release %" PRIu64 ": signed by key %s, which is not trusted", release,
                         key_id_text(&id, text));
    }
    if (!public_key_verifies(key, reading->message, sizeof reading->message,
                             reading->signature.bytes)) {
        return error_set(error, ERR_TRUST,
                         "release %" PRIu64 ": this is not what key %s has signed: the index or "
                         "the signature was altered",
                         release, key_id_text(&id, text));
    }
    *out_key_id = id;
    return 0;
}

int signature_check(const struct index *index, const struct archive *archive,
                    const struct trust *trust, struct key_id *out_key_id, struct error *error)
{
    struct reading reading = {.index = index, .archive = archive, .stream = sha256_stream_new()};
    const void *ignored;
    bool is_read = fault_guard_run(read_release, &reading, &ignored);
    sha256_stream_free(reading.stream);
    if (!is_read) {
        return error_set(error, -EIO, "release %" PRIu64 ": cut short, or not readable",
                         index->release);
    }
    if (reading.status != 0) {
        return error_set(error, ERR_TRUST, "release %" PRIu64 ": %s", index->release, reading.why);
    }
    return judge(&reading, trust, out_key_id, error);
}
