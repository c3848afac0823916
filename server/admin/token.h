/* The token that changes need (RFC 6750): what a file holds, kept as a digest, compared in a time
 * that does not depend on where it differs. Wrong ones are bounded in number. One thread, time is a
 * parameter. */
#ifndef CAIRN_ADMIN_TOKEN_H
#define CAIRN_ADMIN_TOKEN_H

#include "common/error.h"
#include "common/sha256.h"
#include "common/slice.h"

#include <stdbool.h>

enum {
    ADMIN_TOKEN_BYTES_LEAST = 16,
    ADMIN_TOKEN_BYTES_MAX = 4096,
    /* Wrong tokens at once, and then one for each second: a person mistypes a few. Whom somebody
     * else's guesses keep out has the control socket. */
    ADMIN_TOKEN_WRONG_MAX = 10,
    ADMIN_TOKEN_WRONG_MS = 1000,
};

struct admin_token {
    bool is_set;
    uint8_t digest[DIGEST_BYTES];
    struct sha256_stream *stream;
    unsigned wrong;   /* that count now */
    int64_t since_ms; /* when one of them was forgiven last */
};

enum admin_token_result {
    ADMIN_TOKEN_RIGHT,
    ADMIN_TOKEN_MISSING,
    ADMIN_TOKEN_WRONG,
    ADMIN_TOKEN_LIMITED, /* it was not looked at: too many were wrong */
};

/* Reads the first line of a file that others cannot read. NULL: there is no token, and nothing is
 * right. admin_token_fini() in any case. */
int admin_token_init(struct admin_token *token, const char *path,
                     struct error *error) CAIRN_MUST_CHECK;

/* `authorization`: the field's value; empty if there is none. *out_is_first: it was wrong, and none
 * has been wrong for a while. */
enum admin_token_result admin_token_check(struct admin_token *token, struct slice authorization,
                                          int64_t now_ms, bool *out_is_first);

void admin_token_fini(struct admin_token *token);

#endif
