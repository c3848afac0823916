#include "http/h1_parse.h"

/* token characters (RFC 9110 §5.6.2): field names, methods. */
static const bool is_token_char[256] = {
    ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
    ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['|'] = true, ['~'] = true, ['0'] = true, ['1'] = true, ['2'] = true,
    ['3'] = true, ['4'] = true, ['5'] = true, ['6'] = true, ['7'] = true, ['8'] = true,
    ['9'] = true, ['A'] = true, ['B'] = true, ['C'] = true, ['D'] = true, ['E'] = true,
    ['F'] = true, ['G'] = true, ['H'] = true, ['I'] = true, ['J'] = true, ['K'] = true,
    ['L'] = true, ['M'] = true, ['N'] = true, ['O'] = true, ['P'] = true, ['Q'] = true,
    ['R'] = true, ['S'] = true, ['T'] = true, ['U'] = true, ['V'] = true, ['W'] = true,
    ['X'] = true, ['Y'] = true, ['Z'] = true, ['a'] = true, ['b'] = true, ['c'] = true,
    ['d'] = true, ['e'] = true, ['f'] = true, ['g'] = true, ['h'] = true, ['i'] = true,
    ['j'] = true, ['k'] = true, ['l'] = true, ['m'] = true, ['n'] = true, ['o'] = true,
    ['p'] = true, ['q'] = true, ['r'] = true, ['s'] = true, ['t'] = true, ['u'] = true,
    ['v'] = true, ['w'] = true, ['x'] = true, ['y'] = true, ['z'] = true,
};

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.count; i++) {
        if (!is_token_char[(unsigned char)text.bytes[i]]) {
            return false;
        }
    }
    return text.count > 0;
}

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
        {"POST", 4},  {"PUT", 3},   {"DELETE", 6},  {"CONNECT", 7},
        {"TRACE", 5}, {"PATCH", 5}, {"OPTIONS", 7},
    };
    if (slice_equal(name, SLICE("GET"))) {
        return METHOD_GET;
    }
    if (slice_equal(name, SLICE("HEAD"))) {
        return METHOD_HEAD;
    }
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (slice_equal(name, known[i])) {
            return METHOD_NOT_ALLOWED;
        }
    }
    return METHOD_UNKNOWN;
}

/* uri-host and port (RFC 9110 §7.2), by their characters. */
static bool is_authority(struct slice text)
{
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        bool is_alphanumeric =
            (unsigned char)((byte | 0x20) - 'a') < 26 || (unsigned char)(byte - '0') < 10;
        if (!is_alphanumeric && (byte == '\0' || strchr("-._~%!$&'()*+,;=:[]", byte) == NULL)) {
            return false;
        }
    }
    return true;
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
        if (host_bytes == 0 || !is_authority(request->host)) {
            return false;
        }
        if (rest.count > 0 && rest.bytes[0] == '/') {
            return split_path(rest, request);
        }
        if (!split_path(rest, request)) {
            return false;
        }
        request->path = SLICE("/");
        return true;
    }
    return false;
}

static bool parse_target(struct slice target, struct request *request)
{
    request->host = (struct slice){"", 0};
    if (target.bytes[0] == '/') {
        return split_path(target, request);
    }
    if (request->method != METHOD_GET && request->method != METHOD_HEAD &&
        (slice_equal(target, SLICE("*")) || is_authority(target))) {
        request->path = SLICE("/"); /* OPTIONS *, CONNECT host:port: answered by method */
        request->query = (struct slice){"", 0};
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
static unsigned parse_request_line(struct slice line, struct request *request)
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
    if (target.count > REQUEST_TARGET_BYTES_MAX) {
        return 414;
    }
    if (target.count == 0 || has_byte_below(target, 0x21)) {
        return 400;
    }
    request->method = method_of(method);
    return parse_target(target, request) ? 0 : 400;
}

static enum http_field_id field_id(struct slice name)
{
    static const struct {
        struct slice name;
        enum http_field_id id;
    } known[] = {
        {{"Host", 4}, FIELD_HOST},
        {{"Accept", 6}, FIELD_ACCEPT},
        {{"Connection", 10}, FIELD_CONNECTION},
        {{"If-None-Match", 13}, FIELD_IF_NONE_MATCH},
        {{"Sec-Fetch-Mode", 14}, FIELD_SEC_FETCH_MODE},
        {{"Accept-Encoding", 15}, FIELD_ACCEPT_ENCODING},
        {{"Content-Length", 14}, FIELD_CONTENT_LENGTH},
        {{"Transfer-Encoding", 17}, FIELD_TRANSFER_ENCODING},
    };
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (slice_equal_ignoring_case(name, known[i].name)) {
            return known[i].id;
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

/* Is `option` a member of a comma-separated list? Members compare without case. */
static bool list_has(struct slice list, struct slice option)
{
    while (list.count > 0) {
        const char *comma = memchr(list.bytes, ',', list.count);
        size_t count = comma == NULL ? list.count : (size_t)(comma - list.bytes);
        if (slice_equal_ignoring_case(slice_trim((struct slice){list.bytes, count}), option)) {
            return true;
        }
        list = slice_after(list, count + 1);
    }
    return false;
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
};

static unsigned note_field(const struct http_field *field, struct request *request,
                           struct field_facts *facts)
{
    uint64_t length;
    switch (field->id) {
    case FIELD_HOST:
        facts->hosts++;
        if (!is_authority(field->value)) {
            return 400;
        }
        if (request->host.count == 0) {
            request->host = field->value;
        }
        return 0;
    case FIELD_CONNECTION:
        facts->close |= list_has(field->value, SLICE("close"));
        facts->keep_alive |= list_has(field->value, SLICE("keep-alive"));
        return 0;
    case FIELD_CONTENT_LENGTH:
        facts->lengths++;
        if (!parse_length(field->value, &length)) {
            return 400;
        }
        request->has_body |= length > 0;
        return 0;
    case FIELD_TRANSFER_ENCODING:
        facts->codings++;
        request->has_body = true;
        return slice_equal_ignoring_case(field->value, SLICE("chunked")) ? 0 : 501;
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
    if (facts->lengths > 1 || facts->codings > 1 || (facts->lengths > 0 && facts->codings > 0) ||
        (facts->codings > 0 && request->version_minor == 0)) {
        return 400;
    }
    request->keep_alive =
        !facts->close && (request->version_minor > 0 || facts->keep_alive) && !request->has_body;
    return 0;
}

static enum h1_result parse_fields(struct slice *input, struct request *request,
                                   unsigned *out_status)
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
        if (request->field_count == REQUEST_FIELDS_MAX) {
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
    if (status == 0 || status == 501) {
        unsigned problem = check_facts(&facts, request);
        status = problem != 0 ? problem : status;
    }
    *out_status = status;
    return status == 0 ? H1_OK : H1_BAD;
}

/* More bytes will come: is what is there too much already? */
static enum h1_result more(struct slice input, bool in_request_line, unsigned *out_status)
{
    if (in_request_line && input.count > REQUEST_TARGET_BYTES_MAX + 64) {
        *out_status = 414;
        return H1_BAD;
    }
    if (input.count >= REQUEST_HEAD_BYTES_MAX) {
        *out_status = 431;
        return H1_BAD;
    }
    return H1_MORE;
}

/* Something else than HTTP speaks (a TLS ClientHello, binary noise): do not wait for a line. */
static bool starts_like_a_request(struct slice input)
{
    return input.count == 0 || is_token_char[(unsigned char)input.bytes[0]] ||
           input.bytes[0] == '\r';
}

enum h1_result h1_parse(struct slice input, struct request *out_request, unsigned *out_status)
{
    struct slice rest = input;
    struct slice line;
    *out_status = 400;
    while (slice_starts_with(rest, SLICE("\r\n"))) {
        rest = slice_after(rest, 2); /* empty lines before a request (RFC 9112 §2.2) */
    }
    if (!starts_like_a_request(rest)) {
        return H1_BAD;
    }
    enum h1_result result = take_line(&rest, &line);
    if (result != H1_OK) {
        return result == H1_MORE ? more(input, true, out_status) : result;
    }
    out_request->has_body = false;
    out_request->field_count = 0;
    unsigned status = parse_request_line(line, out_request);
    if (status != 0) {
        *out_status = status;
        return H1_BAD;
    }
    result = parse_fields(&rest, out_request, out_status);
    if (result == H1_OK) {
        out_request->head_bytes = (size_t)(rest.bytes - input.bytes);
        *out_status = 431;
        return out_request->head_bytes > REQUEST_HEAD_BYTES_MAX ? H1_BAD : H1_OK;
    }
    return result == H1_MORE ? more(input, false, out_status) : result;
}
