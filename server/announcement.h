/* What a server that has started says on standard error: a line for each address that it listens
 * on, and for each site. Main thread. */
#ifndef CAIRN_SERVER_ANNOUNCEMENT_H
#define CAIRN_SERVER_ANNOUNCEMENT_H

#include "server/listeners.h"
#include "site/site_list.h"

#include <stdio.h>

/* "http://127.0.0.1:8080/" or "unix:/run/cairn.sock". */
enum { URL_TEXT_BYTES = ADDRESS_TEXT_BYTES + 16 };
void announcement_url(const struct listen_address *address, char out[URL_TEXT_BYTES]);

/* "release 42 of /srv/site.cairn, 1234 paths, for every host", as it is on top; the caller frees.
 */
char *announcement_site(const struct site *site);

/* `admin` listens for those who look after the server; its addresses are not in the ready line. */
void announcement_print(const struct listeners *listeners, const struct listeners *admin,
                        const struct site_list *sites, FILE *file);

#endif
