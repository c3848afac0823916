/* Who the client is, behind proxies that say so: Forwarded (RFC 7239), or X-Forwarded-For. Pure. */
#ifndef CAIRN_HTTP_FORWARDED_H
#define CAIRN_HTTP_FORWARDED_H

#include "http/address.h"
#include "http/message.h"

/* The address that the nearest untrusted hop was seen with. From the last entry to the first, each
 * was written by the hop behind it: the walk goes on as long as hops are trusted, and stops at what
 * is no address ("unknown", "_hidden"). Forwarded, if it is there, goes before X-Forwarded-For. The
 * peer itself if it is not trusted, or nothing is said. */
struct ip_address forwarded_client(const struct request *request, const struct ip_address *peer,
                                   const struct address_list *trusted);

#endif
