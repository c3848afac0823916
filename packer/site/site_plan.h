/* What a release will be, from the names of its files, its rule files and its options: everything
 * that can be known without the bytes. `check` prints it, site_index.h makes an index of it. */
#ifndef CAIRN_PACKER_SITE_PLAN_H
#define CAIRN_PACKER_SITE_PLAN_H

#include "packer/archive/content_store.h"
#include "packer/site/headers_file.h"
#include "packer/site/routes.h"

struct site_plan {
    const struct site_options *options;
    const struct stored_file *files; /* all of the release, sorted by name */
    size_t file_count;
    uint32_t *served;    /* numbers of files that are served: what a route's `file` counts */
    struct slice *names; /* of these */
    size_t served_count;
    bool *is_immutable;                /* by served file: its name tells its content */
    uint32_t (*sidecars)[CODEC_COUNT]; /* by served file: 1 + number of the file that is its coded
                                          form; NULL without --sidecars */
    struct headers_file headers;
    struct redirects_file redirects;
    struct routes routes;
    struct site_notes notes;
};

/* The text of a rule file; empty if the site has none. */
struct rule_texts {
    struct slice headers;
    struct slice redirects;
};

/* The files and the options must outlive the plan. Never fails: what is wrong is in the notes. */
void site_plan_init(struct site_plan *plan, const struct stored_file *files, size_t count,
                    const struct site_options *options, const struct rule_texts *texts);
void site_plan_fini(struct site_plan *plan);

/* The same site with other bytes: `files` has the same names in the same order, and takes the place
 * of those before; is_changed tells which of them differ. */
void site_plan_take_files(struct site_plan *plan, const struct stored_file *files,
                          const bool *is_changed);

/* The media type of a file: the options', or by its name. */
const char *site_plan_type(const struct site_plan *plan, const char *name);

/* The field lines of a route's answer, in two runs (format.h: struct index_head). `codec`: of the
 * form that is sent; `has_variants`: there are others. `digest`: of what is sent, or NULL. */
struct route_head {
    char *entity; /* owned */
    char *policy; /* owned */
};
void site_plan_head(const struct site_plan *plan, const struct route *route, enum codec codec,
                    bool has_variants, const uint8_t *digest, struct route_head *out_head);
void route_head_fini(struct route_head *head);

/* What a head depends on where neither rules nor digests are in it: two routes with equal keys have
 * equal heads. */
struct route_head_key {
    const char *type; /* NULL: a redirect */
    enum cache_kind cache;
    enum codec codec;
    bool has_variants;
    bool is_coded_already;
};

/* False: the head is the route's own. */
bool site_plan_head_key(const struct site_plan *plan, const struct route *route, enum codec codec,
                        bool has_variants, struct route_head_key *out_key);

/* Does a field of this name describe the body? The rest says how it may be used, and is repeated by
 * a 304. */
bool site_plan_is_entity_field(const char *name);

/* The first thing that must not be packed: 0, or ERR_FORMAT with a sentence that names file and
 * line. `strict`: malformed lines are such things. */
int site_plan_problem(const struct site_plan *plan, bool strict, struct error *error);

#endif
