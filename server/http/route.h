/* Rules that depend on the request: what `_redirects` says of paths that no entry has, or that ask
 * for a query or a host. Pure; docs/format.md, "Section 6: rules". */
#ifndef CAIRN_HTTP_ROUTE_H
#define CAIRN_HTTP_ROUTE_H

#include "http/message.h"

enum { ROUTE_TARGET_BYTES_MAX = 8192 };

struct route {
    const struct index_rule *rule;
    unsigned status;
    struct slice target; /* of a redirect the value of Location; else a canonical path, or empty */
};

/* The first rule that matches decides: true, unless it is not forced and the path is present (it
 * has an entry). `scratch` of ROUTE_TARGET_BYTES_MAX holds the target. */
bool route_find(const struct index *index, const struct request *request, struct slice path,
                bool is_present, char *scratch, struct route *out_route);

/* Does a browser ask for a page here, so that a single-page application may answer with its own?
 * Not where the last segment has an extension that files have, and not where the client says that
 * it wants something else (Sec-Fetch-Mode, W3C Fetch Metadata; Accept, RFC 9110 §12.5.1). */
bool is_navigation(const struct request *request, struct slice path);

#endif
