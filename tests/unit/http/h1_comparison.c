#include "h1_comparison.h"

#include <stdlib.h>

struct limits h1_limits;
size_t h1_exception_counts[EXCEPTIONS];
size_t h1_parsed_targets, h1_unparsed_targets;

void h1_comparison_init(void)
{
    limits_init(&h1_limits);
    h1_limits.body_bytes = 60;
}

static bool has_head(enum progress progress)
{
    return progress == WANTS_BODY || progress == WHOLE || progress == REFUSED_BODY;
}

/* ---- ours ---- */

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
    enum h1_result result = h1_parse(input, &h1_limits, &ours->request, &ours->status);
    ours->progress = result == H1_OK ? WHOLE : result == H1_MORE ? WANTS_HEAD : REFUSED_HEAD;
    ours->data = 0;
    if (result != H1_OK || ours->request.body == BODY_NONE) {
        ours->bytes = result == H1_OK ? ours->request.head_bytes : 0;
        return false;
    }
    h1_body_init(out_body, &ours->request, h1_limits.body_bytes);
    return true;
}

void h1_ours_read(struct ours *ours, struct slice input)
{
    struct h1_body body;
    if (read_our_head(ours, input, &body)) {
        size_t head = ours->request.head_bytes;
        read_our_body(ours, &body, slice_after(input, head), head);
    }
}

/* ---- theirs ---- */

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

void h1_theirs_read(struct theirs *theirs, struct slice input)
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

const struct h1_exception h1_exceptions[EXCEPTIONS] = {
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

/* The input of the other parser: the stream, but for what the exceptions change, so that the rest
 * of it is compared all the same. */
struct stand_in {
    struct slice stream;
    char bytes[H1_COMPARED_BYTES_MAX + 8];
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
    h1_exception_counts[is_known ? UNJUDGED_TARGET : UNKNOWN_METHOD]++;
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
            h1_exception_counts[LONGER_NAME]++;
            *name = 'X';
        }
        if (field->id == FIELD_CONTENT_LENGTH || field->id == FIELD_TRANSFER_ENCODING) {
            char *end = in->bytes + (field->value.bytes + field->value.count - in->stream.bytes);
            size_t count = strcspn(end, "\r");
            h1_exception_counts[TAB_BEHIND_VALUE] += memchr(end, '\t', count) != NULL;
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
            h1_exception_counts[LENGTH_IN_TRAILER]++;
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
        h1_exception_counts[TAB_IN_CHUNK_LINE]++;
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
        h1_unparsed_targets++;
        return NULL;
    }
    h1_parsed_targets++;
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
        h1_exception_counts[CONNECT_WITH_BODY]++;
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

/* ---- both ---- */

const char *h1_compare(struct slice stream, const struct ours *ours, struct theirs *theirs)
{
    static struct stand_in in;
    if (ours->progress == REFUSED_HEAD) {
        return NULL;
    }
    in.stream = stream;
    in.count = stream.count;
    in.shift = 0;
    in.has_other_line = false;
    memcpy(in.bytes, stream.bytes, stream.count);
    h1_theirs_read(theirs, (struct slice){in.bytes, in.count});
    if (has_head(ours->progress)) {
        replace_in_fields(&in, &ours->request);
        h1_theirs_read(theirs, (struct slice){in.bytes, in.count});
    }
    while (has_head(ours->progress) && make_exception(&in, ours, theirs)) {
        h1_theirs_read(theirs, (struct slice){in.bytes, in.count});
    }
    return compare(ours, theirs, &in);
}

/* ---- in pieces ---- */

/* In a block of exactly that size, so that a read behind the input is found. */
char *h1_copy(struct slice text)
{
    char *copy = malloc(text.count + (text.count == 0));
    memcpy(copy, text.bytes, text.count);
    return copy;
}

/* The head again and again from the front, with more behind it each time, then each piece of the
 * body once. */
char *h1_ours_read_pieces(struct ours *ours, struct slice stream, size_t piece_max,
                          uint64_t *random_state)
{
    char *kept = NULL;
    struct h1_body body;
    size_t shown = 0;
    ours->progress = WANTS_HEAD;
    while (shown < stream.count && (ours->progress == WANTS_HEAD || ours->progress == WANTS_BODY)) {
        size_t piece = 1 + h1_random_below(random_state, piece_max);
        piece = piece < stream.count - shown ? piece : stream.count - shown;
        if (ours->progress == WANTS_BODY) {
            char *bytes = h1_copy((struct slice){stream.bytes + shown, piece});
            read_our_body(ours, &body, (struct slice){bytes, piece}, shown);
            free(bytes);
        } else {
            free(kept);
            struct slice input = {stream.bytes, shown + piece};
            kept = h1_copy(input);
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

const char *h1_ours_differ(const struct ours *whole, const struct ours *pieces)
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
