#include "admin/api.h"

#include "admin/change.h"
#include "admin/state.h"
#include "common/mem.h"

#include <stdarg.h>
#include <stdlib.h>

static const char json_type[] = "application/json";

FILE *admin_body_open(struct admin_answer *answer)
{
    FILE *stream = open_memstream(&answer->body, &answer->body_bytes);
    if (stream == NULL) {
        abort(); /* out of memory */
    }
    return stream;
}

void admin_body_close(FILE *stream)
{
    if (fclose(stream) != 0) {
        abort(); /* the same */
    }
}

void admin_answer_error(struct admin_answer *out_answer, unsigned status, const char *format, ...)
{
    char text[ERROR_TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *out_answer = (struct admin_answer){.status = status, .type = json_type};
    FILE *stream = admin_body_open(out_answer);
    struct json_writer json = json_writer(stream);
    json_begin_object(&json);
    json_key(&json, "error");
    json_string(&json, slice_of_string(text));
    json_end_object(&json);
    json_end(&json);
    admin_body_close(stream);
}

/* ---- what is shown ---- */

/* "?after=12": the page has the samples up to that one. */
static uint64_t samples_after(struct slice query)
{
    static const struct slice name = {"?after=", 7};
    uint64_t number = 0;
    struct slice digits = slice_after(query, name.count);
    for (size_t i = 0; slice_starts_with(query, name) && i < digits.count && i < 18; i++) {
        if (digits.bytes[i] < '0' || digits.bytes[i] > '9') {
            return 0;
        }
        number = number * 10 + (uint64_t)(digits.bytes[i] - '0');
    }
    return number;
}

void api_state(const struct admin_context *context, const struct admin_request *request,
               struct admin_answer *answer)
{
    FILE *stream = admin_body_open(answer);
    admin_state_write(context, samples_after(request->request->query), stream);
    admin_body_close(stream);
    answer->status = 200;
    answer->type = json_type;
}

/* ---- whose page asks ---- */

/* How often a field is there; its value, if once. */
static size_t find_field(const struct request *request, struct slice name, struct slice *out_value)
{
    size_t count = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        if (slice_equal_ignoring_case(request->fields[i].name, name)) {
            *out_value = request->fields[i].value;
            count++;
        }
    }
    return count;
}

/* What a page of another origin can have a browser send has another Origin, or says where it comes
 * from (Fetch Metadata). Programs send neither of the two. `typed`: may a person have typed it
 * where addresses are typed? */
static bool is_from_here(const struct request *request, bool typed)
{
    struct slice origin, relation = {"", 0};
    size_t origins = find_field(request, SLICE("Origin"), &origin);
    size_t relations = find_field(request, SLICE("Sec-Fetch-Site"), &relation);
    bool is_related = slice_equal(relation, SLICE("same-origin")) ||
                      (typed && slice_equal(relation, SLICE("none")));
    return (origins == 0 || (origins == 1 && admin_origin_is_own(origin, request->host))) &&
           (relations == 0 || (relations == 1 && is_related));
}

/* The one question that goes to the control thread, and looks at folders there: not for whoever
 * puts its address into a page. */
void api_indexes(const struct admin_context *context, const struct admin_request *request,
                 struct admin_answer *answer)
{
    static const char line[] = "indexes --json";
    (void)context;
    if (!is_from_here(request->request, true)) {
        admin_answer_error(answer, 403, "this is for pages of this address alone");
        return;
    }
    answer->command = mem_string(line, sizeof line - 1);
}

/* ---- changes ---- */

static bool is_json(const struct request *request)
{
    struct slice type;
    return find_field(request, SLICE("Content-Type"), &type) == 1 &&
           slice_equal_ignoring_case(slice_trim(slice_take(&type, ';')), SLICE("application/json"));
}

static bool check_token(const struct admin_context *context, const struct request *request,
                        struct admin_answer *answer)
{
    struct slice authorization = {"", 0};
    bool is_first;
    if (!context->token->is_set) {
        admin_answer_error(answer, 403,
                           "this server takes no changes here: it was started "
                           "without --admin-token-file");
        return false;
    }
    size_t count = find_field(request, SLICE("Authorization"), &authorization);
    if (count != 1) {
        authorization = (struct slice){"", 0};
    }
    switch (admin_token_check(context->token, authorization, context->now_ms, &is_first)) {
    case ADMIN_TOKEN_RIGHT:
        return true;
    case ADMIN_TOKEN_MISSING:
        admin_answer_error(answer, 401, "a change needs the token");
        return false;
    case ADMIN_TOKEN_WRONG:
        if (is_first) {
            fprintf(stderr, "cairn-serve: admin: somebody sent a wrong token\n");
        }
        refusals_add(context->refusals, context->now_s, 1, "a wrong token at the admin address");
        admin_answer_error(answer, 401, "this token is not the one");
        return false;
    case ADMIN_TOKEN_LIMITED:
    default:
        admin_answer_error(answer, 429, "too many wrong tokens; try again in a moment");
        return false;
    }
}

static void answer_change(const struct admin_context *context, const struct admin_request *request,
                          enum admin_change change, struct admin_answer *answer)
{
    struct error error = {""};
    answer->is_change = true;
    if (!is_from_here(request->request, false)) {
        admin_answer_error(answer, 403, "changes are for pages of this address alone");
    } else if (!is_json(request->request)) {
        admin_answer_error(answer, 415, "a change comes as application/json");
    } else if (check_token(context, request->request, answer) &&
               admin_change_line(change, request->body, &answer->command, &error) != 0) {
        admin_answer_error(answer, 400, "%s", error.text);
    }
}

void api_load(const struct admin_context *context, const struct admin_request *request,
              struct admin_answer *answer)
{
    answer_change(context, request, ADMIN_LOAD, answer);
}

void api_rollback(const struct admin_context *context, const struct admin_request *request,
                  struct admin_answer *answer)
{
    answer_change(context, request, ADMIN_ROLLBACK, answer);
}

void api_promote(const struct admin_context *context, const struct admin_request *request,
                 struct admin_answer *answer)
{
    answer_change(context, request, ADMIN_PROMOTE, answer);
}

/* ---- replies of commands ---- */

/* Rows are objects of JSON, one a line. */
static void put_rows(FILE *stream, struct slice rows)
{
    bool is_first = true;
    fprintf(stream, "\"rows\":[");
    while (rows.count > 0) {
        struct slice row = slice_take(&rows, '\n');
        fprintf(stream, "%s%.*s", is_first ? "" : ",", (int)row.count, row.bytes);
        is_first = false;
    }
    fprintf(stream, "]");
}

static bool is_number(struct slice text)
{
    size_t dots = 0;
    for (size_t i = 0; i < text.count; i++) {
        dots += text.bytes[i] == '.';
        if (text.bytes[i] != '.' && (text.bytes[i] < '0' || text.bytes[i] > '9')) {
            return false;
        }
    }
    return text.count > 0 && dots <= 1 && text.bytes[0] != '.' && text.bytes[text.count - 1] != '.';
}

/* The numbers of "ok load index id=7 release=42 ms=1.8". */
static void put_numbers(FILE *stream, struct slice line)
{
    while (line.count > 0) {
        struct slice value = slice_take(&line, ' ');
        if (memchr(value.bytes, '=', value.count) == NULL) {
            continue;
        }
        struct slice name = slice_take(&value, '=');
        if (is_number(value)) {
            fprintf(stream, ",\"%.*s\":%.*s", (int)name.count, name.bytes, (int)value.count,
                    value.bytes);
        }
    }
}

void admin_answer_reply(struct slice reply, struct admin_answer *out_answer)
{
    if (reply.count == 0) {
        admin_answer_error(out_answer, 503, "another process has taken over; ask again");
        return;
    }
    struct slice text = {reply.bytes, reply.count - 1}; /* without its end */
    const char *newline = memrchr(text.bytes, '\n', text.count);
    size_t rows = newline == NULL ? 0 : (size_t)(newline - text.bytes);
    struct slice last = slice_after(text, newline == NULL ? 0 : rows + 1);
    if (slice_starts_with(last, SLICE("error "))) {
        last = slice_after(last, 6);
        admin_answer_error(out_answer, 409, "%.*s", (int)last.count, last.bytes);
        return;
    }
    *out_answer = (struct admin_answer){.status = 200, .type = json_type};
    FILE *stream = admin_body_open(out_answer);
    fprintf(stream, "{");
    put_rows(stream, (struct slice){text.bytes, rows});
    put_numbers(stream, last);
    fprintf(stream, "}\n");
    admin_body_close(stream);
}
