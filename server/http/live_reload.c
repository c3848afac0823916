#include "http/live_reload.h"

#include "common/field_lines.h"
#include "common/hash.h"
#include "common/mem.h"
#include "common/validators.h"
#include "http/conditional.h"
#include "http/html_start.h"
#include "http/live_script.h"
#include "http/text_answer.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what is the same for all answers ---- */

/* A key as the path of a URL, and that as the value of an attribute, in which '&' would begin
 * something else. */
static char *attribute_of(struct slice key)
{
    char encoded[PATH_ENCODED_BYTES_MAX];
    size_t bytes = path_encode(key, encoded);
    size_t capacity = 3 * bytes + 1;
    char *text = mem_zeroed(capacity, 1);
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        count += (size_t)snprintf(text + count, capacity - count,
                                  encoded[i] == '&' ? "%%%02X" : "%c", encoded[i]);
    }
    return text;
}

void live_reload_init(struct live_reload *live, struct slice events_path)
{
    static const char *const words[LIVE_PAGES] = {
        [LIVE_PAGE_OWN] = "", [LIVE_PAGE_OTHER] = " data-page=\"other\""};
    char *events = attribute_of(events_path);
    for (size_t i = 0; i < LIVE_PAGES; i++) {
        /* without a line end: line numbers stay those of the file */
        char *text = mem_format("<script src=\"%s\" data-events=\"%s\"%s async></script>",
                                LIVE_RELOAD_SCRIPT_PATH, events, words[i]);
        live->fragments[i] = slice_of_string(text);
        snprintf(live->tags[i], sizeof live->tags[i], "-%08x",
                 (unsigned)hash64(text, live->fragments[i].count, 0));
    }
    free(events);
    snprintf(live->script_tag, sizeof live->script_tag, "\"%016llx\"",
             (unsigned long long)hash64(live_script.bytes, live_script.count, 0));
}

void live_reload_fini(struct live_reload *live)
{
    for (size_t i = 0; i < LIVE_PAGES; i++) {
        free((char *)(uintptr_t)live->fragments[i].bytes); /* made by mem_format() */
        live->fragments[i] = (struct slice){NULL, 0};
    }
}

/* ---- field lines ---- */

/* What caches are told, where it is to be told anew. */
static const struct slice policy_names[] = {SLICE("Cache-Control:"), SLICE("Expires:")};

/* What is said of the stored bytes, and is not true of the page that is sent. */
static const struct slice stored_names[] = {
    SLICE("ETag:"),          SLICE("Last-Modified:"), SLICE("Content-Length:"),
    SLICE("Accept-Ranges:"), SLICE("Repr-Digest:"),   SLICE("Content-Digest:"),
    SLICE("Content-MD5:"),   SLICE("Digest:"),
};

static bool is_named(struct slice line, const struct slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (field_line_is(line, names[i])) {
            return true;
        }
    }
    return false;
}

/* The first value of this name; empty if there is none. */
static struct slice line_value(const struct response *response, struct slice name)
{
    for (size_t i = 0; i < ARRAY_COUNT(response->fields); i++) {
        struct slice value = field_lines_value(response->fields[i], name);
        if (value.count > 0) {
            return value;
        }
    }
    return (struct slice){"", 0};
}

/* Lines on their way into the scratch, where they take the place of all that the response had. */
struct lines {
    char *bytes;
    size_t count;
    bool is_full;
};

static void put(struct lines *lines, struct slice text)
{
    lines->is_full |= text.count > RESPONSE_HEAD_BYTES_MAX - lines->count;
    if (!lines->is_full && text.count > 0) {
        memcpy(lines->bytes + lines->count, text.bytes, text.count);
        lines->count += text.count;
    }
}

/* Those of the response from field `first` on, but for these. */
static void keep(struct lines *lines, const struct response *response, size_t first,
                 bool has_stored_bytes)
{
    for (size_t i = first; i < ARRAY_COUNT(response->fields); i++) {
        struct slice rest = response->fields[i];
        while (rest.count > 0) {
            struct slice line = field_line_take(&rest);
            if (!is_named(line, policy_names, ARRAY_COUNT(policy_names)) &&
                (has_stored_bytes || !is_named(line, stored_names, ARRAY_COUNT(stored_names)))) {
                put(lines, line);
            }
        }
    }
}

/* A head so large that its lines do not fit is too large to be sent, and left to be found so. */
static bool replace_fields(struct response *response, const struct lines *lines)
{
    if (!lines->is_full) {
        memset(response->fields, 0, sizeof response->fields);
        response->fields[0] = (struct slice){lines->bytes, lines->count};
    }
    return !lines->is_full;
}

/* ---- the script ---- */

static bool is_script(const struct request *request)
{
    return (request->method == METHOD_GET || request->method == METHOD_HEAD) &&
           request->refusal == REFUSE_NOTHING && !request->is_asterisk &&
           slice_equal(request->path, SLICE(LIVE_RELOAD_SCRIPT_PATH));
}

static void answer_script(const struct live_reload *live, struct live_reload_scratch *scratch,
                          const struct respond_context *context, const struct request *request,
                          struct response *response)
{
    const struct validators validators = {slice_of_string(live->script_tag), -1};
    char *lines = scratch->lines;
    respond_init(request, response);
    enum precondition met = precondition_evaluate(request, &validators, context->now_s);
    if (met == PRECONDITION_FAILED) {
        text_answer(412, response);
        return;
    }
    size_t count = (size_t)snprintf(lines, sizeof scratch->lines,
                                    "ETag: %s\r\nCache-Control: no-cache\r\n", live->script_tag);
    if (met == PRECONDITION_NOT_MODIFIED) {
        response->status = 304;
        response->has_body = false;
    } else {
        response->status = 200;
        response->text = live_script;
        count += (size_t)snprintf(lines + count, sizeof scratch->lines - count,
                                  "Content-Type: text/javascript; charset=utf-8\r\n"
                                  "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n",
                                  live_script.count);
    }
    response->fields[0] = (struct slice){lines, count};
}

/* ---- pages ---- */

/* What is said to be UTF-16 is not ("charset=utf-16le"): an element of ASCII would be none there.
 */
static bool is_html(const struct response *response)
{
    static const struct slice wide = SLICE("utf-16");
    struct slice type = line_value(response, SLICE("Content-Type:"));
    struct slice media = slice_trim(slice_take(&type, ';'));
    bool is_wide = false;
    for (; type.count >= wide.count && !is_wide; type = slice_after(type, 1)) {
        is_wide = slice_equal_ignoring_case((struct slice){type.bytes, wide.count}, wide);
    }
    return !is_wide && slice_equal_ignoring_case(media, SLICE("text/html"));
}

/* Is the body that of the file which the path names? */
static enum live_page page_kind(const struct request *request, const struct response *response)
{
    char buffer[PATH_BYTES_MAX];
    struct slice path;
    if (response->status != 200 || path_canonical(request->path, buffer, &path) != PATH_OK) {
        return LIVE_PAGE_OTHER;
    }
    path = slice_after(path, response->stack->prefix.count);
    struct site_match match = site_stack_find(response->stack, path);
    bool is_own = match.entry != NULL && match.entry->kind == ENTRY_FILE &&
                  match.site == response->site &&
                  match.entry->first.payload_offset == response->body_offset;
    return is_own ? LIVE_PAGE_OWN : LIVE_PAGE_OTHER;
}

/* The preconditions of a page that has validators: one that is what its request asked for. False:
 * the response is done. */
static bool passes(const struct live_reload_scratch *scratch, size_t tag_bytes,
                   const struct respond_context *context, const struct request *request,
                   struct response *response)
{
    const struct validators validators = {{scratch->tag, tag_bytes}, -1};
    if (tag_bytes == 0) {
        return true;
    }
    switch (precondition_evaluate(request, &validators, context->now_s)) {
    case PRECONDITION_NOT_MODIFIED:
        response->status = 304;
        response->has_body = false;
        response->site = NULL;
        return true;
    case PRECONDITION_FAILED:
        text_answer(412, response);
        return false;
    default:
        return true;
    }
}

/* The stored tag with the element's own behind it, so that it stays that of the bytes that are sent
 * (RFC 9110 §8.8.3). Returns its length; 0: a page without one, that says what is not there. */
static size_t make_tag(const struct live_reload *live, enum live_page kind,
                       const struct response *response, struct live_reload_scratch *scratch)
{
    _Static_assert(ETAG_BYTES + LIVE_TAG_BYTES < sizeof scratch->tag, "a tag has room");
    struct slice stored = line_value(response, SLICE("ETag:"));
    if (response->status != 200 || stored.count != ETAG_BYTES) {
        return 0; /* or it is not a tag of ours: an index can say anything */
    }
    return (size_t)snprintf(scratch->tag, sizeof scratch->tag, "%.*s%s\"", (int)stored.count - 1,
                            stored.bytes, live->tags[kind]);
}

/* Makes the page, which is whole so far, one with the script in it at `at`. */
static void insert(struct slice fragment, size_t at, const struct respond_context *context,
                   struct response *response)
{
    struct multipart *multipart = &context->scratch->multipart;
    multipart->inserted = fragment;
    multipart->type = (struct slice){"", 0};
    multipart->length = response->body_bytes;
    multipart->ranges.count = 2;
    multipart->ranges.at[0] = (struct byte_range){0, at};
    multipart->ranges.at[1] = (struct byte_range){at, response->body_bytes - at};
    response->multipart = multipart;
}

static void answer_page(const struct live_reload *live, struct live_reload_scratch *scratch,
                        const struct respond_context *context, const struct request *request,
                        size_t at, struct response *response)
{
    enum live_page kind = page_kind(request, response);
    size_t tag_bytes = make_tag(live, kind, response, scratch);
    if (!passes(scratch, tag_bytes, context, request, response)) {
        return;
    }
    char length[LENGTH_FIELD_BYTES_MAX];
    struct lines lines = {scratch->lines, 0, false};
    /* a 304 has nothing of the entity, which comes first (http/file_answer.c) */
    keep(&lines, response, response->status == 304 ? 1 : 0, false);
    if (tag_bytes > 0) {
        put(&lines, SLICE("ETag: "));
        put(&lines, (struct slice){scratch->tag, tag_bytes});
        put(&lines, SLICE("\r\n"));
    }
    /* not "no-cache": a browser that goes back in its history would show what it has kept */
    put(&lines, SLICE("Cache-Control: no-store\r\n"));
    if (response->status != 304) {
        uint64_t bytes = response->body_bytes + live->fragments[kind].count;
        put(&lines, (struct slice){length, length_field_format(bytes, length)});
    }
    if (replace_fields(response, &lines) && response->status != 304) {
        insert(live->fragments[kind], at, context, response);
    }
}

/* ---- all of them ---- */

/* The request as one for the whole of what is stored, without a coding: that is what an element can
 * be put into. */
static void make_plain(const struct request *request, struct request *out_plain)
{
    static const uint32_t choosing = 1U << FIELD_ACCEPT_ENCODING | 1U << FIELD_RANGE |
                                     1U << FIELD_IF_RANGE | 1U << FIELD_IF_MATCH |
                                     1U << FIELD_IF_NONE_MATCH | 1U << FIELD_IF_MODIFIED_SINCE |
                                     1U << FIELD_IF_UNMODIFIED_SINCE;
    size_t used = offsetof(struct request, fields) + request->field_count * sizeof *request->fields;
    memcpy(out_plain, request, used);
    out_plain->known &= ~choosing;
}

static bool is_kept(const struct response *response)
{
    return response->stack != NULL && response->status < 400 && response->status != 204;
}

void live_reload_respond(const struct live_reload *live, struct live_reload_scratch *scratch,
                         const struct respond_context *context, const struct request *request,
                         struct response *out_response)
{
    size_t at;
    if (is_script(request)) {
        answer_script(live, scratch, context, request, out_response);
        return;
    }
    make_plain(request, &scratch->plain);
    respond(context, &scratch->plain, out_response);
    const struct response *found = out_response;
    if (found->site != NULL && found->codec == CODEC_IDENTITY && is_html(found) &&
        html_start_find((struct slice){(const char *)found->body, found->body_bytes}, &at)) {
        answer_page(live, scratch, context, request, at, out_response);
        return;
    }
    if (scratch->plain.known != request->known) {
        respond(context, request, out_response); /* no page: with all that was asked for */
    }
    struct lines lines = {scratch->lines, 0, false};
    if (is_kept(out_response)) {
        keep(&lines, out_response, 0, true);
        put(&lines, SLICE("Cache-Control: no-cache\r\n"));
        (void)replace_fields(out_response, &lines);
    }
}
