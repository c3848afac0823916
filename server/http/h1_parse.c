#include "http/h1_parse.h"

#include "http/token.h"

/* Has it a byte below `floor` or DEL? Eight at a time: a borrow from `byte - floor` reaches the top
 * bit only of bytes that are smaller (or that follow one, which does not matter for "any"). */
static bool has_byte_below(struct slice text, unsigned char floor)
{
    const uint64_t ones = 0x0101010101010101ULL;
    const uint64_t tops = 0x8080808080808080ULL;
    size_t i = 0;
    for (; i + 8 <= text.count; i += 8) {
        uint64_t word;
        memcpy(&word, text.bytes + i, sizeof word);
        uint64_t below = (word - ones * floor) & ~word;
        uint64_t delete = word ^ ones * 0x7f;
        delete = (delete - ones) & ~delete;
        if (((below | delete) & tops) != 0) {
            break; /* look closer: a borrow may have run on from the byte before */
        }
    }
    for (; i < text.count; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if (byte < floor || byte == 0x7f) {
            return true;
        }
    }
    return false;
}

/* field-value: visible characters, spaces, tabs, and bytes from 0x80 on (RFC 9110 §5.5). */
static bool is_field_value(struct slice value)
{
    if (!has_byte_below(value, 0x20)) {
        return true;
    }
    for (size_t i = 0; i < value.count; i++) {
        unsigned char byte = (unsigned char)value.bytes[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Takes one line off the input. H1_BAD if it ends in a bare LF (RFC 9112 §2.2 allows to accept
 * that; a proxy before us may not have). */
static enum h1_result take_line(struct slice *input, struct slice *out_line)
{
    const char *end = memchr(input->bytes, '\n', input->count);
    if (end == NULL) {
        return H1_MORE;
    }
    size_t count = (size_t)(end - input->bytes);
    if (count == 0 || end[-1] != '\r') {
        return H1_BAD;
    }
    *out_line = (struct slice){input->bytes, count - 1};
    *input = slice_after(*input, count + 1);
    return H1_OK;
}

static enum http_method method_of(struct slice name)
{
    static const struct slice known[] = {
        {"POST", 4}, {"PUT", 3}, {"DELETE", 6}, {"CONNECT", 7}, {"TRACE", 5}, {"PATCH", 5},
    };
    if (slice_equal(name, SLICE("GET"))) {
        return METHOD_GET;
    }
    if (slice_equal(name, SLICE("HEAD"))) {
        return METHOD_HEAD;
    }
    if (slice_equal(name, SLICE("OPTIONS"))) {
        return METHOD_OPTIONS;
    }
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (slice_equal(name, known[i])) {
            return METHOD_NOT_ALLOWED;
        }
    }
    return METHOD_UNKNOWN;
}

static bool is_hex(char byte)
{
    return (unsigned char)(byte - '0') < 10 || (unsigned char)((byte | 0x20) - 'a') < 6;
}

/* A name or an IPv4 address; the length of it. SIZE_MAX: a '%' that encodes nothing. */
static size_t reg_name_bytes(struct slice text)
{
    size_t i = 0;
    for (;;) {
        while (i < text.count && is_reg_name_byte((unsigned char)text.bytes[i])) {
            i++;
        }
        if (i == text.count || text.bytes[i] != '%') {
            return i;
        }
        if (i + 2 >= text.count || !is_hex(text.bytes[i + 1]) || !is_hex(text.bytes[i + 2])) {
            return SIZE_MAX;
        }
        i += 3;
    }
}

/* "[...]": an IPv6 address, by its characters. The length of it; SIZE_MAX: it does not end. */
static size_t ip_literal_bytes(struct slice text)
{
    size_t i = 1;
    while (i < text.count &&
           (is_hex(text.bytes[i]) || text.bytes[i] == ':' || text.bytes[i] == '.')) {
        i++;
    }
    return i > 2 && i < text.count && text.bytes[i] == ']' ? i + 1 : SIZE_MAX;
}

/* uri-host [":" port] (RFC 9110 §7.2): no user information, a port that there can be. */
static bool is_authority(struct slice text)
{
    size_t host =
        slice_starts_with(text, SLICE("[")) ? ip_literal_bytes(text) : reg_name_bytes(text);
    if (host == SIZE_MAX) {
        return false;
    }
    struct slice rest = slice_after(text, host);
    if (rest.count == 0) {
        return true;
    }
    unsigned port = 0;
    for (size_t i = 1; i < rest.count; i++) {
        if (rest.bytes[i] < '0' || rest.bytes[i] > '9' || i > 5) {
            return false;
        }
        port = port * 10 + (unsigned)(rest.bytes[i] - '0');
    }
    return rest.bytes[0] == ':' && port <= 65535;
}

/* Splits a path with query. A fragment is never sent (RFC 9110 §7.1). */
static bool split_path(struct slice text, struct request *request)
{
    if (memchr(text.bytes, '#', text.count) != NULL) {
        return false;
    }
    const char *mark = memchr(text.bytes, '?', text.count);
    size_t path_bytes = mark == NULL ? text.count : (size_t)(mark - text.bytes);
    request->path = (struct slice){text.bytes, path_bytes};
    request->query = slice_after(text, path_bytes);
    return true;
}

/* http://host/path (RFC 9112 §3.2.2): its authority beats the Host field. */
static bool split_absolute(struct slice target, struct request *request)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        if (target.count < schemes[i].count ||
            !slice_equal_ignoring_case((struct slice){target.bytes, schemes[i].count},
                                       schemes[i])) {
            continue;
        }
        struct slice rest = slice_after(target, schemes[i].count);
        size_t host_bytes = 0;
        while (host_bytes < rest.count && strchr("/?#", rest.bytes[host_bytes]) == NULL) {
            host_bytes++;
        }
        request->host = (struct slice){rest.bytes, host_bytes};
        rest = slice_after(rest, host_bytes);
        if (host_bytes == 0 || request->host.bytes[0] == ':' || !is_authority(request->host) ||
            !split_path(rest, request)) {
            return false;
        }
        if (request->path.count == 0) {
            request->path = SLICE("/");
            request->is_asterisk = request->method == METHOD_OPTIONS; /* RFC 9112 §3.2.4 */
        }
        if (i == 1) {
            request->refusal = REFUSE_ORIGIN;
        }
        return true;
    }
    return false;
}

/* host:port, of CONNECT alone (RFC 9112 §3.2.3). */
static bool is_connect_target(struct slice target)
{
    const char *colon = memrchr(target.bytes, ':', target.count);
    return colon != NULL && colon != target.bytes && is_authority(target) &&
           colon + 1 < target.bytes + target.count && colon[1] != ']';
}

/* The four forms of a target (RFC 9112 §3.2). A method that is not known has none. */
static bool parse_target(struct slice method, struct slice target, struct request *request)
{
    if (request->method == METHOD_UNKNOWN) {
        return true;
    }
    if (slice_equal(method, SLICE("CONNECT"))) {
        return is_connect_target(target);
    }
    if (target.bytes[0] == '/') {
        return split_path(target, request);
    }
    if (request->method == METHOD_OPTIONS && slice_equal(target, SLICE("*"))) {
        request->is_asterisk = true;
        return true;
    }
    return split_absolute(target, request);
}

/* HTTP/1.0 and HTTP/1.1; a later minor version is read as 1.1 (RFC 9110 §2.5). */
static unsigned parse_version(struct slice version, struct request *request)
{
    if (version.count != 8 || !slice_starts_with(version, SLICE("HTTP/")) ||
        version.bytes[5] < '0' || version.bytes[5] > '9' || version.bytes[6] != '.' ||
        version.bytes[7] < '0' || version.bytes[7] > '9') {
        return 400;
    }
    if (version.bytes[5] != '1') {
        return 505;
    }
    request->version_minor = version.bytes[7] == '0' ? 0 : 1;
    return 0;
}

/* method SP request-target SP HTTP-version (RFC 9112 §3). Returns 0 or a status. */
static unsigned parse_request_line(struct slice line, const struct limits *limits,
                                   struct request *request)
{
    const char *first = memchr(line.bytes, ' ', line.count);
    if (first == NULL) {
        return 400;
    }
    struct slice method = {line.bytes, (size_t)(first - line.bytes)};
    struct slice rest = slice_after(line, method.count + 1);
    const char *second = memchr(rest.bytes, ' ', rest.count);
    if (!is_token(method) || second == NULL) {
        return 400;
    }
    struct slice target = {rest.bytes, (size_t)(second - rest.bytes)};
    unsigned status = parse_version(slice_after(rest, target.count + 1), request);
    if (status != 0) {
        return status;
    }
    if (target.count > limits->target_bytes) {
        return 414;
    }
    if (target.count == 0 || has_byte_below(target, 0x21)) {
        return 400;
    }
    request->method = method_of(method);
    request->path = SLICE("/");
    request->query = (struct slice){"", 0};
    request->host = (struct slice){"", 0};
    return parse_target(method, target, request) ? 0 : 400;
}

/* By their lengths, so that most names are compared with one other, or none. */
static enum http_field_id field_id(struct slice name)
{
    enum { LENGTHS = 20, SAME_LENGTH_MAX = 2 };
    static const struct {
        const char *name;
        enum http_field_id id;
    } known[LENGTHS][SAME_LENGTH_MAX] = {
        [4] = {{"Host", FIELD_HOST}},
        [5] = {{"Range", FIELD_RANGE}},
        [6] = {{"Accept", FIELD_ACCEPT}, {"Expect", FIELD_EXPECT}},
        [8] = {{"If-Match", FIELD_IF_MATCH}, {"If-Range", FIELD_IF_RANGE}},
        [9] = {{"Forwarded", FIELD_FORWARDED}},
        [10] = {{"Connection", FIELD_CONNECTION}},
        [11] = {{"traceparent", FIELD_TRACEPARENT}},
        [13] = {{"If-None-Match", FIELD_IF_NONE_MATCH}},
        [14] = {{"Content-Length", FIELD_CONTENT_LENGTH}, {"Sec-Fetch-Mode", FIELD_SEC_FETCH_MODE}},
        [15] = {{"Accept-Encoding", FIELD_ACCEPT_ENCODING},
                {"X-Forwarded-For", FIELD_X_FORWARDED_FOR}},
        [17] = {{"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
                {"If-Modified-Since", FIELD_IF_MODIFIED_SINCE}},
        [19] = {{"If-Unmodified-Since", FIELD_IF_UNMODIFIED_SINCE}},
    };
    for (size_t i = 0; name.count < LENGTHS && i < SAME_LENGTH_MAX; i++) {
        const char *other = known[name.count][i].name;
        if (other != NULL && slice_equal_ignoring_case(name, (struct slice){other, name.count})) {
            return known[name.count][i].id;
        }
    }
    return FIELD_OTHER;
}

/* field-name ":" OWS field-value OWS (RFC 9112 §5). A line that starts with white space would
 * continue the one before, or hide behind the request line: refused (§2.2, §5.2). */
static bool parse_field(struct slice line, struct http_field *out_field)
{
    const char *colon = memchr(line.bytes, ':', line.count);
    if (colon == NULL) {
        return false;
    }
    out_field->name = (struct slice){line.bytes, (size_t)(colon - line.bytes)};
    out_field->value = slice_trim(slice_after(line, out_field->name.count + 1));
    out_field->id = field_id(out_field->name);
    return is_token(out_field->name) && is_field_value(out_field->value);
}

/* 1*DIGIT. A number so long that it cannot be a length is none. */
static bool parse_length(struct slice value, uint64_t *out_length)
{
    uint64_t length = 0;
    for (size_t i = 0; i < value.count; i++) {
        if (value.bytes[i] < '0' || value.bytes[i] > '9' || i == 19) {
            return false;
        }
        length = length * 10 + (uint64_t)(value.bytes[i] - '0');
    }
    *out_length = length;
    return value.count > 0;
}

/* What framing, routing and persistence ask of the fields. */
struct field_facts {
    unsigned hosts, lengths, codings;
    bool close, keep_alive;
    bool is_chunked;  /* the last coding is */
    bool has_chunked; /* some coding is */
    bool has_other_coding;
};

/* One line of Transfer-Encoding; several are one list (RFC 9112 §6.1). False: chunked stands twice
 * or is not the last, or a member is empty. Parameters make a coding another one. */
static bool note_codings(struct slice value, struct field_facts *facts)
{
    if (value.count == 0 || value.bytes[value.count - 1] == ',') {
        return false;
    }
    do {
        struct slice member = slice_trim(slice_take(&value, ','));
        if (member.count == 0 || facts->has_chunked) {
            return false;
        }
        facts->is_chunked = slice_equal_ignoring_case(member, SLICE("chunked"));
        facts->has_chunked |= facts->is_chunked;
        facts->has_other_coding |= !facts->is_chunked;
    } while (value.count > 0);
    return true;
}

static unsigned note_expectation(struct slice value, struct request *request)
{
    if (slice_equal_ignoring_case(value, SLICE("100-continue"))) {
        request->expects_continue = true;
    } else {
        request->refusal = REFUSE_EXPECTATION;
    }
    return 0;
}

static unsigned note_length(struct slice value, struct request *request, struct field_facts *facts)
{
    facts->lengths++;
    if (!parse_length(value, &request->body_bytes)) {
        return 400;
    }
    request->body = request->body_bytes > 0 ? BODY_LENGTH : BODY_NONE;
    return 0;
}

static unsigned note_host(struct slice value, struct request *request, struct field_facts *facts)
{
    facts->hosts++;
    if (!is_authority(value)) {
        return 400;
    }
    if (request->host.count == 0) { /* that of the target goes before (RFC 9112 §3.2.2) */
        request->host = value;
    }
    return 0;
}

static unsigned note_field(const struct http_field *field, struct request *request,
                           struct field_facts *facts)
{
    request->known |= UINT32_C(1) << field->id;
    switch (field->id) {
    case FIELD_HOST:
        return note_host(field->value, request, facts);
    case FIELD_CONNECTION:
        facts->close |= list_has(field->value, SLICE("close"));
        facts->keep_alive |= list_has(field->value, SLICE("keep-alive"));
        return 0;
    case FIELD_CONTENT_LENGTH:
        return note_length(field->value, request, facts);
    case FIELD_TRANSFER_ENCODING:
        facts->codings++;
        return note_codings(field->value, facts) ? 0 : 400;
    case FIELD_EXPECT:
        return note_expectation(field->value, request);
    default:
        return 0;
    }
}

/* RFC 9112 §3.2 (Host), §6.1 and §6.3 (framing), §9.3 (persistence). */
static unsigned check_facts(const struct field_facts *facts, struct request *request)
{
    if (facts->hosts > 1 || (facts->hosts == 0 && request->version_minor > 0)) {
        return 400;
    }
    if (facts->lengths > 1 || (facts->lengths > 0 && facts->codings > 0)) {
        return 400;
    }
    if (facts->codings > 0) {
        if (!facts->is_chunked || request->version_minor == 0) {
            return 400; /* its end cannot be known (RFC 9112 §6.3) */
        }
        if (facts->has_other_coding) {
            return 501;
        }
        request->body = BODY_CHUNKED;
    }
    if (request->version_minor == 0) {
        request->expects_continue = false; /* RFC 9110 §10.1.1 */
    }
    request->keep_alive = !facts->close && (request->version_minor > 0 || facts->keep_alive);
    return 0;
}

static enum h1_result parse_fields(struct slice *input, const struct limits *limits,
                                   struct request *request, unsigned *out_status)
{
    struct field_facts facts = {0};
    unsigned status = 0;
    for (;;) {
        struct slice line;
        enum h1_result result = take_line(input, &line);
        *out_status = 400;
        if (result != H1_OK) {
            return result;
        }
        if (line.count == 0) {
            break;
        }
        *out_status = 431;
        if (request->field_count == limits->fields) {
            return H1_BAD;
        }
        struct http_field *field = &request->fields[request->field_count++];
        *out_status = 400;
        if (!parse_field(line, field)) {
            return H1_BAD;
        }
        unsigned problem = note_field(field, request, &facts);
        if (status == 0) {
            status = problem;
        }
    }
    if (status == 0) {
        status = check_facts(&facts, request);
    }
    *out_status = status;
    return status == 0 ? H1_OK : H1_BAD;
}

/* More bytes will come: is what is there too much already? `line` is the request line as far as it
 * is there, or empty if it is whole: what is refused here would have been at its end as well. */
static enum h1_result more(struct slice input, struct slice line, const struct limits *limits,
                           unsigned *out_status)
{
    (void)slice_take(&line, ' '); /* the method */
    if (slice_take(&line, ' ').count > limits->target_bytes) {
        *out_status = 414;
        return H1_BAD;
    }
    if (input.count >= limits->head_bytes) {
        *out_status = 431;
        return H1_BAD;
    }
    return H1_MORE;
}

/* Something else than HTTP speaks (a TLS ClientHello, binary noise): do not wait for a line. */
static bool starts_like_a_request(struct slice input)
{
    return input.count == 0 || is_token_byte((unsigned char)input.bytes[0]) ||
           input.bytes[0] == '\r';
}

enum h1_result h1_parse(struct slice input, const struct limits *limits,
                        struct request *out_request, unsigned *out_status)
{
    struct slice rest = input;
    struct slice line;
    *out_status = 400;
    out_request->head_bytes = 0;
    out_request->field_count = 0;
    while (slice_starts_with(rest, SLICE("\r\n"))) {
        rest = slice_after(rest, 2); /* empty lines before a request (RFC 9112 §2.2) */
    }
    if (!starts_like_a_request(rest)) {
        return H1_BAD;
    }
    enum h1_result result = take_line(&rest, &line);
    if (result != H1_OK) {
        return result == H1_MORE ? more(input, rest, limits, out_status) : result;
    }
    out_request->is_asterisk = false;
    out_request->expects_continue = false;
    out_request->refusal = REFUSE_NOTHING;
    out_request->body = BODY_NONE;
    out_request->body_bytes = 0;
    out_request->known = 0;
    unsigned status = parse_request_line(line, limits, out_request);
    if (status != 0) {
        *out_status = status;
        return H1_BAD;
    }
    result = parse_fields(&rest, limits, out_request, out_status);
    if (result == H1_OK) {
        out_request->head_bytes = (size_t)(rest.bytes - input.bytes);
        *out_status = 431;
        return out_request->head_bytes > limits->head_bytes ? H1_BAD : H1_OK;
    }
    return result == H1_MORE ? more(input, (struct slice){"", 0}, limits, out_status) : result;
}
