#include "http_oracle.h"

#include <stdlib.h>

/* ---- text ---- */

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        bool is_alphanumeric = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') ||
                               (byte >= 'A' && byte <= 'Z');
        if (byte == '\0' || (!is_alphanumeric && strchr("!#$%&'*+-.^_`|~", byte) == NULL)) {
            return false;
        }
    }
    return text.count > 0;
}

static bool is_plain(struct slice text) /* field-content, RFC 9110 §5.5 */
{
    for (size_t i = 0; i < text.count; i++) {
        unsigned char byte = (unsigned char)text.bytes[i];
        if ((byte < ' ' && byte != '\t') || byte == 0x7f) {
            return false;
        }
    }
    return true;
}

static bool has_only(struct slice text, const char *allowed)
{
    for (size_t i = 0; i < text.count; i++) {
        if (text.bytes[i] == '\0' || strchr(allowed, text.bytes[i]) == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_word(struct slice text, const char *word)
{
    return slice_equal_ignoring_case(text, slice_of_string(word));
}

bool take_word(struct slice *text, const char *word)
{
    bool is_there = slice_starts_with(*text, slice_of_string(word));
    *text = slice_after(*text, is_there ? strlen(word) : 0);
    return is_there;
}

uint64_t take_decimal(struct slice *text)
{
    uint64_t value = 0;
    size_t digits = 0;
    while (digits < text->count && digits < 18 && text->bytes[digits] >= '0' &&
           text->bytes[digits] <= '9') {
        value = value * 10 + (uint64_t)(text->bytes[digits++] - '0');
    }
    *text = slice_after(*text, digits);
    return digits == 0 ? UINT64_MAX : value;
}

bool has_word(struct slice text, const char *word)
{
    size_t count = strlen(word);
    for (size_t i = 0; i + count <= text.count; i++) {
        if (is_word((struct slice){text.bytes + i, count}, word)) {
            return true;
        }
    }
    return false;
}

/* Takes a line and its CRLF. 0: there is no end; -1: it ends otherwise. */
static int take_line(struct slice *stream, struct slice *out_line)
{
    for (size_t i = 0; i < stream->count; i++) {
        if (stream->bytes[i] == '\n') {
            *out_line = (struct slice){stream->bytes, i == 0 ? 0 : i - 1};
            int result = i > 0 && stream->bytes[i - 1] == '\r' ? 1 : -1;
            *stream = slice_after(*stream, i + 1);
            return result;
        }
    }
    return 0;
}

/* ---- requests ---- */

/* What the field lines say, before it is put together. */
struct facts {
    size_t hosts, lengths, codings;
    uint64_t length;
    bool is_odd; /* something that is left to others */
    bool is_bad;
    bool has_close, has_keep_alive;
};

static const char host_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";

static void note_length(struct slice value, struct facts *facts)
{
    facts->lengths++;
    facts->is_bad |= value.count == 0 || !has_only(value, "0123456789");
    facts->is_odd |= value.count > 18;
    facts->length = take_decimal(&value);
}

static void note_field(struct slice name, struct slice value, struct facts *facts,
                       struct asked *asked)
{
    if (is_word(name, "Host")) {
        facts->hosts++;
        facts->is_odd |= value.count == 0 || !has_only(value, host_bytes);
    } else if (is_word(name, "Content-Length")) {
        note_length(value, facts);
    } else if (is_word(name, "Transfer-Encoding")) {
        facts->codings++;
        facts->is_odd |= !is_word(value, "chunked");
    } else if (is_word(name, "Connection")) {
        /* a word inside another is no option: left open */
        facts->has_close |= is_word(value, "close");
        facts->has_keep_alive |= is_word(value, "keep-alive");
        facts->is_odd |= !is_word(value, "close") && !is_word(value, "keep-alive");
    } else if (is_word(name, "Accept-Encoding")) {
        asked->accepts_codings |= value.count > 0; /* on any of several lines */
    } else if (is_word(name, "Expect")) {
        asked->has_expectation = true;
        facts->is_odd = true;
    } else if (is_word(name, "Range")) {
        asked->has_range = true;
    } else {
        asked->has_condition |= name.count > 3 && is_word((struct slice){name.bytes, 3}, "If-");
    }
}

/* method SP target SP version. */
static void read_request_line(struct slice line, struct facts *facts, struct asked *asked)
{
    struct slice version = line;
    asked->method = slice_take(&version, ' ');
    asked->target = slice_take(&version, ' ');
    facts->is_bad |= !is_token(asked->method) || asked->target.count == 0 ||
                     !is_plain(asked->target) ||
                     memchr(asked->target.bytes, '\t', asked->target.count) != NULL;
    facts->is_bad |=
        version.count != 8 || !take_word(&version, "HTTP/1.") || !has_only(version, "0123456789");
    asked->is_1_0 = slice_equal(version, SLICE("0"));
    struct slice path = asked->target;
    struct slice before = slice_take(&path, '?');
    /* CONNECT has a target of its own form */
    facts->is_odd |= slice_equal(asked->method, SLICE("CONNECT")) ||
                     !slice_starts_with(asked->target, SLICE("/")) ||
                     memchr(before.bytes, '%', before.count) != NULL ||
                     memchr(asked->target.bytes, '#', asked->target.count) != NULL;
}

/* Lines up to the empty one. 1: there; 0: cut; -1: wrong. */
static int read_head(struct slice *stream, struct facts *facts, struct asked *asked,
                     size_t *out_fields)
{
    struct slice line;
    int result = take_line(stream, &line);
    if (result != 1) {
        return result;
    }
    read_request_line(line, facts, asked);
    for (*out_fields = 0; (result = take_line(stream, &line)) == 1 && line.count > 0;
         (*out_fields)++) {
        struct slice value = line;
        struct slice name = slice_take(&value, ':');
        value = slice_trim(value);
        facts->is_bad |= name.count == line.count || !is_token(name) || !is_plain(value);
        note_field(name, value, facts, asked);
    }
    return result;
}

/* size CRLF data CRLF ... 0 CRLF CRLF, without extensions or trailers. 1: there; 0: cut or left to
 * others. */
static int skip_chunks(struct slice *stream, uint64_t most)
{
    uint64_t sum = 0;
    for (;;) {
        struct slice line;
        if (take_line(stream, &line) != 1 || line.count == 0 || line.count > 7 ||
            !has_only(line, "0123456789abcdefABCDEF")) {
            return 0;
        }
        char digits[8] = "";
        memcpy(digits, line.bytes, line.count);
        uint64_t size = strtoull(digits, NULL, 16);
        sum += size;
        if (sum > most || size + 2 > stream->count) {
            return 0;
        }
        *stream = slice_after(*stream, size);
        if (!take_word(stream, "\r\n")) {
            return 0;
        }
        if (size == 0) {
            return 1;
        }
    }
}

/* The body, behind the head. */
static void read_body(struct slice *stream, const struct facts *facts,
                      const struct asked_limits *limits, struct asked *asked)
{
    if (facts->codings == 0 && (facts->lengths == 0 || facts->length == 0)) {
        asked->is_framed = true;
        return;
    }
    if (facts->is_odd) { /* a body that may not be one */
        asked->verdict = ASKED_UNSURE;
        return;
    }
    if (facts->codings > 0) {
        asked->is_framed = skip_chunks(stream, limits->body_bytes) == 1;
        asked->verdict = asked->is_framed ? ASKED_GOOD : ASKED_UNSURE;
    } else if (facts->length > limits->body_bytes) {
        asked->verdict = ASKED_BAD;
    } else if (facts->length > stream->count) {
        asked->verdict = ASKED_CUT;
    } else {
        *stream = slice_after(*stream, facts->length);
        asked->is_framed = true;
    }
}

struct asked asked_next(struct slice stream, const struct asked_limits *limits)
{
    struct asked asked = {.verdict = ASKED_GOOD, .bytes = stream.count};
    struct facts facts = {0};
    struct slice rest = stream;
    size_t fields = 0;
    while (take_word(&rest, "\r\n")) {
    }
    if (rest.count == 0) {
        asked.verdict = ASKED_NOTHING;
        return asked;
    }
    int result = read_head(&rest, &facts, &asked, &fields);
    size_t head_bytes = stream.count - rest.count;
    bool is_long = asked.target.count > limits->target_bytes || fields > limits->fields;
    if (result == 0) {
        asked.verdict = ASKED_CUT;
        return asked;
    }
    facts.is_bad |= facts.hosts > 1 || (facts.hosts == 0 && !asked.is_1_0) || facts.lengths > 1 ||
                    (facts.lengths > 0 && facts.codings > 0) || (facts.codings > 0 && asked.is_1_0);
    if (result < 0 || facts.is_bad || is_long || head_bytes > limits->head_bytes) {
        asked.verdict = ASKED_BAD;
        return asked;
    }
    asked.wants_close = facts.has_close || (asked.is_1_0 && !facts.has_keep_alive);
    asked.verdict = facts.is_odd ? ASKED_UNSURE : ASKED_GOOD;
    read_body(&rest, &facts, limits, &asked);
    asked.bytes = asked.is_framed ? stream.count - rest.count : stream.count;
    return asked;
}

/* ---- responses ---- */

bool answer_has(const struct answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->field_count; i++) {
        if (is_word(answer->fields[i].name, name)) {
            return true;
        }
    }
    return false;
}

struct slice answer_value(const struct answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->field_count; i++) {
        if (is_word(answer->fields[i].name, name)) {
            return answer->fields[i].value;
        }
    }
    return (struct slice){"", 0};
}

static const char *read_field(struct slice line, struct answer *answer)
{
    static const char *const singles[] = {
        "Content-Length",   "Date",          "ETag",        "Content-Type",
        "Content-Encoding", "Last-Modified", "Location",    "Content-Range",
        "Connection",       "Accept-Ranges", "Retry-After", "Cache-Control"};
    struct slice value = line;
    struct slice name = slice_take(&value, ':');
    if (name.count == line.count || !is_token(name)) {
        return "a field line without a name";
    }
    if (!take_word(&value, " ") || slice_trim(value).count != value.count || value.count == 0 ||
        !is_plain(value)) {
        return "a field value with blanks around it, or none, or with control characters";
    }
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        if (is_word(name, singles[i]) && answer_has(answer, singles[i])) {
            return "a field twice that may come once";
        }
    }
    if (answer->field_count == ANSWER_FIELDS_MAX) {
        return "very many fields";
    }
    answer->fields[answer->field_count++] = (struct answer_field){name, value};
    return NULL;
}

static const char *read_status_line(struct slice line, struct answer *answer)
{
    if (!take_word(&line, "HTTP/1.1 ") || line.count < 5 || line.bytes[3] != ' ') {
        return "no status line";
    }
    struct slice digits = {line.bytes, 3};
    answer->reason = slice_after(line, 4);
    answer->status = (unsigned)take_decimal(&digits);
    return digits.count == 0 && answer->status >= 200 && answer->status < 600 &&
                   is_plain(answer->reason)
               ? NULL
               : "no status line";
}

/* RFC 9112 §6.3, for responses that have no transfer coding. */
static const char *read_body_of(struct slice *rest, bool is_head, struct answer *answer)
{
    bool has_length = answer_has(answer, "Content-Length");
    struct slice text = answer_value(answer, "Content-Length");
    uint64_t length = take_decimal(&text);
    if (answer_has(answer, "Transfer-Encoding")) {
        return "a transfer coding";
    }
    if (has_length && (length == UINT64_MAX || text.count > 0)) {
        return "Content-Length that is no number";
    }
    bool has_none = answer->status == 204 || answer->status == 304;
    if (has_length == has_none) {
        return has_none ? "Content-Length of what has no body" : "no Content-Length";
    }
    length = has_none || is_head ? 0 : length;
    if (length > rest->count) {
        return "a body that is cut";
    }
    answer->body = (struct slice){rest->bytes, length};
    *rest = slice_after(*rest, length);
    return NULL;
}

const char *answer_next(struct slice stream, bool is_head, struct answer *out_answer)
{
    struct answer *answer = out_answer;
    struct slice rest = stream;
    struct slice line;
    *answer = (struct answer){0};
    if (take_line(&rest, &line) != 1) {
        return "no line";
    }
    const char *problem = read_status_line(line, answer);
    while (problem == NULL) {
        if (take_line(&rest, &line) != 1) {
            return "a head that does not end";
        }
        if (line.count == 0) {
            break;
        }
        problem = read_field(line, answer);
    }
    if (problem == NULL) {
        problem = read_body_of(&rest, is_head, answer);
    }
    struct slice connection = answer_value(answer, "Connection");
    answer->closes = is_word(connection, "close");
    if (problem == NULL && connection.count > 0 && !answer->closes &&
        !is_word(connection, "keep-alive")) {
        problem = "Connection with something else";
    }
    answer->bytes = stream.count - rest.count;
    return problem;
}
