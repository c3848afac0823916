/* Which releases a host serves, in 16 digits, and since when: so that whoever comes back to it can
 * tell whether anything has changed meanwhile. Pure functions of a list. */
#ifndef CAIRN_SITE_SITE_STATE_H
#define CAIRN_SITE_SITE_STATE_H

#include "site/site_list.h"

enum { SITE_STATE_BYTES = 17 }; /* 16 hexadecimal digits, and a NUL */

struct site_state {
    char
        text[SITE_STATE_BYTES]; /* XXH3 of the releases that describe its sites as they are now, and
                                   of their prefixes: the same in each process that serves them */
    int64_t changed_ms;         /* as in struct site_change */
};

/* Of the sites that answer under a host (as in host_name(), or a name of the list). One that has
 * none has a state as well. */
struct site_state site_list_state(const struct site_list *list, struct slice host);

/* For site_list_next(): the state of each stack of a list that is being built, and since when its
 * hosts serve it; at_ms for what `old` serves otherwise. */
void site_list_date(struct site_list *list, const struct site_list *old, int64_t at_ms);

#endif
