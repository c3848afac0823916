/* Where two lists of sites may give different answers: for which hosts, below which prefixes. Looks
 * at no mapping; site_difference.h says what differs there. */
#ifndef CAIRN_SITE_LIST_DIFFERENCE_H
#define CAIRN_SITE_LIST_DIFFERENCE_H

#include "site/site_difference.h"

/* A part of what one host pattern of either list sees, that other releases answer for than before.
 */
struct region_change {
    struct slice
        host; /* as in struct mount: of the hosts for which it is the most specific pattern */
    struct site_region region; /* its holes are in the difference */
    struct site_view before;
    struct site_view after;
};

struct list_difference {
    struct slice *hosts; /* all patterns of both lists, each once, sorted */
    size_t host_count;
    struct region_change *changes; /* in the order of their hosts */
    size_t change_count;
    struct slice *holes;
    size_t hole_count;
};

/* Everything in it is of the lists, and valid as long as both are. */
void list_difference_init(struct list_difference *difference, const struct site_list *before,
                          const struct site_list *after);
void list_difference_fini(struct list_difference *difference);

#endif
