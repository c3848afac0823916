/* A site directory on its way into an archive: what a run of `add` holds from the walk to the
 * published index, and what a run that goes on keeps between its releases. One thread. */
#ifndef CAIRN_PACKER_SESSION_H
#define CAIRN_PACKER_SESSION_H

#include "packer/add.h"
#include "packer/progress.h"
#include "packer/release/layers.h"
#include "packer/release/overlay.h"

struct session {
    const struct add_options *options;
    struct site_options site; /* the options', which own the words; `overlay` is each release's */
    struct progress progress;
    struct walk walk;
    struct superblock superblock; /* for a new archive; created_s is each release's time too */
    struct archive_writer *writer;
    char *stem; /* of the archive's path */
    char *cache_path;
    struct content_store store;
    struct stored_file *files; /* of the release, sorted by name */
    size_t file_count;
    struct rule_texts texts;
    struct site_plan plan;
    struct index_image image;
    struct site_savings savings;
    char *index_path;     /* of the newest release; absolute */
    struct layers layers; /* of a run that goes on: what its next release is laid over */
    bool has_strays;      /* paths that an update has bound which then failed */
    uint64_t old_bytes;   /* of the archive, before the release */
    int64_t started_at_s; /* Unix time */
};

/* Walks the site and opens the archive, whose lock it holds from then on. session_fini() in any
 * case. */
int session_init(struct session *session, const struct add_options *options,
                 struct error *error) CAIRN_MUST_CHECK;
void session_fini(struct session *session);

/* Stores what the walk found, plans the site, and publishes it as a release. */
int session_pack(struct session *session, struct error *error) CAIRN_MUST_CHECK;

/* ---- the steps, for who packs in another order ---- */

/* The number of the release that comes next. */
uint64_t session_next_release(const struct session *session);

/* When the next release is, which publishes no file with a later time: SOURCE_DATE_EPOCH, or now.
 */
int session_choose_time(struct session *session, struct error *error) CAIRN_MUST_CHECK;

/* Records how the index is made, where that differs from the release before. */
int session_record_options(struct session *session, struct error *error) CAIRN_MUST_CHECK;

/* The rule files of these files; session_free_texts() in any case. */
int session_read_texts(struct session *session, const struct stored_file *files, size_t count,
                       struct rule_texts *out_texts, struct error *error) CAIRN_MUST_CHECK;
void session_free_texts(struct rule_texts *texts);

/* Says what is odd about a plan's rules and options; fails where that must not be published. */
int session_check_plan(const struct session *session, const struct site_plan *plan,
                       struct error *error) CAIRN_MUST_CHECK;

/* The coded forms of these files, and the digests that are not known. */
int session_make_variants(struct session *session, const struct site_plan *plan,
                          const struct stored_file *files, size_t count,
                          struct error *error) CAIRN_MUST_CHECK;

/* What an index says of the release that comes next. */
void session_index_properties(const struct session *session, struct index_properties *out);

/* Commits and publishes the release that session->image is of. */
int session_publish(struct session *session, struct error *error) CAIRN_MUST_CHECK;

/* The next run is faster with it, and as right without. */
void session_save_cache(struct session *session);

#endif
