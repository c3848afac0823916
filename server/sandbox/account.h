/* The user that a server started by root becomes (--user). Main thread, before there are others. */
#ifndef CAIRN_SERVER_ACCOUNT_H
#define CAIRN_SERVER_ACCOUNT_H

#include "common/error.h"

#include <sys/types.h>

struct account {
    uid_t uid;
    gid_t gid;
    char *name; /* in whose groups it then is; NULL: in no others than `gid` */
};

/* Looks up "USER" or "USER:GROUP", names or numbers. With a group it has that one alone. */
int account_find(const char *text, struct account *out_account,
                 struct error *error) CAIRN_MUST_CHECK;

/* Becomes that user for good, and makes sure of it. An error for anybody but root, unless it is
 * that user already. */
int account_become(const struct account *account, struct error *error) CAIRN_MUST_CHECK;

void account_fini(struct account *account);

#endif
