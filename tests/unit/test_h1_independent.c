/* Our request parser against one of another origin, Debian's libhttp-parser, which Node.js had for
 * ten years: seeds and 300,000 mutants of them. What ours takes for a request the other has to take
 * for the same one, with the same end: two parsers that read a stream differently are what request
 * smuggling lives on (RFC 9112 §11.2). Ours may refuse more. And what comes in pieces is read as
 * what comes at once. */
#include "http/h1_body.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define http_method http_parser_method /* both have an enum of that name */
#include <http_parser.h>
#undef http_method

enum { MUTANTS = 300000, MUTANT_BYTES_MAX = 4096, FIELDS_MAX = 200, COMPLAINTS_MAX = 10 };

/* How far a parser gets with the first request of a stream. */
enum progress {
    WANTS_HEAD,
    WANTS_BODY,
    WHOLE,
    REFUSED_HEAD,
    REFUSED_BODY,
};

static bool has_head(enum progress progress)
{
    return progress == WANTS_BODY || progress == WHOLE || progress == REFUSED_BODY;
}

/* ---- ours ---- */

struct ours {
    enum progress progress;
    struct request request; /* if it has a head */
    size_t bytes;           /* WHOLE: head and body */
    uint64_t data;          /* of the body, without framing; if it has a head */
    unsigned status;        /* if it is refused */
};

static struct limits limits;

/* Bodies may be short only, so that mutants have longer ones. */
static void set_limits(void)
{
    limits_init(&limits);
    limits.body_bytes = 60;
}

/* Continues a body with `input`, which begins `at` bytes behind the request's first. */
static void read_our_body(struct ours *ours, struct h1_body *body, struct slice input, size_t at)
{
    size_t used = 0;
    enum h1_result result = h1_body_skip(body, input, &used, &ours->status);
    ours->progress = result == H1_OK ? WHOLE : result == H1_MORE ? WANTS_BODY : REFUSED_BODY;
    ours->bytes = at + used;
    ours->data = body->data;
}

/* True: there is a body to read, and *out_body is at its start. */
static bool read_our_head(struct ours *ours, struct slice input, struct h1_body *out_body)
{
    static unsigned char noise; /* so that nothing that it leaves out looks right */
    noise = (unsigned char)(noise + 85);
    memset(&ours->request, noise, offsetof(struct request, fields));
    enum h1_result result = h1_parse(input, &limits, &ours->request, &ours->status);
    ours->progress = result == H1_OK ? WHOLE : result == H1_MORE ? WANTS_HEAD : REFUSED_HEAD;
    ours->data = 0;
    if (result != H1_OK || ours->request.body == BODY_NONE) {
        ours->bytes = result == H1_OK ? ours->request.head_bytes : 0;
        return false;
    }
    h1_body_init(out_body, &ours->request, limits.body_bytes);
    return true;
}

static void read_ours(struct ours *ours, struct slice input)
{
    struct h1_body body;
    if (read_our_head(ours, input, &body)) {
        size_t head = ours->request.head_bytes;
        read_our_body(ours, &body, slice_after(input, head), head);
    }
}

/* ---- theirs ---- */

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

static void extend(struct slice *slice, const char *at, size_t count)
{
    slice->bytes = slice->count == 0 ? at : slice->bytes;
    slice->count = (size_t)(at - slice->bytes) + count;
}

static int on_target(http_parser *parser, const char *at, size_t count)
{
    extend(&((struct theirs *)parser->data)->target, at, count);
    return 0;
}

static int on_name(http_parser *parser, const char *at, size_t count)
{
    struct theirs *theirs = parser->data;
    if (theirs->head_bytes > 0) {
        return 0; /* a trailer */
    }
    if (theirs->is_in_value || theirs->field_count == 0) {
        theirs->is_in_value = false;
        if (theirs->field_count == FIELDS_MAX) {
            return 1;
        }
        theirs->fields[theirs->field_count].name = (struct slice){at, 0};
        theirs->fields[theirs->field_count++].value = (struct slice){at, 0};
    }
    extend(&theirs->fields[theirs->field_count - 1].name, at, count);
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t count)
{
    struct theirs *theirs = parser->data;
    if (theirs->head_bytes == 0) {
        theirs->is_in_value = true;
        extend(&theirs->fields[theirs->field_count - 1].value, at, count);
    }
    return 0;
}

static int on_data(http_parser *parser, const char *at, size_t count)
{
    (void)at;
    ((struct theirs *)parser->data)->data += count;
    return 0;
}

/* Stops, so that http_parser_execute tells where. */
static int on_end(http_parser *parser)
{
    http_parser_pause(parser, 1);
    return 0;
}

static int on_end_of_message(http_parser *parser)
{
    ((struct theirs *)parser->data)->progress = WHOLE;
    return on_end(parser);
}

static const http_parser_settings settings = {
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_end,
    .on_body = on_data,
    .on_message_complete = on_end_of_message,
};

static void read_theirs(struct theirs *theirs, struct slice input)
{
    http_parser *parser = &theirs->parser;
    http_parser_init(parser, HTTP_REQUEST);
    parser->data = theirs;
    theirs->progress = WANTS_HEAD;
    theirs->field_count = 0;
    theirs->is_in_value = false;
    theirs->target = (struct slice){"", 0};
    theirs->head_bytes = 0;
    theirs->data = 0;
    size_t at = http_parser_execute(parser, &settings, input.bytes, input.count);
    if (HTTP_PARSER_ERRNO(parser) == HPE_PAUSED) {
        theirs->head_bytes = at + 1; /* it stops at the last LF */
        theirs->length = parser->content_length;
        theirs->is_chunked = (parser->flags & F_CHUNKED) != 0;
        theirs->progress = WANTS_BODY;
        http_parser_pause(parser, 0);
        at += http_parser_execute(parser, &settings, input.bytes + at, input.count - at);
    }
    theirs->bytes = at;
    theirs->error_at = at;
    theirs->error = HTTP_PARSER_ERRNO(parser);
    if (theirs->error != HPE_OK && theirs->error != HPE_PAUSED) {
        theirs->progress = theirs->head_bytes > 0 ? REFUSED_BODY : REFUSED_HEAD;
    }
}

/* ---- where the other parser errs, or both may be right ---- */

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

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

static const struct {
    const char *name;
    const char *why;
    struct slice input; /* ours accepts it */
    enum http_errno error;
} exceptions[EXCEPTIONS] = {
    [UNKNOWN_METHOD] = {"unknown method",
                        "any token is a method (RFC 9110 §9.1); http_parser has a list of 34",
                        TEXT("BREW / HTTP/1.1\r\nHost: a\r\n\r\n"), HPE_INVALID_METHOD},
    [UNJUDGED_TARGET] = {"target of an unknown method",
                         "501 whatever it is: ours only looks for its end",
                         TEXT("LOCK ?x HTTP/1.1\r\nHost: a\r\n\r\n"), HPE_INVALID_URL},
    [TAB_BEHIND_VALUE] = {"tab behind a length or a coding",
                          "OWS is spaces and tabs (RFC 9110 §5.6.3); http_parser knows spaces",
                          TEXT("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\t\r\n\r\na"),
                          HPE_INVALID_CONTENT_LENGTH},
    [LONGER_NAME] = {"name that begins with Transfer-Encoding",
                     "http_parser remembers that the field was there before the name is over",
                     TEXT("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding-X: a\r\n\r\n"),
                     HPE_INVALID_TRANSFER_ENCODING},
    [TAB_IN_CHUNK_LINE] = {"tab before a chunk extension", "BWS as well (RFC 9112 §7.1.1)",
                           TEXT("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "1\t;x\r\na\r\n0\r\n\r\n"),
                           HPE_INVALID_CHUNK_SIZE},
    [LENGTH_IN_TRAILER] = {"Content-Length in a trailer",
                           "it frames nothing there (RFC 9110 §6.5.1): dropped like all trailers; "
                           "http_parser reads it as a length, which it then does not use",
                           TEXT("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "0\r\nContent-Length: x\r\n\r\n"),
                           HPE_INVALID_CONTENT_LENGTH},
    [CONNECT_WITH_BODY] = {"CONNECT with a body",
                           "framed like any other (RFC 9112 §6.3), and ours never makes a tunnel; "
                           "for http_parser the tunnel begins behind the head",
                           TEXT("CONNECT a:80 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"),
                           HPE_PAUSED},
};

static size_t exception_counts[EXCEPTIONS];

/* The input of the other parser: the stream, but for what the exceptions change, so that the rest
 * of it is compared all the same. */
struct stand_in {
    struct slice stream;
    char bytes[MUTANT_BYTES_MAX + 8];
    size_t count;
    bool has_other_line; /* as its first */
    ptrdiff_t shift;     /* from a place in it to the place in the stream */
};

static bool is_their_method(struct slice name)
{
#define METHOD_NAME(number, constant, string) #string,
    static const char *const names[] = {HTTP_METHOD_MAP(METHOD_NAME)};
#undef METHOD_NAME
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (slice_equal(name, slice_of_string(names[i]))) {
            return true;
        }
    }
    return false;
}

/* Instead of an unknown method and its target: "GET /". */
static bool replace_request_line(struct stand_in *in, const struct theirs *theirs)
{
    struct slice rest = in->stream;
    while (slice_starts_with(rest, SLICE("\r\n"))) {
        rest = slice_after(rest, 2);
    }
    bool is_known = is_their_method(slice_take(&rest, ' '));
    if (in->has_other_line || theirs->error != (is_known ? HPE_INVALID_URL : HPE_INVALID_METHOD)) {
        return false;
    }
    (void)slice_take(&rest, ' ');
    exception_counts[is_known ? UNJUDGED_TARGET : UNKNOWN_METHOD]++;
    memmove(in->bytes + 6, in->bytes + (rest.bytes - in->stream.bytes), rest.count);
    memcpy(in->bytes, "GET / ", 6);
    in->count = 6 + rest.count;
    in->has_other_line = true;
    in->shift = (rest.bytes - in->stream.bytes) - 6;
    return true;
}

/* What our reading of the head tells: instead of tabs behind the values of fields that frame the
 * body, spaces; instead of names that begin with Transfer-Encoding, others. */
static void replace_in_fields(struct stand_in *in, const struct request *request)
{
    static const struct slice coding = {"transfer-encoding", 17};
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        char *name = in->bytes + (field->name.bytes - in->stream.bytes);
        if (field->name.count > coding.count &&
            slice_equal_ignoring_case((struct slice){name, coding.count}, coding)) {
            exception_counts[LONGER_NAME]++;
            *name = 'X';
        }
        if (field->id == FIELD_CONTENT_LENGTH || field->id == FIELD_TRANSFER_ENCODING) {
            char *end = in->bytes + (field->value.bytes + field->value.count - in->stream.bytes);
            size_t count = strcspn(end, "\r");
            exception_counts[TAB_BEHIND_VALUE] += memchr(end, '\t', count) != NULL;
            memset(end, ' ', count);
        }
    }
}

static size_t line_start(const struct stand_in *in, size_t at)
{
    while (at > 0 && in->bytes[at - 1] != '\n') {
        at--;
    }
    return at;
}

/* Instead of Content-Length in the trailer section: a name that means nothing. It is in the line
 * where the other parser stopped, or without a value in the one before. */
static bool replace_trailer(struct stand_in *in, const struct theirs *theirs)
{
    static const struct slice name = {"content-length", 14};
    size_t start = line_start(in, theirs->error_at);
    for (int i = 0; i < 2 && start > theirs->head_bytes; i++) {
        struct slice line = {in->bytes + start, in->count - start};
        line.count = line.count < name.count ? line.count : name.count;
        if (theirs->is_chunked && slice_equal_ignoring_case(line, name)) {
            exception_counts[LENGTH_IN_TRAILER]++;
            in->bytes[start] = 'X';
            return true;
        }
        start = line_start(in, start - 1);
    }
    return false;
}

/* Changes the stand-in where an exception is why the other parser refused it. False: none is. */
static bool make_exception(struct stand_in *in, const struct ours *ours,
                           const struct theirs *theirs)
{
    if (theirs->progress != REFUSED_HEAD && theirs->progress != REFUSED_BODY) {
        return false;
    }
    switch (theirs->error) {
    case HPE_INVALID_METHOD:
    case HPE_INVALID_URL:
        return ours->request.method == METHOD_UNKNOWN && replace_request_line(in, theirs);
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return theirs->progress == REFUSED_BODY && replace_trailer(in, theirs);
    case HPE_INVALID_CHUNK_SIZE:
        if (theirs->error_at >= in->count || in->bytes[theirs->error_at] != '\t') {
            return false;
        }
        exception_counts[TAB_IN_CHUNK_LINE]++;
        in->bytes[theirs->error_at] = ' ';
        return true;
    default:
        return false;
    }
}

/* ---- the comparison: NULL, or what differs ---- */

static const char *compare_method(const struct ours *ours, const struct theirs *theirs)
{
    enum http_method method = METHOD_UNKNOWN;
    switch (theirs->parser.method) {
    case HTTP_GET:
        method = METHOD_GET;
        break;
    case HTTP_HEAD:
        method = METHOD_HEAD;
        break;
    case HTTP_OPTIONS:
        method = METHOD_OPTIONS;
        break;
    case HTTP_POST:
    case HTTP_PUT:
    case HTTP_DELETE:
    case HTTP_CONNECT:
    case HTTP_TRACE:
    case HTTP_PATCH:
        method = METHOD_NOT_ALLOWED;
        break;
    default:
        break;
    }
    return ours->request.method == method ? NULL : "another method";
}

static size_t parsed_targets, unparsed_targets;

static struct slice part_of(struct slice target, const struct http_parser_url *url, unsigned part)
{
    if ((url->field_set >> part & 1) == 0) {
        return (struct slice){"", 0};
    }
    return (struct slice){target.bytes + url->field_data[part].off, url->field_data[part].len};
}

/* Path, query and authority as http_parser_parse_url splits them. It knows fewer characters in a
 * host than RFC 3986 §3.2.2, and no empty port: those are only counted. */
static const char *compare_parts(const struct request *request, struct slice target)
{
    struct http_parser_url url;
    http_parser_url_init(&url);
    if (http_parser_parse_url(target.bytes, target.count, 0, &url) != 0) {
        unparsed_targets++;
        return NULL;
    }
    parsed_targets++;
    struct slice path = part_of(target, &url, UF_PATH);
    struct slice query = part_of(target, &url, UF_QUERY);
    struct slice host = part_of(target, &url, UF_HOST);
    struct slice port = part_of(target, &url, UF_PORT);
    if (!slice_equal(request->path, path.count == 0 ? SLICE("/") : path)) {
        return "another path";
    }
    if (!slice_equal(slice_after(request->query, 1), query)) {
        return "another query";
    }
    if (target.bytes[0] == '/') {
        return NULL;
    }
    struct slice our_host = request->host;
    if (our_host.bytes[0] == '[') {
        our_host = slice_take(&our_host, ']');
        our_host = slice_after(our_host, 1);
    } else {
        our_host = slice_take(&our_host, ':');
    }
    bool ends_alike =
        port.count == 0 ||
        (request->host.count > port.count &&
         slice_equal(slice_after(request->host, request->host.count - port.count), port));
    return slice_equal(our_host, host) && ends_alike ? NULL : "another authority";
}

/* The parts of ours, put together, are the target that the other parser saw. */
static const char *compare_target(const struct request *request, const struct theirs *theirs)
{
    struct slice rest = theirs->target;
    if (request->method == METHOD_UNKNOWN || theirs->parser.method == HTTP_CONNECT) {
        return slice_equal(request->path, SLICE("/")) && request->query.count == 0 ? NULL
                                                                                   : "a path";
    }
    if (slice_equal(rest, SLICE("*"))) {
        return request->is_asterisk ? NULL : "no asterisk";
    }
    if (rest.count > 0 && rest.bytes[0] != '/') {
        struct slice scheme = slice_take(&rest, ':');
        if (!slice_equal_ignoring_case(scheme, SLICE("http")) &&
            !slice_equal_ignoring_case(scheme, SLICE("https"))) {
            return "another scheme";
        }
        rest = slice_after(rest, 2);
        if (!slice_starts_with(rest, request->host)) {
            return "another host";
        }
        rest = slice_after(rest, request->host.count);
        if (rest.count > 0 && rest.bytes[0] != '/' && rest.bytes[0] != '?') {
            return "a host that does not end there";
        }
    }
    if (rest.count == 0 || rest.bytes[0] == '?') {
        rest = slice_equal(request->path, SLICE("/")) ? rest : SLICE("no such path");
    } else {
        rest = slice_starts_with(rest, request->path) ? slice_after(rest, request->path.count)
                                                      : SLICE("no such path");
    }
    return slice_equal(rest, request->query) ? compare_parts(request, theirs->target)
                                             : "another path or query";
}

/* Names by where they are: one may have been replaced. */
static const char *compare_fields(const struct request *request, const struct theirs *theirs,
                                  const struct stand_in *in)
{
    if (request->field_count != theirs->field_count) {
        return "another number of fields";
    }
    bool has_own_host = theirs->target.count > 0 && theirs->target.bytes[0] != '/' &&
                        request->method != METHOD_UNKNOWN &&
                        theirs->parser.method != HTTP_CONNECT &&
                        !slice_equal(theirs->target, SLICE("*"));
    for (size_t i = 0; i < request->field_count; i++) {
        struct slice name = theirs->fields[i].name;
        struct slice value = slice_trim(theirs->fields[i].value);
        struct slice our_name = request->fields[i].name;
        if (our_name.bytes - in->stream.bytes != name.bytes - in->bytes + in->shift ||
            our_name.count != name.count) {
            return "another field name";
        }
        if (!slice_equal(request->fields[i].value, value)) {
            return "another field value";
        }
        if (slice_equal_ignoring_case(name, SLICE("host")) && !has_own_host &&
            !slice_equal(request->host, value)) {
            return "another host";
        }
    }
    return NULL;
}

static const char *compare_framing(const struct request *request, const struct theirs *theirs)
{
    if ((request->body == BODY_CHUNKED) != theirs->is_chunked) {
        return "chunked for one of them";
    }
    uint64_t length = theirs->length == UINT64_MAX ? 0 : theirs->length;
    uint64_t our_length = request->body == BODY_LENGTH ? request->body_bytes : 0;
    return theirs->is_chunked || our_length == length ? NULL : "another length";
}

static const char *compare_heads(const struct ours *ours, const struct theirs *theirs,
                                 const struct stand_in *in)
{
    if (!has_head(theirs->progress)) {
        return "a head that the other does not take";
    }
    if (ours->request.head_bytes != theirs->head_bytes + (size_t)in->shift) {
        return "another end of the head";
    }
    const char *what = in->has_other_line ? NULL : compare_method(ours, theirs);
    what = what != NULL ? what : compare_target(&ours->request, theirs);
    what = what != NULL ? what : compare_fields(&ours->request, theirs, in);
    return what != NULL ? what : compare_framing(&ours->request, theirs);
}

static const char *compare(const struct ours *ours, const struct theirs *theirs,
                           const struct stand_in *in)
{
    if (ours->progress == WANTS_HEAD) {
        /* Debian's build takes any byte behind a CR for LF */
        bool has_end = has_head(theirs->progress) && in->bytes[theirs->head_bytes - 1] == '\n';
        return has_end ? "a head that ours is still waiting for" : NULL;
    }
    const char *what = compare_heads(ours, theirs, in);
    if (what != NULL || ours->progress == REFUSED_BODY) {
        return what;
    }
    if (theirs->parser.method == HTTP_CONNECT && ours->request.body != BODY_NONE) {
        exception_counts[CONNECT_WITH_BODY]++;
        return theirs->progress == WHOLE && theirs->bytes == theirs->head_bytes ? NULL
                                                                                : "no tunnel";
    }
    if (ours->progress != theirs->progress) {
        return ours->progress == WHOLE ? "a body that the other does not take"
                                       : "a body that ends for the other, or is refused";
    }
    if (ours->progress == WHOLE && ours->bytes != theirs->bytes + (size_t)in->shift) {
        return "another end of the message";
    }
    return ours->data == theirs->data ? NULL : "another body";
}

/* ---- in pieces ---- */

static uint64_t random_state;

static size_t random_below(size_t limit)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (size_t)(random_state >> 33) % limit;
}

/* In a block of exactly that size, so that a read behind the input is found. */
static char *copy_of(struct slice text)
{
    char *copy = malloc(text.count + (text.count == 0));
    memcpy(copy, text.bytes, text.count);
    return copy;
}

/* As the server reads: the head again and again from the front, with more behind it each time, then
 * each piece of the body once. The request's slices are of what is returned, for the caller to
 * free. */
static char *read_in_pieces(struct ours *ours, struct slice stream, size_t piece_max)
{
    char *kept = NULL;
    struct h1_body body;
    size_t shown = 0;
    ours->progress = WANTS_HEAD;
    while (shown < stream.count && (ours->progress == WANTS_HEAD || ours->progress == WANTS_BODY)) {
        size_t piece = 1 + random_below(piece_max);
        piece = piece < stream.count - shown ? piece : stream.count - shown;
        if (ours->progress == WANTS_BODY) {
            char *bytes = copy_of((struct slice){stream.bytes + shown, piece});
            read_our_body(ours, &body, (struct slice){bytes, piece}, shown);
            free(bytes);
        } else {
            free(kept);
            struct slice input = {stream.bytes, shown + piece};
            kept = copy_of(input);
            input.bytes = kept;
            if (read_our_head(ours, input, &body)) {
                size_t head = ours->request.head_bytes;
                read_our_body(ours, &body, slice_after(input, head), head);
            }
        }
        shown += piece;
    }
    return kept;
}

static bool is_same_request(const struct request *a, const struct request *b)
{
    if (a->method != b->method || a->version_minor != b->version_minor ||
        a->keep_alive != b->keep_alive || a->is_asterisk != b->is_asterisk ||
        a->expects_continue != b->expects_continue || a->refusal != b->refusal ||
        a->body != b->body || a->body_bytes != b->body_bytes || a->head_bytes != b->head_bytes ||
        a->known != b->known || a->field_count != b->field_count ||
        !slice_equal(a->path, b->path) || !slice_equal(a->query, b->query) ||
        !slice_equal(a->host, b->host)) {
        return false;
    }
    for (size_t i = 0; i < a->field_count; i++) {
        if (!slice_equal(a->fields[i].name, b->fields[i].name) ||
            !slice_equal(a->fields[i].value, b->fields[i].value) ||
            a->fields[i].id != b->fields[i].id) {
            return false;
        }
    }
    return true;
}

static const char *compare_pieces(const struct ours *whole, const struct ours *pieces)
{
    if (whole->progress != pieces->progress) {
        return "another verdict in pieces";
    }
    if (has_head(whole->progress)
            ? !is_same_request(&whole->request, &pieces->request) || whole->data != pieces->data
            : whole->progress == REFUSED_HEAD && whole->status != pieces->status) {
        return "another head in pieces";
    }
    if (whole->progress == REFUSED_BODY && whole->status != pieces->status) {
        return "another status in pieces";
    }
    return whole->progress == WHOLE && whole->bytes != pieces->bytes ? "another end in pieces"
                                                                     : NULL;
}

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
            char head[MUTANT_BYTES_MAX + 64];
            struct slice value = theirs->fields[i].value;
            unsigned status;
            int count = snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %.*s\r\n\r\n",
                                 (int)value.count, value.bytes);
            is_odd |=
                h1_parse((struct slice){head, (size_t)count}, &limits, &request, &status) != H1_OK;
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

static size_t complaints;
static size_t accepted, accepted_chunked, accepted_length, waiting, refused_by_both,
    refused_by_ours;

/* On one line, until the next call. */
static const char *escaped(struct slice stream)
{
    static char text[4 * MUTANT_BYTES_MAX + 1];
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
    static struct stand_in in;
    const char *what = NULL;
    in.stream = stream;
    in.count = stream.count;
    in.shift = 0;
    in.has_other_line = false;
    memcpy(in.bytes, stream.bytes, stream.count);
    read_ours(&ours, stream);
    read_theirs(&theirs, (struct slice){in.bytes, in.count});
    count_verdicts(stream);
    if (ours.progress != REFUSED_HEAD) {
        if (has_head(ours.progress)) {
            replace_in_fields(&in, &ours.request);
            read_theirs(&theirs, (struct slice){in.bytes, in.count});
        }
        while (has_head(ours.progress) && make_exception(&in, &ours, &theirs)) {
            read_theirs(&theirs, (struct slice){in.bytes, in.count});
        }
        what = compare(&ours, &theirs, &in);
    }
    static const size_t sizes[] = {1, 3, 20, 100, 400};
    char *kept = read_in_pieces(&pieces, stream, sizes[random_below(ARRAY_COUNT(sizes))]);
    what = what != NULL ? what : compare_pieces(&ours, &pieces);
    free(kept);
    return what;
}

/* How many requests ours takes off the stream; *out_bytes is how long they are. */
static size_t run_stream(struct slice stream, const char *origin, size_t *out_bytes)
{
    char *copy = copy_of(stream);
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

Test(h1_independent, exceptions_are_what_they_are_said_to_be, .init = set_limits)
{
    for (size_t i = 0; i < EXCEPTIONS; i++) {
        size_t bytes;
        size_t before = exception_counts[i];
        read_theirs(&theirs, exceptions[i].input);
        cr_expect(theirs.error == exceptions[i].error, "%s: %s", exceptions[i].name,
                  http_errno_name(theirs.error));
        cr_expect(run_stream(exceptions[i].input, exceptions[i].name, &bytes) == 1 &&
                      bytes == exceptions[i].input.count,
                  "%s", exceptions[i].name);
        cr_expect(exception_counts[i] == before + 1, "%s", exceptions[i].name);
    }
}

Test(h1_independent, seeds, .init = set_limits)
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
    char bytes[MUTANT_BYTES_MAX];
    size_t count;
};

/* Puts `text` in the place of the `removed` bytes at `at`; nothing if there is no room. */
static void replace(struct mutant *mutant, size_t at, size_t removed, struct slice text)
{
    removed = removed < mutant->count - at ? removed : mutant->count - at;
    if (mutant->count - removed + text.count > MUTANT_BYTES_MAX) {
        return;
    }
    char inserted[MUTANT_BYTES_MAX]; /* it may be of the mutant itself */
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
           parsed_targets, unparsed_targets);
    for (size_t i = 0; i < REASONS; i++) {
        printf("refused by ours alone: %zu: %s\n", reason_counts[i], reason_names[i]);
    }
    for (size_t i = 0; i < EXCEPTIONS; i++) {
        printf("exception: %zu: %s: %s\n", exception_counts[i], exceptions[i].name,
               exceptions[i].why);
    }
}

Test(h1_independent, mutants, .init = set_limits)
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
        cr_expect(exception_counts[i] > 0 && exception_counts[i] < MUTANTS / 20, "%s: %zu",
                  exceptions[i].name, exception_counts[i]);
    }
}
