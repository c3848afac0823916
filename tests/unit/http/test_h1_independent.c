/* Our request parser against one of another origin (h1_comparison.h): seeds and 300,000 mutants of
 * them. And what comes in pieces is read as what comes at once. */
#include "h1_comparison.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum { MUTANTS = 300000, COMPLAINTS_MAX = 10 };

/* ---- what the other parser takes and ours does not ---- */

enum reason {
    BARE_LF,
    BARE_CR,
    IN_FRONT,
    REQUEST_LINE,
    VERSION,
    TARGET,
    FIELD_NAME,
    FIELD_VALUE,
    FOLDED,
    HOST,
    FRAMING,
    BODY_TOO_LONG,
    CHUNK_LINE_OR_TRAILER,
    OTHER,
    REASONS,
};

static const char *const reason_names[REASONS] = {
    [BARE_LF] = "a line of the head that ends in LF alone",
    [BARE_CR] = "a CR with another byte than LF behind it",
    [IN_FRONT] = "a CR or LF alone before the request line",
    [REQUEST_LINE] = "not exactly one space in the request line",
    [VERSION] = "none, or another version than HTTP/1.x",
    [TARGET] = "the form or the characters of the target",
    [FIELD_NAME] = "a space in or behind a field name",
    [FIELD_VALUE] = "a control character at the start of a field value",
    [FOLDED] = "a folded line",
    [HOST] = "no Host, two, or one that is none",
    [FRAMING] = "Transfer-Encoding in HTTP/1.0 or with other codings, a length of 20 digits",
    [BODY_TOO_LONG] = "a body that is too long",
    [CHUNK_LINE_OR_TRAILER] = "a chunk extension or a trailer",
    [OTHER] = "something else",
};

static size_t reason_counts[REASONS];

static enum reason reason_of_fields(struct slice head, const struct theirs *theirs)
{
    size_t framings = 0;
    for (size_t i = 0; i < theirs->field_count; i++) {
        struct slice name = theirs->fields[i].name;
        struct slice value = theirs->fields[i].value;
        if (memchr(name.bytes, ' ', name.count) != NULL) {
            return FIELD_NAME;
        }
        if (memchr(value.bytes, '\r', value.count) != NULL) {
            return FOLDED;
        }
        if (value.count > 0 && value.bytes[0] != '\r' && iscntrl((unsigned char)value.bytes[0])) {
            return FIELD_VALUE;
        }
        framings += slice_equal_ignoring_case(name, SLICE("transfer-encoding")) ||
                    (slice_equal_ignoring_case(name, SLICE("content-length")) && value.count > 19);
    }
    if (memmem(head.bytes, head.count, "\n ", 2) != NULL ||
        memmem(head.bytes, head.count, "\n\t", 2) != NULL) {
        return FOLDED;
    }
    return framings > 0 ? FRAMING : OTHER;
}

/* A Host that is missing or twice there, or has bytes that no host has. Ours alone knows the rest
 * of the grammar, so that what is left is looked for with a good Host instead. */
static bool is_host_the_reason(const struct theirs *theirs)
{
    size_t hosts = 0;
    bool is_odd = false;
    for (size_t i = 0; i < theirs->field_count; i++) {
        if (slice_equal_ignoring_case(theirs->fields[i].name, SLICE("host"))) {
            static struct request request;
            char head[H1_COMPARED_BYTES_MAX + 64];
            struct slice value = theirs->fields[i].value;
            unsigned status;
            int count = snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %.*s\r\n\r\n",
                                 (int)value.count, value.bytes);
            is_odd |= h1_parse((struct slice){head, (size_t)count}, &h1_limits, &request,
                               &status) != H1_OK;
            hosts++;
        }
    }
    return is_odd || hosts > 1 || (hosts == 0 && theirs->parser.http_minor > 0);
}

static bool is_target_the_reason(const struct theirs *theirs)
{
    struct slice target = theirs->target;
    for (size_t i = 0; i < target.count; i++) {
        if ((unsigned char)target.bytes[i] <= ' ' || target.bytes[i] == '#') {
            return true;
        }
    }
    return target.count == 0 || target.bytes[0] != '/' || theirs->parser.method == HTTP_CONNECT;
}

static enum reason reason_of_line_ends(struct slice head)
{
    if (head.count > 0 && (head.bytes[0] == '\r' || head.bytes[0] == '\n')) {
        return IN_FRONT;
    }
    for (size_t i = 1; i < head.count; i++) {
        bool is_after_cr = head.bytes[i - 1] == '\r';
        if (is_after_cr != (head.bytes[i] == '\n')) {
            return is_after_cr ? BARE_CR : BARE_LF;
        }
    }
    return OTHER;
}

static enum reason reason_of_request_line(struct slice line)
{
    size_t spaces = 0;
    for (size_t i = 0; i < line.count; i++) {
        spaces += line.bytes[i] == ' ';
    }
    const char *last = memrchr(line.bytes, ' ', line.count);
    struct slice version = last == NULL ? line : slice_after(line, (size_t)(last + 1 - line.bytes));
    if (version.count != 8 || !slice_starts_with(version, SLICE("HTTP/1."))) {
        return VERSION;
    }
    return spaces == 2 ? OTHER : REQUEST_LINE;
}

static enum reason reason_of(struct slice stream, const struct ours *ours,
                             const struct theirs *theirs)
{
    if (ours->progress == REFUSED_BODY) {
        return ours->status == 413 ? BODY_TOO_LONG : CHUNK_LINE_OR_TRAILER;
    }
    struct slice head = {stream.bytes, theirs->head_bytes};
    while (slice_starts_with(head, SLICE("\r\n"))) {
        head = slice_after(head, 2);
    }
    enum reason reason = reason_of_line_ends(head);
    reason = reason != OTHER ? reason : reason_of_request_line(slice_take(&head, '\r'));
    reason = reason != OTHER ? reason : reason_of_fields(head, theirs);
    return reason != OTHER                ? reason
           : is_host_the_reason(theirs)   ? HOST
           : is_target_the_reason(theirs) ? TARGET
                                          : OTHER;
}

/* ---- seeds ---- */

#define HOST_LINE "Host: a.example\r\n"
#define CHUNKED   "Transfer-Encoding: chunked\r\n\r\n"

static const struct seed {
    size_t requests; /* that ours accepts, one behind the other */
    bool is_good;    /* and nothing is left then; else the next is refused */
    struct slice text;
} seeds[] = {
    /* heads */
    {1, true, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("HEAD /a/b.html HTTP/1.1\r\n" HOST_LINE "Accept: */*\r\n\r\n")},
    {1, true, TEXT("\r\n\r\nGET /index.html HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("GET /a%20b;c=d/%2e%2e/?q=1&r=%zz?s HTTP/1.1\r\nHOST:a:8080\r\n\r\n")},
    {1, true, TEXT("GET //x?/../ HTTP/1.1\r\nhost: [2001:db8::1]:80\r\n\r\n")},
    {1, true, TEXT("GET /\xc3\xa9\"<>\\^`{|} HTTP/1.1\r\n" HOST_LINE "X: \xc3\xa9\t\xff\r\n\r\n")},
    {1, true, TEXT("GET / HTTP/1.0\r\n\r\n")},
    {1, true, TEXT("GET /old HTTP/1.0\r\nConnection: keep-alive\r\nUser-Agent: x/1\r\n\r\n")},
    {1, true, TEXT("GET / HTTP/1.2\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("GET / HTTP/1.1\r\nHost:\r\n\r\n")},
    {1, true, TEXT("GET / HTTP/1.1\r\nHost: a%2db_c.!$&'()*+,;=~\r\n\r\n")},
    {1, true, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "!#$%&'*+-.^_`|~9: x\r\nY:\r\nZ: \t \r\n\r\n")},
    {1, true,
     TEXT("GET / HTTP/1.1\r\n" HOST_LINE "Connection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n"
          "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")},
    {1, true,
     TEXT("GET /chat HTTP/1.1\r\n" HOST_LINE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")},
    {1, true,
     TEXT("GET /page HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0 (X11; Linux "
          "x86_64)\r\nAccept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
          "Accept-Encoding: gzip, deflate, br, zstd\r\nIf-None-Match: W/\"a\", \"b\"\r\n"
          "Range: bytes=0-9, -5\r\nCookie: a=b; c=\"d, e\"\r\nConnection: close\r\n\r\n")},
    /* targets */
    {1, true, TEXT("GET http://b.example/x?y HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("GET http://b.example HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("GET HTTP://b.example:8080?y=/ HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("GET http://[::1]:80/a HTTP/1.1\r\nHost: [::1]\r\n\r\n")},
    {1, true, TEXT("GET https://b.example/ HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("OPTIONS * HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("OPTIONS http://b.example HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n")},
    {2, true,
     TEXT("CONNECT [::1]:443 HTTP/1.1\r\n" HOST_LINE "Content-Length: 2\r\n\r\nab"
          "GET / HTTP/1.1\r\n" HOST_LINE "\r\n")},
    /* methods */
    {1, true, TEXT("DELETE /x HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("TRACE /x HTTP/1.1\r\n" HOST_LINE "Max-Forwards: 0\r\n\r\n")},
    {1, true, TEXT("M-SEARCH * HTTP/1.1\r\nHost: 239.255.255.250:1900\r\nMX: 1\r\n\r\n")},
    {1, true,
     TEXT("PROPFIND /dav/ HTTP/1.1\r\n" HOST_LINE "Depth: 1\r\nContent-Length: 0\r\n\r\n")},
    {1, true, TEXT("PURGE /x HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {2, true,
     TEXT("BREW coffee://pot HTTP/1.1\r\n" HOST_LINE "Content-Length: 3\r\n\r\nabc"
          "get / HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("!#$%&'*+-.^_`|~ / HTTP/1.1\r\n" HOST_LINE CHUNKED "0\r\n\r\n")},
    /* bodies */
    {1, true, TEXT("POST /f HTTP/1.1\r\n" HOST_LINE "Content-Length: 5\r\n\r\nhello")},
    {2, true,
     TEXT("PUT /f HTTP/1.1\r\n" HOST_LINE "Expect: 100-continue\r\n"
          "Content-Length: 18 \r\n\r\nGET / HTTP/1.1\r\n\r\n"
          "GET /2 HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, true, TEXT("POST / HTTP/1.0\r\nContent-Length: 0000000000000000002\r\n\r\nab")},
    {1, true, TEXT("PATCH / HTTP/1.1\r\n" HOST_LINE CHUNKED "5\r\nhello\r\n0\r\n\r\n")},
    {1, true,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED
          "000000000000001F;x\r\n0123456789abcdef0123456789abcde\r\n000\r\n\r\n")},
    {1, true,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "3;a=b;c=\"d;\\\"e\" ; f = g\r\nabc\r\n"
          "1 ;x\r\n\n\r\n0;last\r\nX-Sum: 1\r\nEmpty:\r\n\r\n")},
    {2, true,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE "transfer-encoding:\tChunked\r\n\r\n"
          "2\t;x\r\n\r\n\r\n0\r\nTrailer: x\r\n\r\nGET / HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {2, true,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED
          "0\r\nContent-Length: 5\r\nTransfer-Encoding: gzip\r\nHost: b\r\n\r\n"
          "GET / HTTP/1.0\r\n\r\n")},
    {1, true,
     TEXT("POST /u HTTP/1.1\r\n" HOST_LINE "Connection: upgrade\r\nUpgrade: x\r\n"
          "Content-Length: 4\r\n\r\nabcd")},
    /* pipelined */
    {3, true,
     TEXT("GET /1 HTTP/1.1\r\n" HOST_LINE "\r\nHEAD /2?q HTTP/1.1\r\n" HOST_LINE
          "\r\n\r\nGET /3 HTTP/1.0\r\n\r\n")},
    {4, true,
     TEXT("POST /1 HTTP/1.1\r\n" HOST_LINE "Content-Length: 3\r\n\r\nabcPOST /2 "
          "HTTP/1.1\r\n" HOST_LINE CHUNKED "3\r\nabc\r\n0\r\n\r\nGET /3 HTTP/1.1\r\n" HOST_LINE
          "\r\nOPTIONS /4 HTTP/1.1\r\n" HOST_LINE "\r\n")},
    /* refused: lines */
    {0, false, TEXT("GET / HTTP/1.1\n" HOST_LINE "\n")},
    {0, false, TEXT("GET  / HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {0, false, TEXT("GET /\r\n" HOST_LINE "\r\n")},
    {0, false, TEXT("GET / HTTP/2.0\r\n" HOST_LINE "\r\n")},
    {0, false, TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")},
    {0, false, TEXT("GET /a b HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {0, false, TEXT("GET /a#b HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {0, false, TEXT("GET ftp://a.example/ HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {0, false, TEXT("GET http://u@a.example/ HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {0, false, TEXT("\n\rGET / HTTP/1.1\r\n" HOST_LINE "\r\n")},
    {1, false, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "\r\n\nGET / HTTP/1.1\r\n" HOST_LINE "\r\n")},
    /* refused: fields */
    {0, false, TEXT("GET / HTTP/1.1\r\n\r\n")},
    {0, false, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "Host: b.example\r\n\r\n")},
    {0, false, TEXT("GET / HTTP/1.1\r\nHost : a.example\r\n\r\n")},
    {0, false, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "X: a\r\n b: c\r\n\r\n")},
    {0, false, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "X: a\rY: b\r\n\r\n")},
    {0, false, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "X: a\0b\r\n\r\n")},
    {0, false, TEXT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n")},
    /* refused: framing */
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE "Content-Length: 3\r\n" CHUNKED "0\r\n\r\n")},
    {0, false,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE "Content-Length: 3\r\nContent-Length: 3\r\n"
          "\r\nabc")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE "Content-Length: +3\r\n\r\nabc")},
    {0, false, TEXT("POST / HTTP/1.0\r\n" CHUNKED "0\r\n\r\n")},
    {0, false,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE "Transfer-Encoding: gzip, chunked\r\n\r\n"
          "0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE "Transfer-Encoding: xchunked\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "0x3\r\nabc\r\n0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "3\r\nabcd\r\n0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "3\r\nabc\n0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "3;a\nb\r\nabc\r\n0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "0\r\nX Y: z\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "10000000000000000\r\nx")},
    /* refused: CR or LF with another byte instead of the other; the other parser does not look */
    {0, false, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "\rXGET / HTTP/1.1\r\n")},
    {0, false, TEXT("GET / HTTP/1.1\r\n" HOST_LINE "\r\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "1\rXa\r\n0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "1\r\naX\n0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "1\r\na\rX0\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "1\r\na\r\n0\rX\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "1\r\na\r\n0\r\n\rX")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "0\r\nX: a\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "0\r\nX: a\rY: b\r\n\r\n")},
    {0, false, TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "0\n\n")},
    /* refused: too long */
    {0, false,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE "Content-Length: 61\r\n\r\n"
          "0123456789012345678901234567890123456789012345678901234567890")},
    {0, false,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE CHUNKED "3c\r\n"
          "012345678901234567890123456789012345678901234567890123456789\r\n1\r\n0\r\n0\r\n\r\n")},
    {0, false,
     TEXT("POST / HTTP/1.1\r\n" HOST_LINE "Content-Length: 9999999999999999999\r\n\r\nx")},
};

/* ---- a stream through both ---- */

static uint64_t random_state;

static size_t random_below(size_t limit)
{
    return h1_random_below(&random_state, limit);
}

static size_t complaints;
static size_t accepted, accepted_chunked, accepted_length, waiting, refused_by_both,
    refused_by_ours;

/* On one line, until the next call. */
static const char *escaped(struct slice stream)
{
    static char text[4 * H1_COMPARED_BYTES_MAX + 1];
    size_t used = 0;
    for (size_t i = 0; i < stream.count; i++) {
        unsigned char byte = (unsigned char)stream.bytes[i];
        used += (size_t)sprintf(text + used, byte < 0x20 || byte > 0x7e ? "\\x%02x" : "%c", byte);
    }
    text[used] = '\0';
    return text;
}

static void complain(const char *what, struct slice stream, const char *origin)
{
    cr_expect(false, "%s: %s: %s", origin, what, escaped(stream));
    complaints++;
    cr_assert(complaints < COMPLAINTS_MAX, "enough of it");
}

static struct ours ours, pieces;
static struct theirs theirs;

static void count_verdicts(struct slice stream)
{
    bool is_refused = ours.progress == REFUSED_HEAD || ours.progress == REFUSED_BODY;
    accepted += ours.progress == WHOLE;
    accepted_chunked += ours.progress == WHOLE && ours.request.body == BODY_CHUNKED;
    accepted_length += ours.progress == WHOLE && ours.request.body == BODY_LENGTH;
    waiting += ours.progress == WANTS_HEAD || ours.progress == WANTS_BODY;
    refused_by_both += is_refused && theirs.progress != WHOLE;
    if (is_refused && theirs.progress == WHOLE) {
        enum reason reason = reason_of(stream, &ours, &theirs);
        refused_by_ours++;
        if (reason_counts[reason]++ == 0 && reason == OTHER) {
            printf("refused by ours alone, with %u: \"%s\"\n", ours.status, escaped(stream));
        }
    }
}

/* The next request of the stream, by both parsers. Ours is left in `ours`. */
static const char *compare_one(struct slice stream)
{
    h1_ours_read(&ours, stream);
    h1_theirs_read(&theirs, stream);
    count_verdicts(stream);
    const char *what = h1_compare(stream, &ours, &theirs);
    static const size_t sizes[] = {1, 3, 20, 100, 400};
    size_t size = sizes[random_below(ARRAY_COUNT(sizes))];
    char *kept = h1_ours_read_pieces(&pieces, stream, size, &random_state);
    what = what != NULL ? what : h1_ours_differ(&ours, &pieces);
    free(kept);
    return what;
}

/* How many requests ours takes off the stream; *out_bytes is how long they are. */
static size_t run_stream(struct slice stream, const char *origin, size_t *out_bytes)
{
    char *copy = h1_copy(stream);
    size_t requests = 0;
    size_t at = 0;
    while (at < stream.count) {
        const char *what = compare_one((struct slice){copy + at, stream.count - at});
        if (what != NULL) {
            complain(what, slice_after(stream, at), origin);
        }
        if (ours.progress != WHOLE) {
            break;
        }
        requests++;
        at += ours.bytes;
    }
    free(copy);
    *out_bytes = at;
    return requests;
}

/* ---- tests ---- */

Test(h1_independent, exceptions_are_what_they_are_said_to_be, .init = h1_comparison_init)
{
    for (size_t i = 0; i < EXCEPTIONS; i++) {
        size_t bytes;
        size_t before = h1_exception_counts[i];
        h1_theirs_read(&theirs, h1_exceptions[i].input);
        cr_expect(theirs.error == h1_exceptions[i].error, "%s: %s", h1_exceptions[i].name,
                  http_errno_name(theirs.error));
        cr_expect(run_stream(h1_exceptions[i].input, h1_exceptions[i].name, &bytes) == 1 &&
                      bytes == h1_exceptions[i].input.count,
                  "%s", h1_exceptions[i].name);
        cr_expect(h1_exception_counts[i] == before + 1, "%s", h1_exceptions[i].name);
    }
}

Test(h1_independent, seeds, .init = h1_comparison_init)
{
    for (size_t i = 0; i < ARRAY_COUNT(seeds); i++) {
        char origin[32];
        size_t bytes;
        snprintf(origin, sizeof origin, "seed %zu", i);
        size_t requests = run_stream(seeds[i].text, origin, &bytes);
        cr_expect(requests == seeds[i].requests, "%s: %zu requests: %s", origin, requests,
                  seeds[i].text.bytes);
        bool is_good = bytes == seeds[i].text.count;
        bool is_refused = ours.progress == REFUSED_HEAD || ours.progress == REFUSED_BODY;
        cr_expect(seeds[i].is_good ? is_good : is_refused, "%s: %s", origin, seeds[i].text.bytes);
    }
}

/* ---- mutants ---- */

struct mutant {
    char bytes[H1_COMPARED_BYTES_MAX];
    size_t count;
};

/* Puts `text` in the place of the `removed` bytes at `at`; nothing if there is no room. */
static void replace(struct mutant *mutant, size_t at, size_t removed, struct slice text)
{
    removed = removed < mutant->count - at ? removed : mutant->count - at;
    if (mutant->count - removed + text.count > H1_COMPARED_BYTES_MAX) {
        return;
    }
    char inserted[H1_COMPARED_BYTES_MAX]; /* it may be of the mutant itself */
    memcpy(inserted, text.bytes, text.count);
    memmove(mutant->bytes + at + text.count, mutant->bytes + at + removed,
            mutant->count - at - removed);
    memcpy(mutant->bytes + at, inserted, text.count);
    mutant->count += text.count;
    mutant->count -= removed;
}

/* A line of it, with its end. */
static struct slice random_line(const struct mutant *mutant)
{
    size_t start = random_below(mutant->count);
    while (start > 0 && mutant->bytes[start - 1] != '\n') {
        start--;
    }
    struct slice rest = {mutant->bytes + start, mutant->count - start};
    struct slice line = slice_take(&rest, '\n');
    line.count += line.bytes + line.count < mutant->bytes + mutant->count;
    return line;
}

static const struct slice fragments[] = {
    TEXT("\r\n"),
    TEXT("\n"),
    TEXT("\r"),
    TEXT(" "),
    TEXT("\t"),
    TEXT("\0"),
    TEXT(","),
    TEXT(":"),
    TEXT(";"),
    TEXT("\""),
    TEXT("\\"),
    TEXT("#"),
    TEXT("?"),
    TEXT("%"),
    TEXT("/"),
    TEXT("@"),
    TEXT("["),
    TEXT("\x7f"),
    TEXT("\x80"),
    TEXT("\xff"),
    TEXT("0"),
    TEXT("1"),
    TEXT("9"),
    TEXT("f"),
    TEXT("x"),
    TEXT("-"),
    TEXT("+"),
    TEXT("\r\n\r\n"),
    TEXT("\r\n "),
    TEXT("0\r\n\r\n"),
    TEXT("1\r\nx\r\n"),
    TEXT(";a=b"),
    TEXT("\t;a=\"b\""),
    TEXT("chunked"),
    TEXT(", chunked"),
    TEXT(" HTTP/1.1\r\n"),
    TEXT("http://b/"),
    TEXT("Host: b\r\n"),
    TEXT("X: y\r\n"),
    TEXT("Content-Length: 3\r\n"),
    TEXT("Content-Length: 0\t\r\n"),
    TEXT("Transfer-Encoding: chunked\r\n"),
    TEXT("Transfer-Encoding:chunked \t\r\n"),
    TEXT("Connection: close\r\n"),
    TEXT("Connection: Upgrade\r\nUpgrade: x\r\n"),
    TEXT("CONNECT "),
    TEXT("OPTIONS "),
    TEXT("POST "),
    TEXT("GE"),
};

/* Instead of a CR, LF, space, tab or NUL: another of them. */
static void change_white_space(struct mutant *mutant)
{
    static const char kinds[] = {'\r', '\n', ' ', '\t', '\0'};
    size_t start = random_below(mutant->count);
    for (size_t i = 0; i < mutant->count; i++) {
        char *byte = &mutant->bytes[(start + i) % mutant->count];
        if (memchr(kinds, *byte, sizeof kinds) != NULL) {
            *byte = kinds[random_below(sizeof kinds)];
            return;
        }
    }
}

static void mutate(struct mutant *mutant)
{
    size_t at = random_below(mutant->count);
    static const char tame[] = "abcdefABCDEFxyzXYZ0123456789-_.";
    char byte =
        random_below(3) == 0 ? (char)random_below(256) : tame[random_below(sizeof tame - 1)];
    struct slice fragment = fragments[random_below(ARRAY_COUNT(fragments))];
    struct slice line = random_line(mutant);
    struct slice seed = seeds[random_below(ARRAY_COUNT(seeds))].text;
    size_t line_at = (size_t)(line.bytes - mutant->bytes);
    switch (random_below(12)) {
    case 0:
        replace(mutant, at, 1, (struct slice){&byte, 1});
        break;
    case 1:
        replace(mutant, at, 0, (struct slice){&byte, 1});
        break;
    case 2:
        replace(mutant, at, 1, fragment);
        break;
    case 3:
        replace(mutant, at, 0, fragment);
        break;
    case 4: /* at the start of a line, where most fragments mean something */
        replace(mutant, line_at, 0, fragment);
        break;
    case 5: /* before the end of one */
        replace(mutant, line_at + (line.count >= 2 ? line.count - 2 : 0), 0, fragment);
        break;
    case 6:
        replace(mutant, at, 1 + random_below(random_below(4) == 0 ? 40 : 3), (struct slice){"", 0});
        break;
    case 7: /* a line twice, there or somewhere else */
        replace(mutant, random_below(2) == 0 ? line_at : at, 0, line);
        break;
    case 8:
        replace(mutant, line_at, line.count, random_line(mutant));
        break;
    case 9: /* the end of another seed, or all of it behind this one */
        if (random_below(2) == 0) {
            replace(mutant, at, mutant->count, slice_after(seed, random_below(seed.count)));
        } else {
            replace(mutant, mutant->count, 0, seed);
        }
        break;
    default:
        change_white_space(mutant);
        break;
    }
}

static void print_counts(void)
{
    printf("%d mutants of %zu seeds: %zu requests accepted (%zu chunked, %zu with a length), %zu "
           "unfinished, %zu refused by both, %zu by ours alone\n",
           MUTANTS, ARRAY_COUNT(seeds), accepted, accepted_chunked, accepted_length, waiting,
           refused_by_both, refused_by_ours);
    printf("targets split alike %zu times, not split by http_parser_parse_url %zu times\n",
           h1_parsed_targets, h1_unparsed_targets);
    for (size_t i = 0; i < REASONS; i++) {
        printf("refused by ours alone: %zu: %s\n", reason_counts[i], reason_names[i]);
    }
    for (size_t i = 0; i < EXCEPTIONS; i++) {
        printf("exception: %zu: %s: %s\n", h1_exception_counts[i], h1_exceptions[i].name,
               h1_exceptions[i].why);
    }
}

Test(h1_independent, mutants, .init = h1_comparison_init)
{
    static struct mutant mutant;
    random_state = 20240229;
    for (size_t i = 0; i < MUTANTS; i++) {
        size_t from = i % ARRAY_COUNT(seeds);
        while (!seeds[from].is_good && random_below(4) != 0) {
            from = random_below(ARRAY_COUNT(seeds));
        }
        mutant.count = 0;
        replace(&mutant, 0, 0, seeds[from].text);
        for (size_t steps = 1 + random_below(2) * random_below(3); steps > 0 && mutant.count > 0;
             steps--) {
            mutate(&mutant);
        }
        char origin[64];
        size_t bytes;
        snprintf(origin, sizeof origin, "mutant %zu of seed %zu", i, from);
        run_stream((struct slice){mutant.bytes, mutant.count}, origin, &bytes);
    }
    print_counts();
    /* enough of everything for the comparison to mean something */
    cr_expect(accepted > MUTANTS / 5 && accepted_chunked > MUTANTS / 50 &&
              accepted_length > MUTANTS / 50 && refused_by_both > MUTANTS / 50);
    for (size_t i = 0; i < EXCEPTIONS; i++) {
        cr_expect(h1_exception_counts[i] > 0 && h1_exception_counts[i] < MUTANTS / 20, "%s: %zu",
                  h1_exceptions[i].name, h1_exception_counts[i]);
    }
}
