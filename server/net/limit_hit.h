/* Counts what clients came up against, limit by limit (http/limits.h). */
#ifndef CAIRN_NET_LIMIT_HIT_H
#define CAIRN_NET_LIMIT_HIT_H

#include "net/turn.h"

static inline void limit_hit(struct turn *turn, enum limit_id limit)
{
    counter_add(&turn->counters.limited[limit], 1);
}

/* Is it counted at all? Of the others one is the window of body-rate, one is met by every server
 * that ends, one is a listener's everyday silence, and more ranges than there may be are answered
 * as if nobody had asked for any. */
bool limit_is_counted(enum limit_id limit);

/* turn->request, or the body behind it, was refused with this status. */
void limit_hit_refused(struct turn *turn, unsigned status);

/* The time of a connection in this state is up, and it is not granted more. */
void limit_hit_expired(struct turn *turn, enum conn_state state);

/* Why a connection was not admitted. */
void limit_hit_admission(struct turn *turn, enum admission_result result);

#endif
