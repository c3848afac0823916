/* Our request parser beside one of another origin, Debian's libhttp-parser, which Node.js had for
 * ten years. What ours takes for a request the other has to take for the same one, with the same
 * end: two parsers that read a stream differently are what request smuggling lives on (RFC 9112
 * §11.2). Ours may refuse more. For a unit test with mutants and for a fuzz target. One thread. */
#ifndef CAIRN_TESTS_H1_COMPARISON_H
#define CAIRN_TESTS_H1_COMPARISON_H

#include "http/h1_body.h"

#define http_method http_parser_method /* both have an enum of that name */
#include <http_parser.h>
#undef http_method

enum { H1_COMPARED_BYTES_MAX = 4096, FIELDS_MAX = 200 };

/* How far a parser gets with the first request of a stream. */
enum progress {
    WANTS_HEAD,
    WANTS_BODY,
    WHOLE,
    REFUSED_HEAD,
    REFUSED_BODY,
};

/* What ours says of it. */
struct ours {
    enum progress progress;
    struct request request; /* if it has a head */
    size_t bytes;           /* WHOLE: head and body */
    uint64_t data;          /* of the body, without framing; if it has a head */
    unsigned status;        /* if it is refused */
};

/* And the other. */
struct theirs {
    enum progress progress;
    http_parser parser;
    enum http_errno error;
    size_t error_at;
    uint64_t length; /* as Content-Length has it; UINT64_MAX: none */
    bool is_chunked;
    size_t head_bytes;
    size_t bytes;
    uint64_t data;
    struct slice target;
    size_t field_count;
    bool is_in_value;
    struct {
        struct slice name, value;
    } fields[FIELDS_MAX];
};

/* Where the other parser errs, or both may be right. */
enum exception {
    UNKNOWN_METHOD,
    UNJUDGED_TARGET,
    TAB_BEHIND_VALUE,
    LONGER_NAME,
    TAB_IN_CHUNK_LINE,
    LENGTH_IN_TRAILER,
    CONNECT_WITH_BODY,
    EXCEPTIONS,
};

struct h1_exception {
    const char *name;
    const char *why;
    struct slice input; /* ours accepts it */
    enum http_errno error;
};

extern const struct h1_exception h1_exceptions[EXCEPTIONS];
extern size_t h1_exception_counts[EXCEPTIONS];        /* how often each was made */
extern size_t h1_parsed_targets, h1_unparsed_targets; /* by http_parser_parse_url */

/* The defaults, but bodies may be short only, so that inputs have longer ones. */
extern struct limits h1_limits;
void h1_comparison_init(void);

void h1_ours_read(struct ours *ours, struct slice input);
void h1_theirs_read(struct theirs *theirs, struct slice input);

/* As the server reads: in pieces of 1 to `piece_max` bytes. The request's slices are of what is
 * returned, for the caller to free. */
char *h1_ours_read_pieces(struct ours *ours, struct slice stream, size_t piece_max,
                          uint64_t *random_state);

/* Does the other parser read what h1_ours_read() read out of the stream, at most
 * H1_COMPARED_BYTES_MAX bytes? NULL, or what differs. *theirs is how it read the stream at last:
 * with what the exceptions change. */
const char *h1_compare(struct slice stream, const struct ours *ours, struct theirs *theirs);

/* NULL, or what differs between a stream read at once and in pieces. */
const char *h1_ours_differ(const struct ours *whole, const struct ours *pieces);

/* In a block of exactly that size, so that a read behind the input is found. */
char *h1_copy(struct slice text);

/* From 0 to limit - 1. */
static inline size_t h1_random_below(uint64_t *state, size_t limit)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(*state >> 33) % limit;
}

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

#endif
