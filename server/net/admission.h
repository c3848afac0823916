/* How many connections there may be, in all and from one address. One for all workers; any thread.
 */
#ifndef CAIRN_NET_ADMISSION_H
#define CAIRN_NET_ADMISSION_H

#include "http/address.h"
#include "http/limits.h"

struct admission;

enum admission_result {
    ADMITTED,
    ADMISSION_FULL,         /* there are as many as there may be: one has to go first */
    ADMISSION_ADDRESS_FULL, /* this client has as many as it may have */
};

/* `seed` is a number that no client can know: by it addresses are spread over the table. */
struct admission *admission_new(const struct limits *limits, uint64_t seed);
void admission_free(struct admission *admission); /* takes NULL */

/* Counts a connection, or does not. IPv6 clients are told apart by their first 64 bits, which is
 * what one of them is given. Unix sockets count in all, not per address. */
enum admission_result admission_enter(struct admission *admission,
                                      const struct ip_address *address);

/* A connection that was admitted with one address turns out to be another client's. False: that
 * client has as many as it may have, and the connection stays counted as it was. */
bool admission_move(struct admission *admission, const struct ip_address *from,
                    const struct ip_address *to);

/* How many entries are looked at to find the address that is hardest to find: what shows that
 * addresses cannot be chosen to make the others slow. */
size_t admission_longest_search(struct admission *admission);

/* The end of a connection that was admitted with this address. */
void admission_leave(struct admission *admission, const struct ip_address *address);

#endif
