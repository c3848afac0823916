/* A release of what has changed in a site since its last one: an overlay whose cost follows the
 * change, or, from time to time, a whole one, made from what is known. One thread. */
#ifndef CAIRN_PACKER_UPDATE_H
#define CAIRN_PACKER_UPDATE_H

#include "packer/session.h"

enum {
    /* A look-up asks one release after the other, and a server keeps them all open. */
    UPDATE_LAYERS_MAX = 16,
};

struct update_result {
    bool is_release; /* else nothing has changed after all */
    bool is_whole;   /* no overlay */
    size_t changed_count;
    size_t added_count;
    size_t removed_count;
};

/* After session_pack(): gets ready for updates. */
int update_begin(struct session *session, struct error *error) CAIRN_MUST_CHECK;

/* Looks at what the settled changes name, and publishes a release if the site is not what it was.
 * After a failure the last release stands, and the changes are to be told again, with those that
 * have come since; unless update_has_spoilt(): then the session is of no more use. */
int update_pack(struct session *session, const struct change_set *changes,
                struct update_result *out_result, struct error *error) CAIRN_MUST_CHECK;

bool update_has_spoilt(const struct session *session);

#endif
