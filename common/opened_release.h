/* A release on disk, open for reading: its index and its archive, bound to each other. */
#ifndef CAIRN_COMMON_OPENED_RELEASE_H
#define CAIRN_COMMON_OPENED_RELEASE_H

#include "common/key.h"
#include "common/release.h"

struct opened_release {
    struct index *index;
    struct archive *archive;
    struct commit commit;
};

/* Opens a release by its index, or by its archive: then the newest one, NAME.idx for NAME.cairn.
 * Nothing stays open on failure. */
int opened_release_init(struct opened_release *opened, const char *path,
                        struct error *error) CAIRN_MUST_CHECK;
void opened_release_fini(struct opened_release *opened);

/* The key id of the signature that it bears, in *out; false if it bears none. Not whether it fits,
 * which signature_check() says. */
bool opened_release_signer(const struct opened_release *opened, char out[KEY_ID_TEXT_BYTES]);

/* Every entry, sorted by the bytes of its path; the caller frees. */
struct entry_row {
    struct slice path;
    const struct index_entry *entry;
};
struct entry_row *sorted_entries(const struct index *index);

/* The value of a field in stored field lines; empty if it is not there. */
struct slice head_field(struct slice lines, struct slice name);

#endif
