/* Says what the control thread does to those who listen: which release went live and what it
 * changed, that a site could not be made, that it could be again. What a list differs by is found
 * after the workers use it, in the pauses of that thread (announcer_tell()), so that no command
 * waits for it; what several commands of one moment did is told as one. Control thread. */
#ifndef CAIRN_EVENTS_ANNOUNCER_H
#define CAIRN_EVENTS_ANNOUNCER_H

#include "events/events.h"
#include "site/site_list.h"

struct announcer {
    struct events *events;    /* where it is said */
    struct site_list *before; /* what was said last is of this list; NULL: of the current one */
};

/* Before a list takes the place of `current`. */
void announcer_note(struct announcer *announcer, const struct site_list *current);

/* Tells how `current` differs from what was told last. Costs nothing where it does not. */
void announcer_tell(struct announcer *announcer, const struct site_list *current);

/* A site could not be made, and why, or is made again. What is still to be said of releases is said
 * before. Returns how many listen. */
size_t announcer_error(struct announcer *announcer, const struct site_list *current,
                       struct slice text);
size_t announcer_mended(struct announcer *announcer, const struct site_list *current);

void announcer_fini(struct announcer *announcer);

#endif
