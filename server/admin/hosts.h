/* For which names the admin address answers. A page of a stranger can have its own name lead to the
 * loopback (DNS rebinding), and would then read with a browser's help what is for this machine
 * alone; what tells is the name that the browser puts into Host. Pure. */
#ifndef CAIRN_ADMIN_HOSTS_H
#define CAIRN_ADMIN_HOSTS_H

#include "common/slice.h"

/* Names besides those that need no leave; as they were given. */
struct admin_hosts {
    const char *const *names;
    size_t count;
};

/* `host` is a Host field or the authority of a target, with or without port. Numeric addresses and
 * localhost are nobody's to redirect; no name at all comes from no browser. */
bool admin_hosts_allow(const struct admin_hosts *hosts, struct slice host);

/* Is an Origin field (RFC 6454 §7) that of a page that was asked for at `host`, itself a Host
 * field? Of the scheme nothing is known here: something in front may speak TLS. */
bool admin_origin_is_own(struct slice origin, struct slice host);

#endif
