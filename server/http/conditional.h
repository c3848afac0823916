/* Preconditions (RFC 9110 §13). Pure functions on field values. */
#ifndef CAIRN_HTTP_CONDITIONAL_H
#define CAIRN_HTTP_CONDITIONAL_H

#include "http/message.h"

/* What a stored representation can be recognised by. */
struct validators {
    struct slice etag;  /* with its quotes; strong */
    int64_t modified_s; /* Last-Modified as it is sent; negative: none is sent */
};

enum precondition {
    PRECONDITION_PASSED,
    PRECONDITION_NOT_MODIFIED, /* 304 */
    PRECONDITION_FAILED,       /* 412 */
};

/* Does a comma-separated list of entity tags name this one, or is it "*"? By strong comparison a
 * tag with W/ never matches, by weak comparison W/ does not matter (§8.8.3.2). What is no entity
 * tag ends the list: it matches nothing. */
bool etag_list_matches(struct slice value, struct slice etag, bool is_strong);

/* If-Match, If-Unmodified-Since, If-None-Match, If-Modified-Since of a GET or HEAD that would be
 * answered 200, in the order of §13.2.2. Several lines of a list are one list; a date that is not
 * one, or comes twice, is passed over. */
enum precondition precondition_evaluate(const struct request *request,
                                        const struct validators *validators, int64_t now_s);

/* The Range that a request asks for, unless its If-Range says that the client holds a part of
 * something else (§13.1.5): a tag has to match strongly, a date to be the very same and older than
 * this second. False: there is none to satisfy. */
bool range_applies(const struct request *request, const struct validators *validators,
                   int64_t now_s, struct slice *out_range);

#endif
