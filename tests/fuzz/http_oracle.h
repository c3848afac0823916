/* What HTTP says of a stream of requests and of the responses to it, written for the tests from the
 * RFCs and docs/http.md alone: no code of the server is in it. Slices of the streams; no state. */
#ifndef CAIRN_TESTS_FUZZ_HTTP_ORACLE_H
#define CAIRN_TESTS_FUZZ_HTTP_ORACLE_H

#include "common/slice.h"

/* ---- requests ---- */

enum verdict {
    ASKED_GOOD,   /* has to be answered, and the connection stays unless it asks for the end */
    ASKED_UNSURE, /* may be refused as well: what the RFCs leave open, and what this reader leaves
                     to others */
    ASKED_BAD,    /* has to be refused, and ends the connection */
    ASKED_CUT,    /* does not come to its end */
    ASKED_NOTHING /* there is no more: empty lines at most */
};

/* What the server was started with. */
struct asked_limits {
    size_t head_bytes, target_bytes, fields, body_bytes;
};

struct asked {
    enum verdict verdict;
    size_t bytes;   /* of the stream, the body included; ASKED_BAD, and if it is not known: all */
    bool is_framed; /* where the next one begins is known */
    struct slice method, target;
    bool accepts_codings; /* it says something of that, whatever */
    bool is_1_0;
    bool wants_close; /* or does not ask for an open connection in HTTP/1.0 */
    bool has_range, has_condition, has_expectation;
};

/* The next request of the stream. */
struct asked asked_next(struct slice stream, const struct asked_limits *limits);

/* ---- responses ---- */

enum { ANSWER_FIELDS_MAX = 64 };

struct answer_field {
    struct slice name, value;
};

struct answer {
    unsigned status;
    struct slice reason;
    struct answer_field fields[ANSWER_FIELDS_MAX];
    size_t field_count;
    struct slice body;
    size_t bytes; /* of the stream */
    bool closes;
};

/* The next response of the stream, to a request with this method. Returns NULL, or the rule that it
 * breaks. */
const char *answer_next(struct slice stream, bool is_head, struct answer *out_answer);

/* The value of the field, which is there at most once; empty if it is not. */
struct slice answer_value(const struct answer *answer, const char *name);
bool answer_has(const struct answer *answer, const char *name);

/* A number at the start of *text, which moves behind it; UINT64_MAX: there is none. */
uint64_t take_decimal(struct slice *text);

/* Takes `word` off *text. False: it does not start so. */
bool take_word(struct slice *text, const char *word);

/* Is the word in the text, as letters without case? */
bool has_word(struct slice text, const char *word);

#endif
