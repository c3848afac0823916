/* HTTP policy: which answer a request gets, one row per rule. */
#include "http/respond.h"

#include "common/mem.h"
#include "common/path.h"
#include "http/h1_parse.h"
#include "http/live_reload.h"
#include "http/live_script.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct response_scratch scratch;
static struct limits limits;
static struct live_reload live;
static bool is_live; /* --live-reload */

/* 13 September 2020, some time after what the samples say. */
enum { NOW_S = 1600000000 };

static void set_limits(void)
{
    limits_init(&limits);
}

enum { SITES_MAX = 3, COMMITTED_BYTES = 4096, BODY_BYTES = 10 };

/* ---- sites in memory ---- */

static int64_t modified_s; /* of all files of the next index */

static const char *entity = "Content-Type: text/html\r\n"; /* the same */

/* The name becomes part of the site's tags and of the one body of all its files. */
static struct index *make_index(const char *words)
{
    char name = words[1];
    uint8_t digest[DIGEST_BYTES] = {(uint8_t)((name - 'A') << 2)}; /* "AAAA...", "BAAA...", ... */
    struct index_writer *writer = index_writer_new();
    struct representation_input form = {
        .payload_offset = SUPERBLOCK_BYTES,
        .stored_bytes = BODY_BYTES,
        .head = index_writer_head(writer, slice_of_string(entity),
                                  SLICE("Cache-Control: no-cache\r\n")),
        .digest = digest,
        .modified_s = modified_s,
    };
    sample_entries(writer, words + 2, &form);
    struct index_properties properties = {
        .flags = words[0] == 'O' ? INDEX_OVERLAY : 0,
        .release = (uint64_t)name,
        .committed_bytes = COMMITTED_BYTES,
    };
    return sample_index(writer, &properties);
}

static struct archive *make_archive(char name)
{
    char body[SUPERBLOCK_BYTES + BODY_BYTES + 1] = "";
    snprintf(body + SUPERBLOCK_BYTES, BODY_BYTES + 1, "body of %c\n", name);
    return sample_archive(body, sizeof body, COMMITTED_BYTES);
}

struct fixture {
    struct undertaker undertaker;
    struct site_list *sites;
};

static struct site_list *sample_next(const struct site_list *old, struct site *site)
{
    const struct site_retention retention = {SITES_MAX, 0};
    return site_list_next(old, &(struct site_change){.added = site}, &retention, 0);
}

/* Sites from words, the newest first: "S" for a snapshot or "O" for an overlay, a letter for its
 * name, then its entries (samples.h). */
static void fixture_init(struct fixture *fixture, const char *const *stack)
{
    cr_assert(undertaker_init(&fixture->undertaker, NULL) == 0);
    fixture->sites = site_list_new();
    size_t count = 0;
    while (count < SITES_MAX && stack[count] != NULL) {
        count++;
    }
    while (count-- > 0) {
        struct site *site =
            site_new(&fixture->undertaker, make_index(stack[count]), make_archive(stack[count][1]),
                     mem_string("x", 1), mount_everywhere(), 1, 0);
        struct site_list *next = sample_next(fixture->sites, site);
        site_list_free(fixture->sites);
        fixture->sites = next;
    }
}

static void fixture_fini(struct fixture *fixture)
{
    site_list_free(fixture->sites);
    undertaker_fini(&fixture->undertaker);
}

/* ---- answers as text ---- */

static void ask(const struct fixture *fixture, const struct request *request,
                struct response *out_response)
{
    const struct respond_context context = {
        .sites = fixture->sites, .limits = &limits, .now_s = NOW_S, .scratch = &scratch};
    static struct live_reload_scratch live_scratch;
    if (is_live) {
        live_reload_respond(&live, &live_scratch, &context, request, out_response);
    } else {
        respond(&context, request, out_response);
    }
}

static void add_parts(char *at, size_t left, const struct response *response)
{
    const struct multipart *multipart = response->multipart;
    int count = snprintf(at, left, "|");
    for (size_t i = 0; i <= multipart->ranges.count; i++) {
        count += (int)multipart_text(multipart, i, at + count, left - (size_t)count);
        if (i < multipart->ranges.count) {
            const struct byte_range *range = &multipart->ranges.at[i];
            count += snprintf(at + count, left - (size_t)count, "%.*s", (int)range->bytes,
                              (const char *)response->body + range->first);
        }
    }
}

/* Status, Location, fields and body of the answer to a request with these first line and fields. */
static const char *answer(const struct fixture *fixture, const char *start, const char *fields)
{
    static char text[4096];
    char input[PATH_ENCODED_BYTES_MAX];
    snprintf(input, sizeof input, "%s HTTP/1.1\r\nHost: a\r\n%s\r\n", start, fields);
    static struct request request;
    struct response response;
    unsigned status;
    cr_assert(h1_parse(slice_of_string(input), &limits, &request, &status) == H1_OK, "%s", input);
    ask(fixture, &request, &response);
    int count = snprintf(text, sizeof text, "%u", response.status);
    if (response.location.count > 0) {
        count += snprintf(text + count, sizeof text - (size_t)count, " to %.*s%.*s%.*s",
                          (int)response.location_prefix.count, response.location_prefix.bytes,
                          (int)response.location.count, response.location.bytes,
                          (int)response.query.count, response.query.bytes);
    }
    for (size_t i = 0; i < ARRAY_COUNT(response.fields); i++) {
        count += snprintf(text + count, sizeof text - (size_t)count, "%s%.*s",
                          response.fields[i].count > 0 ? "|" : "", (int)response.fields[i].count,
                          response.fields[i].bytes);
    }
    if (response.has_body && response.multipart != NULL) {
        add_parts(text + count, sizeof text - (size_t)count, &response);
    } else if (response.has_body && response.site != NULL) {
        const uint8_t *stored = response.site->archive->map + response.body_offset;
        bool is_there = response.body == stored;
        snprintf(text + count, sizeof text - (size_t)count, "|%.*s",
                 is_there ? (int)response.body_bytes : 100,
                 is_there ? (const char *)response.body : "a stored body that is not there");
    } else if (response.has_body) {
        snprintf(text + count, sizeof text - (size_t)count, "|%.*s", (int)response.text.count,
                 response.text.bytes);
    }
    return text;
}

#define TYPE         "|Content-Type: text/html\r\n"
#define POLICY       "|Cache-Control: no-cache\r\n"
#define ETAG(name)   "\"" name "AAAAAAAAAAAAAAAAAAAAA\""
#define TAG(name)    "|ETag: " ETAG(name) "\r\n"
#define LENGTH       "|Content-Length: 10\r\n"
#define NO_STORE     "|Cache-Control: no-store\r\n"
#define BODY(name)   "|body of " name "\n"
#define HEAD_200(n)  "200" TYPE POLICY TAG(n) LENGTH
#define FILE_200(n)  HEAD_200(n) BODY(n)
#define FILE_304(n)  "304" POLICY TAG(n)
#define PAGE_404(n)  "404" TYPE LENGTH NO_STORE BODY(n)
#define MOVED(query) "301 to /new/" query "|Content-Length: 0\r\n" POLICY
#define PLAIN(status, length, more)                                                                \
    status "|Content-Type: text/plain; charset=utf-8\r\n"                                          \
           "X-Content-Type-Options: nosniff\r\nContent-Length: " length                            \
           "\r\nCache-Control: no-store\r\n" more
#define OPTIONS_204 "204|Allow: GET, HEAD, OPTIONS\r\nCache-Control: no-store\r\n"
#define PART_206(n, range, length, part)                                                           \
    "206" TYPE POLICY TAG(n) "|Content-Range: bytes " range "/10\r\nContent-Length: " length       \
                             "\r\n|" part
#define TEXT_412 PLAIN("412", "24", "|412 Precondition Failed\n")
#define TEXT_416(length)                                                                           \
    PLAIN("416", "26", "|Content-Range: bytes */" length "\r\n|416 Range Not Satisfiable\n")
#define TEXT_404 PLAIN("404", "14", "|404 Not Found\n")
#define TEXT_410 PLAIN("410", "9", "|410 Gone\n")
#define TEXT_400 PLAIN("400", "16", "|400 Bad Request\n")

/* A file, a redirect, a tombstone and a page for missing paths. */
#define SITE "SA F/ F/a.html N/404.html R/old G/gone F/a%20b"

static const struct {
    const char *start;
    const char *fields;
    const char *answer;
} rows[] = {
    {"GET /", "", FILE_200("A")},
    {"GET /a.html", "", FILE_200("A")},
    {"GET /a.html?v=1", "", FILE_200("A")},
    {"GET /x/../a.html", "", FILE_200("A")},
    {"GET /%61.html", "", FILE_200("A")},
    {"GET //a.html", "", FILE_200("A")},
    {"GET http://b.example/a.html", "", FILE_200("A")},
    {"GET /404.html", "", FILE_200("A")},
    {"HEAD /a.html", "", HEAD_200("A")},
    /* decoded once: the key "/a%20b" is reached by its encoding */
    {"GET /a%2520b", "", FILE_200("A")},
    {"GET /a%20b", "", PAGE_404("A")},
    /* preconditions */
    {"GET /a.html", "If-None-Match: " ETAG("A") "\r\n", FILE_304("A")},
    {"HEAD /a.html", "If-None-Match: " ETAG("A") "\r\n", FILE_304("A")},
    {"GET /a.html", "If-None-Match: W/" ETAG("A") "\r\n", FILE_304("A")},
    {"GET /a.html", "If-None-Match: *\r\n", FILE_304("A")},
    {"GET /a.html", "If-None-Match: \"x\"\r\nIf-None-Match: " ETAG("A") "\r\n", FILE_304("A")},
    {"GET /a.html", "If-None-Match: " ETAG("B") "\r\n", FILE_200("A")},
    {"GET /a.html", "If-None-Match: \"AAAAAAAAAAAAAAAAAAAAAA\r\n", FILE_200("A")},
    {"GET /a.html", "If-None-Match:\r\n", FILE_200("A")},
    {"GET /missing", "If-None-Match: " ETAG("A") "\r\n", PAGE_404("A")},
    {"GET /missing", "If-None-Match: *\r\n", PAGE_404("A")},
    {"GET /old", "If-None-Match: *\r\n", MOVED("")},
    /* redirects keep the query */
    {"GET /old", "", MOVED("")},
    {"GET /old?", "", MOVED("?")},
    {"GET /old?a=b&c", "", MOVED("?a=b&c")},
    {"HEAD /old?a", "", MOVED("?a")},
    /* missing */
    {"GET /missing", "", PAGE_404("A")},
    {"HEAD /missing", "", "404" TYPE LENGTH NO_STORE},
    {"GET /A.HTML", "", PAGE_404("A")},
    {"GET /a.html/", "", PAGE_404("A")},
    {"GET /a%2Fhtml", "", PAGE_404("A")},
    {"GET /gone", "", "410" TYPE LENGTH NO_STORE BODY("A")},
    /* not a path */
    {"GET /%", "", TEXT_400},
    {"GET /%00", "", TEXT_400},
    {"GET /%zz", "", TEXT_400},
    {"HEAD /%", "", PLAIN("400", "16", "")},
    /* methods */
    {"POST /a.html", "",
     PLAIN("405", "23", "Allow: GET, HEAD, OPTIONS\r\n|405 Method Not Allowed\n")},
    {"OPTIONS *", "", OPTIONS_204},
    {"OPTIONS /a.html", "", OPTIONS_204},
    {"OPTIONS /a.html", "If-None-Match: *\r\nIf-Match: \"x\"\r\n", OPTIONS_204},
    {"OPTIONS /old", "", OPTIONS_204},
    {"OPTIONS /missing", "", PAGE_404("A")},
    {"OPTIONS /gone", "", "410" TYPE LENGTH NO_STORE BODY("A")},
    /* expectations, and requests that belong to another origin */
    {"GET /a.html", "Expect: 100-continue\r\n", FILE_200("A")},
    {"GET /a.html", "Expect: more\r\n", PLAIN("417", "23", "|417 Expectation Failed\n")},
    {"GET https://a/a.html", "", PLAIN("421", "24", "|421 Misdirected Request\n")},
    /* more preconditions; their order is test_conditional's */
    {"GET /a.html", "If-Match: " ETAG("B") "\r\n", TEXT_412},
    {"HEAD /a.html", "If-Match: " ETAG("B") "\r\n", PLAIN("412", "24", "")},
    {"GET /a.html", "If-Match: " ETAG("A") "\r\n", FILE_200("A")},
    {"GET /missing", "If-Match: " ETAG("B") "\r\n", PAGE_404("A")},
    {"GET /old", "If-Match: " ETAG("B") "\r\n", MOVED("")},
    {"POST /a.html", "If-Match: " ETAG("B") "\r\n",
     PLAIN("405", "23", "Allow: GET, HEAD, OPTIONS\r\n|405 Method Not Allowed\n")},
    /* ranges; their syntax is test_range's */
    {"GET /a.html", "Range: bytes=0-3\r\n", PART_206("A", "0-3", "4", "body")},
    {"GET /a.html", "Range: bytes=5-\r\n", PART_206("A", "5-9", "5", "of A\n")},
    {"GET /a.html", "Range: bytes=-2\r\n", PART_206("A", "8-9", "2", "A\n")},
    {"GET /a.html", "Range: bytes=0-99\r\n", PART_206("A", "0-9", "10", "body of A\n")},
    {"HEAD /a.html", "Range: bytes=0-3\r\n", HEAD_200("A")},
    {"GET /a.html", "Range: bytes=5-2\r\n", FILE_200("A")},
    {"GET /a.html", "Range: lines=0-3\r\n", FILE_200("A")},
    {"GET /a.html", "Range: bytes=10-\r\n", TEXT_416("10")},
    {"GET /a.html", "Range: bytes=-0\r\n", TEXT_416("10")},
    {"GET /a.html", "Range: bytes=0-3\r\nIf-Range: " ETAG("A") "\r\n",
     PART_206("A", "0-3", "4", "body")},
    {"GET /a.html", "Range: bytes=0-3\r\nIf-Range: " ETAG("B") "\r\n", FILE_200("A")},
    {"GET /a.html", "Range: bytes=99-\r\nIf-Range: " ETAG("B") "\r\n", FILE_200("A")},
    {"GET /a.html", "Range: bytes=0-3\r\nIf-None-Match: " ETAG("A") "\r\n", FILE_304("A")},
    {"GET /a.html", "Range: bytes=0-3\r\nIf-Match: " ETAG("B") "\r\n", TEXT_412},
    {"GET /missing", "Range: bytes=0-3\r\n", PAGE_404("A")},
    {"GET /old", "Range: bytes=0-3\r\n", MOVED("")},
    {"CONNECT a:1", "",
     PLAIN("405", "23", "Allow: GET, HEAD, OPTIONS\r\n|405 Method Not Allowed\n")},
    {"DELETE /missing", "",
     PLAIN("405", "23", "Allow: GET, HEAD, OPTIONS\r\n|405 Method Not Allowed\n")},
    {"BREW /a.html", "", PLAIN("501", "20", "|501 Not Implemented\n")},
    {"get /a.html", "", PLAIN("501", "20", "|501 Not Implemented\n")},
};

Test(respond, one_site, .init = set_limits)
{
    struct fixture fixture;
    fixture_init(&fixture, (const char *const[SITES_MAX]){SITE});
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *text = answer(&fixture, rows[i].start, rows[i].fields);
        cr_expect(strcmp(text, rows[i].answer) == 0, "%s %s: %s", rows[i].start, rows[i].fields,
                  text);
    }
    fixture_fini(&fixture);
}

static const struct {
    const char *stack[SITES_MAX]; /* newest first */
    const char *start;
    const char *answer;
} stacks[] = {
    {{NULL}, "GET /", PLAIN("503", "24", "Retry-After: 1\r\n|503 Service Unavailable\n")},
    {{NULL}, "GET /%", PLAIN("503", "24", "Retry-After: 1\r\n|503 Service Unavailable\n")},
    {{NULL},
     "POST /",
     PLAIN("405", "23", "Allow: GET, HEAD, OPTIONS\r\n|405 Method Not Allowed\n")},
    {{"SA F/a"}, "GET /b", TEXT_404},
    {{"SA F/a"}, "HEAD /b", PLAIN("404", "14", "")},
    {{"SA"}, "GET /", TEXT_404},
    {{"SA G/a"}, "GET /a", TEXT_410},
    {{"SA T/a"}, "GET /a", TEXT_404},
    /* the newest release answers, with its own bytes and tag */
    {{"SB F/a", "SA F/a"}, "GET /a", FILE_200("B")},
    /* a snapshot hides what it lacks, unless the name tells the content */
    {{"SB F/b", "SA F/a"}, "GET /a", TEXT_404},
    {{"SB F/b", "SA I/a"}, "GET /a", FILE_200("A")},
    {{"SB N/404.html", "SA F/a"}, "GET /a", PAGE_404("B")},
    {{"SB", "SA N/404.html"}, "GET /a", TEXT_404},
    /* an overlay falls through, and its tombstones end the search */
    {{"OB F/b", "SA F/a"}, "GET /a", FILE_200("A")},
    {{"OB F/b", "SA F/a"}, "GET /b", FILE_200("B")},
    {{"OB T/a", "SA F/a"}, "GET /a", TEXT_404},
    {{"OB G/a", "SA F/a"}, "GET /a", TEXT_410},
    {{"OB G/a", "SA I/a N/404.html"}, "GET /a", "410" TYPE LENGTH NO_STORE BODY("A")},
    {{"OB R/a", "SA F/a"}, "GET /a?x", MOVED("?x")},
    {{"OC", "OB N/404.html", "SA N/404.html"}, "GET /a", PAGE_404("B")},
};

Test(respond, stacks_of_sites, .init = set_limits)
{
    for (size_t i = 0; i < ARRAY_COUNT(stacks); i++) {
        struct fixture fixture;
        fixture_init(&fixture, stacks[i].stack);
        const char *text = answer(&fixture, stacks[i].start, "");
        cr_expect(strcmp(text, stacks[i].answer) == 0, "row %zu (%s): %s", i, stacks[i].start,
                  text);
        fixture_fini(&fixture);
    }
}

Test(respond, too_long_a_path_is_missing, .init = set_limits)
{
    struct fixture fixture;
    fixture_init(&fixture, (const char *const[SITES_MAX]){SITE});
    char start[4 + PATH_BYTES_MAX + 2] = "GET /";
    memset(start + 5, 'a', PATH_BYTES_MAX);
    cr_expect(strcmp(answer(&fixture, start, ""), PAGE_404("A")) == 0);
    fixture_fini(&fixture);
}

Test(respond, connection, .init = set_limits)
{
    static const struct {
        const char *input;
        bool keep_alive, tell_keep_alive;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false, false},
        {"GET / HTTP/1.0\r\n\r\n", false, true},
        {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, true},
        {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", true, false},
        /* whether the body comes is not known */
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", false,
         false},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", true, false},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", true, false},
    };
    struct fixture fixture;
    fixture_init(&fixture, (const char *const[SITES_MAX]){SITE});
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        static struct request request;
        struct response response;
        unsigned status;
        cr_assert(h1_parse(slice_of_string(cases[i].input), &limits, &request, &status) == H1_OK);
        ask(&fixture, &request, &response);
        cr_expect(response.keep_alive == cases[i].keep_alive, "%s", cases[i].input);
        cr_expect(response.tell_keep_alive == cases[i].tell_keep_alive, "%s", cases[i].input);
    }
    fixture_fini(&fixture);
}

/* Last-Modified is never later than the answer, nor is what dates are compared with (RFC 9110
 * section 8.8.2.1); 0 and 1 are no dates. */
Test(respond, modification_dates, .init = set_limits)
{
    static const struct {
        int64_t modified_s;
        const char *fields;
        const char *answer;
    } cases[] = {
        {0, "", "200" TYPE POLICY TAG("A") LENGTH},
        {1, "If-Modified-Since: Sun, 13 Sep 2020 12:26:40 GMT\r\n",
         "200" TYPE POLICY TAG("A") LENGTH},
        {NOW_S - 1, "",
         "200" TYPE POLICY TAG("A") "Last-Modified: Sun, 13 Sep 2020 12:26:39 GMT\r\n" LENGTH},
        {NOW_S - 1, "If-Modified-Since: Sun, 13 Sep 2020 12:26:39 GMT\r\n",
         "304" POLICY TAG("A") "Last-Modified: Sun, 13 Sep 2020 12:26:39 GMT\r\n"},
        {NOW_S + 1000, "",
         "200" TYPE POLICY TAG("A") "Last-Modified: Sun, 13 Sep 2020 12:26:40 GMT\r\n" LENGTH},
        {NOW_S + 1000, "If-Modified-Since: Sun, 13 Sep 2020 12:26:39 GMT\r\n",
         "200" TYPE POLICY TAG("A") "Last-Modified: Sun, 13 Sep 2020 12:26:40 GMT\r\n" LENGTH},
        {NOW_S + 1000, "If-Unmodified-Since: Sun, 13 Sep 2020 12:26:39 GMT\r\n",
         PLAIN("412", "24", "")},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct fixture fixture;
        modified_s = cases[i].modified_s;
        fixture_init(&fixture, (const char *const[SITES_MAX]){"SA F/a"});
        const char *text = answer(&fixture, "HEAD /a", cases[i].fields);
        cr_expect(strcmp(text, cases[i].answer) == 0, "row %zu: %s", i, text);
        fixture_fini(&fixture);
    }
    modified_s = 0;
}

/* An index that changed under a running server: the body is refused, not read. */
Test(respond, body_outside_what_was_committed, .init = set_limits)
{
    struct fixture fixture;
    fixture_init(&fixture, (const char *const[SITES_MAX]){"SA F/a N/404.html"});
    struct index *index = fixture.sites->sites[0]->index;
    index->committed_bytes = SUPERBLOCK_BYTES + BODY_BYTES - 1;
    const char *wanted = PLAIN("500", "26", "|500 Internal Server Error\n");
    cr_expect(strcmp(answer(&fixture, "GET /a", ""), wanted) == 0, "%s",
              answer(&fixture, "GET /a", ""));
    cr_expect(strcmp(answer(&fixture, "GET /b", ""), TEXT_404) == 0, "%s",
              answer(&fixture, "GET /b", ""));
    fixture_fini(&fixture);
}

Test(respond, bad_requests, .init = set_limits)
{
    static const struct {
        unsigned status;
        unsigned answered;
        const char *text;
    } cases[] = {
        {400, 400, "400 Bad Request\n"},
        {408, 408, "408 Request Timeout\n"},
        {413, 413, "413 Content Too Large\n"},
        {299, 500, "500 Internal Server Error\n"},
        {414, 414, "414 URI Too Long\n"},
        {431, 431, "431 Request Header Fields Too Large\n"},
        {501, 501, "501 Not Implemented\n"},
        {505, 505, "505 HTTP Version Not Supported\n"},
        {500, 500, "500 Internal Server Error\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct response response;
        respond_bad(cases[i].status, &response);
        cr_expect(response.status == cases[i].answered && response.has_body, "row %zu", i);
        cr_expect(!response.keep_alive && response.site == NULL, "row %zu", i);
        cr_expect(slice_equal(response.text, slice_of_string(cases[i].text)), "row %zu", i);
        char length[32];
        int count = snprintf(length, sizeof length, "Content-Length: %zu\r\n", response.text.count);
        cr_expect(memmem(response.fields[0].bytes, response.fields[0].count, length,
                         (size_t)count) != NULL,
                  "row %zu", i);
    }
}

/* ---- pages that reload (--live-reload) ---- */

static void set_live(void)
{
    set_limits();
    live_reload_init(&live, SLICE("/a&\"b"));
    is_live = true;
}

static void end_live(void)
{
    live_reload_fini(&live);
}

#define FRAGMENT(more)                                                                             \
    "<script src=\"/__cairn/live-reload.js\" data-events=\"/a%26%22b\"" more " async></script>"
#define OWN   FRAGMENT("")
#define OTHER FRAGMENT(" data-page=\"other\"")

/* In the answers: ^ is the tag of page A, # its length, ~ that of a page that is another's. */
#define LIVE_HEAD "200" TYPE "ETag: ^\r\nCache-Control: no-store\r\nContent-Length: #\r\n"
#define LIVE_200  LIVE_HEAD "|" OWN "body of A\n"
#define LIVE_304  "304|ETag: ^\r\nCache-Control: no-store\r\n"
#define LIVE_404(status)                                                                           \
    status TYPE "Cache-Control: no-store\r\nContent-Length: ~\r\n|" OTHER "body of A\n"

static const struct {
    const char *start;
    const char *fields; /* ^ as well */
    const char *answer;
} live_rows[] = {
    {"GET /a.html", "", LIVE_200},
    {"GET /%61.html?x", "Accept-Encoding: br, gzip\r\n", LIVE_200},
    {"HEAD /a.html", "", LIVE_HEAD},
    /* ranges are of what is stored, and a page is not that */
    {"GET /a.html", "Range: bytes=0-3\r\n", LIVE_200},
    {"GET /a.html", "Range: bytes=99-\r\nIf-Range: ^\r\n", LIVE_200},
    /* preconditions: the tag is the page's own, and it has no date */
    {"GET /a.html", "If-None-Match: ^\r\n", LIVE_304},
    {"HEAD /a.html", "If-None-Match: \"x\", W/^\r\n", LIVE_304},
    {"GET /a.html", "If-None-Match: *\r\nRange: bytes=0-3\r\n", LIVE_304},
    {"GET /a.html", "If-None-Match: " ETAG("A") "\r\n", LIVE_200},
    {"GET /a.html", "If-Match: ^\r\n", LIVE_200},
    {"GET /a.html", "If-Match: " ETAG("A") "\r\n", TEXT_412},
    {"GET /a.html", "If-Modified-Since: Sun, 13 Sep 2020 12:26:40 GMT\r\n", LIVE_200},
    {"GET /a.html", "If-Unmodified-Since: Sun, 13 Sep 1998 12:26:40 GMT\r\n", LIVE_200},
    /* pages that say what is not there */
    {"GET /missing", "", LIVE_404("404")},
    {"GET /missing", "If-None-Match: *\r\n", LIVE_404("404")},
    {"GET /gone", "Accept-Encoding: gzip\r\nRange: bytes=0-1\r\n", LIVE_404("410")},
    {"HEAD /gone", "", "410" TYPE "Cache-Control: no-store\r\nContent-Length: ~\r\n"},
    /* what is no page */
    {"GET /old?a", "", "301 to /new/?a|Content-Length: 0\r\nCache-Control: no-cache\r\n"},
    {"GET /%", "", TEXT_400},
    {"OPTIONS /a.html", "", OPTIONS_204},
    {"POST /a.html", "",
     PLAIN("405", "23", "Allow: GET, HEAD, OPTIONS\r\n|405 Method Not Allowed\n")},
    {"GET /a.html", "Expect: more\r\n", PLAIN("417", "23", "|417 Expectation Failed\n")},
    {"GET https://a/__cairn/live-reload.js", "", PLAIN("421", "24", "|421 Misdirected Request\n")},
    {"GET /__cairn/live-reload.js/", "", LIVE_404("404")},
};

/* The text of a row with what its signs stand for. */
static const char *with_signs(const char *text, char out[4096])
{
    size_t count = 0;
    out[0] = '\0';
    for (; *text != '\0'; text++) {
        size_t left = 4096 - count;
        if (*text == '^') {
            count += (size_t)snprintf(out + count, left, "\"AAAAAAAAAAAAAAAAAAAAAA%s\"",
                                      live.tags[LIVE_PAGE_OWN]);
        } else if (*text == '#' || *text == '~') {
            size_t added = *text == '#' ? sizeof OWN - 1 : sizeof OTHER - 1;
            count += (size_t)snprintf(out + count, left, "%zu", BODY_BYTES + added);
        } else {
            count += (size_t)snprintf(out + count, left, "%c", *text);
        }
    }
    return out;
}

Test(respond, live_pages, .init = set_live, .fini = end_live)
{
    struct fixture fixture;
    fixture_init(&fixture, (const char *const[SITES_MAX]){SITE});
    for (size_t i = 0; i < ARRAY_COUNT(live_rows); i++) {
        static char fields[4096];
        static char wanted[4096];
        with_signs(live_rows[i].fields, fields);
        with_signs(live_rows[i].answer, wanted);
        const char *text = answer(&fixture, live_rows[i].start, fields);
        cr_expect(strcmp(text, wanted) == 0, "%s, %s: %s, not %s", live_rows[i].start, fields, text,
                  wanted);
    }
    fixture_fini(&fixture);
}

/* What an index has for a head is not looked at when it is loaded. */
Test(respond, live_pages_with_a_head_of_anything, .init = set_live, .fini = end_live)
{
    enum { TAG_BYTES = 6000 };
    char tag[TAG_BYTES + 1];
    memset(tag, 'a', TAG_BYTES);
    tag[TAG_BYTES] = '\0';
    char *text = mem_format("Content-Type: text/html\r\nETag: \"%s\"\r\nX-Last: no end", tag);
    struct fixture fixture;
    entity = text;
    fixture_init(&fixture, (const char *const[SITES_MAX]){"SA F/a.html"});
    const char *got = answer(&fixture, "GET /a.html", "");
    cr_expect(strncmp(got, "200|Content-Type: text/html\r\n", 29) == 0, "%s", got);
    cr_expect(strstr(got, "aaaa") == NULL && strstr(got, "ETag") == NULL, "%s", got);
    cr_expect(strstr(got, "X-Last: no endCache-Control: no-store\r\n") != NULL, "%s", got);
    fixture_fini(&fixture);
    free(text);
}

/* An element of ASCII in it would be no element. */
Test(respond, live_pages_in_utf_16, .init = set_live, .fini = end_live)
{
    static const char *const types[] = {"text/html;charset=utf-16",
                                        "text/html; q=1; Charset=\"UTF-16LE\""};
    for (size_t i = 0; i < ARRAY_COUNT(types); i++) {
        char *text = mem_format("Content-Type: %s\r\n", types[i]);
        struct fixture fixture;
        entity = text;
        fixture_init(&fixture, (const char *const[SITES_MAX]){"SA F/a.html"});
        const char *got = answer(&fixture, "GET /a.html", "");
        cr_expect(strstr(got, "|body of A\n") != NULL, "%s", got);
        cr_expect(strstr(got, "Cache-Control: no-cache\r\n") != NULL, "%s", got);
        fixture_fini(&fixture);
        free(text);
    }
}

/* The script goes before a site's paths, and is there without any. */
Test(respond, live_script, .init = set_live, .fini = end_live)
{
    struct fixture fixture;
    fixture_init(&fixture, (const char *const[SITES_MAX]){NULL});
    char fields[64];
    const char *text = answer(&fixture, "HEAD " LIVE_RELOAD_SCRIPT_PATH, "");
    char wanted[512];
    snprintf(wanted, sizeof wanted,
             "200|ETag: %s\r\nCache-Control: no-cache\r\n"
             "Content-Type: text/javascript; charset=utf-8\r\n"
             "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\n",
             live.script_tag, live_script.count);
    cr_expect(strcmp(text, wanted) == 0, "%s", text);
    snprintf(fields, sizeof fields, "If-None-Match: %s\r\n", live.script_tag);
    text = answer(&fixture, "GET " LIVE_RELOAD_SCRIPT_PATH, fields);
    snprintf(wanted, sizeof wanted, "304|ETag: %s\r\nCache-Control: no-cache\r\n", live.script_tag);
    cr_expect(strcmp(text, wanted) == 0, "%s", text);
    text = answer(&fixture, "GET " LIVE_RELOAD_SCRIPT_PATH, "If-Match: \"x\"\r\n");
    cr_expect(strcmp(text, TEXT_412) == 0, "%s", text);
    fixture_fini(&fixture);
}
