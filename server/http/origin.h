/* Whose pages may listen in: the origin that a browser says it speaks for (RFC 6454 §7), which
 * other sites' scripts cannot forge. WebSockets are open to all origins unless the server looks
 * (RFC 6455 §10.2). Pure. */
#ifndef CAIRN_HTTP_ORIGIN_H
#define CAIRN_HTTP_ORIGIN_H

#include "common/error.h"
#include "http/message.h"

/* The origins that are let in besides the server's own. All zero: none. */
struct origin_list {
    size_t count;
    char **texts;     /* as given; owned */
    bool is_loopback; /* and those of this machine: localhost and what ends in .localhost,
                         127.0.0.0/8, [::1], on any port */
};

/* Adds the members of a comma-separated list: "https://app.example.com,http://10.0.0.7:3000",
 * scheme http or https, no path. ERR_USAGE with a sentence; what stood before the wrong one is
 * added. */
int origin_list_add(struct origin_list *list, const char *text,
                    struct error *error) CAIRN_MUST_CHECK;

void origin_list_fini(struct origin_list *list);

/* May a request with this Origin have what other origins must not read? Yes:
 * - without an Origin: then no browser sent it for a page (WebSockets and CORS requests of browsers
 *   always have one, RFC 6455 §4.1; other programs can say what they like),
 * - with http or https, and the request's host and port, those that are left out being the scheme's
 *   (either scheme: TLS may end before the server),
 * - with one of the list.
 * No with any other, with "null" (RFC 6454 §7.1: sandboxed frames, files), or with several. */
bool origin_is_allowed(const struct request *request, const struct origin_list *others);

#endif
