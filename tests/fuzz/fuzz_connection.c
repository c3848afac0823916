/* A whole connection: bytes in, responses out, against a site that is packed and loaded as always.
 * The first byte of an input says how the connection ends, the second how the bytes are cut; the
 * rest is sent: at once, then in pieces, and byte by byte if it is short. The responses are the
 * same each time, and each is what http_oracle.h expects: one for each request and in order, with a
 * body that is the file, the range or the coded form that its fields claim. */
#include "common/mem.h"
#include "fuzz.h"
#include "http_oracle.h"
#include "net/h1_session.h"
#include "packer/archive/compress.h"
#include "samples.h"
#include "server/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    SMALL_BYTES = 12000,  /* is copied, and does not fit a small socket buffer */
    MIDDLE_BYTES = 20000, /* goes by sendfile */
    BIG_BYTES = 70000,
    BYTEWISE_MAX = 160,
    SMALL_BUFFER = 4, /* bit of the first byte: the socket takes little at a time */
};

/* The first byte, its low bits. */
enum ending { END_CLOSE, END_HALF_CLOSE, END_TIME, END_ANOTHER_REQUEST };

static const struct asked_limits limits = {
    .head_bytes = 2048, .target_bytes = 256, .fields = 16, .body_bytes = 1000};

/* ---- the site ---- */

static const struct {
    const char *target;
    const char *file;
} resources[] = {
    {"/", "index.html"},
    {"/index.html", "index.html"},
    {"/page", "page.html"},
    {"/page.html", "page.html"},
    {"/copy", "copy.html"},
    {"/docs/", "docs/index.html"},
    {"/docs/a%20b", "docs/a b.html"},
    {"/style.css", "style.css"},
    {"/app.3f9a8b7c6d5e4f30.js", "app.3f9a8b7c6d5e4f30.js"},
    {"/empty.txt", "empty.txt"},
    {"/small.bin", "small.bin"},
    {"/middle.bin", "middle.bin"},
    {"/big.bin", "big.bin"},
};
enum { RESOURCES = ARRAY_COUNT(resources), FORMS_MAX = 4 * RESOURCES };

/* A form of a file, as its first whole answer had it. */
struct form {
    size_t resource;
    struct slice coding; /* "" for identity */
    struct slice etag;
    struct slice bytes;
};

static struct {
    char *scratch;
    struct slice files[RESOURCES];
    struct slice missing, missing_in_docs;
    struct form forms[FORMS_MAX];
    size_t form_count;
    bool is_learning;
} site;

/* ---- a worker without its loop ---- */

static struct {
    struct publication publication;
    struct undertaker undertaker;
    struct loader loader;
    struct limits limits;
    struct address_list proxies;
    struct turn *turn;
} server;

struct connection {
    struct conn *conn;
    int client;    /* the other end */
    bool is_ended; /* the server said that no more will come */
    struct part output;
};

static void set_limits(void)
{
    limits_init(&server.limits);
    server.limits.head_bytes = limits.head_bytes;
    server.limits.target_bytes = limits.target_bytes;
    server.limits.fields = limits.fields;
    server.limits.body_bytes = limits.body_bytes;
}

static void load(void)
{
    char *path = mem_format("%s/site.idx", site.scratch);
    const struct load_request request = {.path = path};
    struct load_result result;
    struct error error = {""};
    publication_init(&server.publication);
    FUZZ_CHECK(undertaker_init(&server.undertaker, NULL) == 0);
    server.loader = (struct loader){
        .publication = &server.publication, .undertaker = &server.undertaker, .retention = {3, 0}};
    FUZZ_CHECK(loader_load(&server.loader, &request, &result, &error) == 0);
    free(path);
}

static void start(void)
{
    struct turn *turn = mem_aligned(64, sizeof *turn);
    set_limits();
    load();
    turn->sites = loader_sites(&server.loader);
    turn->limits = &server.limits;
    turn->proxy_from = &server.proxies;
    turn->forwarded_from = &server.proxies;
    access_log_init(&turn->log, NULL, ACCESS_COMBINED);
    turn->common.date.seconds = -1;
    date_line_set(&turn->common.date, 1700000000);
    turn->conns.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    turn->conns.limits = &server.limits;
    turn->conns.admission = admission_new(&server.limits, 1);
    turn->conns.now_ms = 1000000;
    server.turn = turn;
}

static void open_connection(struct connection *connection, bool has_small_buffer)
{
    static const struct ip_address none;
    const int small = 2304;
    int fds[2];
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    if (has_small_buffer) {
        FUZZ_CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
    }
    FUZZ_CHECK(admission_enter(server.turn->conns.admission, &none) == ADMITTED);
    connection->conn = conn_open(&server.turn->conns, fds[0], &none, false);
    connection->client = fds[1];
    connection->is_ended = false;
    connection->output.count = 0;
    h1_session_begin(server.turn, connection->conn);
}

static void close_connection(struct connection *connection)
{
    close(connection->client);
    if (connection->conn->state != CONN_CLOSED) {
        conn_close(&server.turn->conns, connection->conn);
    }
    batch_clear(&server.turn->batch);
    conn_recycle(&server.turn->conns);
}

/* Reads what has come so far. */
static void collect(struct connection *connection)
{
    static char piece[65536];
    ssize_t got;
    while ((got = recv(connection->client, piece, sizeof piece, 0)) > 0) {
        part_insert(&connection->output, connection->output.count, piece, (size_t)got);
    }
    connection->is_ended |= got == 0 || errno == ECONNRESET;
}

/* What epoll would say, until the server waits for the client. */
static void settle(struct connection *connection)
{
    struct epoll_event event;
    for (;;) {
        collect(connection);
        if (connection->conn->state == CONN_CLOSED ||
            epoll_wait(server.turn->conns.epoll_fd, &event, 1, 0) != 1) {
            return;
        }
        h1_session_turn(server.turn, event.data.ptr, event.events);
    }
}

static void deliver(struct connection *connection, struct slice bytes)
{
    while (bytes.count > 0 && connection->conn->state != CONN_CLOSED) {
        ssize_t sent = send(connection->client, bytes.bytes, bytes.count, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) {
            return; /* it has closed */
        }
        bytes = slice_after(bytes, sent > 0 ? (size_t)sent : 0);
        settle(connection);
    }
}

/* ---- bodies ---- */

static const struct form *find_form(struct slice etag)
{
    for (size_t i = 0; i < site.form_count; i++) {
        if (slice_equal(site.forms[i].etag, etag)) {
            return &site.forms[i];
        }
    }
    return NULL;
}

static struct slice keep(struct slice bytes)
{
    return (struct slice){mem_string(bytes.bytes, bytes.count), bytes.count};
}

/* Is it the text, as it is or in the coding that the response names? */
static bool is_coded(const struct answer *answer, struct slice text)
{
    struct slice coding = answer_value(answer, "Content-Encoding");
    if (coding.count == 0) {
        return slice_equal(answer->body, text);
    }
    for (int codec = CODEC_GZIP; codec < CODEC_COUNT; codec++) {
        if (slice_equal(coding, slice_of_string(codec_token((enum codec)codec)))) {
            return compressed_decodes_to((enum codec)codec, (const uint8_t *)answer->body.bytes,
                                         answer->body.count, (const uint8_t *)text.bytes,
                                         text.count);
        }
    }
    return false;
}

/* Before the first input: every form once, which has to be its file. */
static void learn(const struct answer *answer, size_t resource)
{
    struct slice etag = answer_value(answer, "ETag");
    FUZZ_CHECK(is_coded(answer, site.files[resource]) && etag.count > 2);
    if (find_form(etag) != NULL) {
        return;
    }
    FUZZ_CHECK(site.form_count < FORMS_MAX);
    site.forms[site.form_count++] = (struct form){
        .resource = resource,
        .coding = keep(answer_value(answer, "Content-Encoding")),
        .etag = keep(etag),
        .bytes = keep(answer->body),
    };
}

/* "a-b/length" of a form, with the bytes that belong to it. */
static void check_range(struct slice text, const struct form *form, struct slice bytes)
{
    FUZZ_CHECK(take_word(&text, "bytes "));
    uint64_t first = take_decimal(&text);
    FUZZ_CHECK(take_word(&text, "-"));
    uint64_t last = take_decimal(&text);
    FUZZ_CHECK(take_word(&text, "/"));
    FUZZ_CHECK(take_decimal(&text) == form->bytes.count && text.count == 0);
    FUZZ_CHECK(first <= last && last < form->bytes.count && last - first + 1 == bytes.count);
    FUZZ_CHECK(memcmp(form->bytes.bytes + first, bytes.bytes, bytes.count) == 0);
}

/* Takes one line of a part, without its end. */
static struct slice part_line(struct slice *text)
{
    struct slice line = slice_take(text, '\r');
    FUZZ_CHECK(take_word(text, "\n"));
    return line;
}

/* RFC 9110 §14.6. */
static void check_parts(struct slice type, const struct form *form, struct slice text)
{
    FUZZ_CHECK(take_word(&type, "multipart/byteranges; boundary=") && type.count > 0);
    char *delimiter = mem_format("--%.*s", (int)type.count, type.bytes);
    size_t parts = 0;
    (void)take_word(&text, "\r\n");
    FUZZ_CHECK(take_word(&text, delimiter));
    while (!take_word(&text, "--")) {
        struct slice range = {"", 0};
        struct slice line;
        FUZZ_CHECK(take_word(&text, "\r\n"));
        while ((line = part_line(&text)).count > 0) {
            if (take_word(&line, "Content-Range: ")) {
                range = line;
            }
        }
        struct slice ends = range;
        FUZZ_CHECK(take_word(&ends, "bytes "));
        uint64_t first = take_decimal(&ends);
        FUZZ_CHECK(take_word(&ends, "-"));
        uint64_t count = take_decimal(&ends) - first + 1;
        FUZZ_CHECK(count <= text.count);
        check_range(range, form, (struct slice){text.bytes, count});
        text = slice_after(text, count);
        FUZZ_CHECK(take_word(&text, "\r\n") && take_word(&text, delimiter));
        parts++;
    }
    FUZZ_CHECK(take_word(&text, "\r\n") && text.count == 0 && parts > 1);
    free(delimiter);
}

/* The answer that comes from a file: 200, 206, or 304. */
static void check_file(const struct answer *answer, const struct asked *asked, bool is_head,
                       size_t resource)
{
    const struct form *form = find_form(answer_value(answer, "ETag"));
    struct slice coding = answer_value(answer, "Content-Encoding");
    FUZZ_CHECK(form != NULL);
    FUZZ_CHECK(resource == RESOURCES ||
               slice_equal(site.files[form->resource], site.files[resource]));
    FUZZ_CHECK(form->coding.count == 0 || asked->accepts_codings);
    if (answer->status == 304) {
        FUZZ_CHECK(asked->has_condition);
        return;
    }
    FUZZ_CHECK(slice_equal(coding, form->coding));
    if (answer->status == 206) {
        FUZZ_CHECK(asked->has_range && !is_head);
        struct slice type = answer_value(answer, "Content-Type");
        struct slice range = answer_value(answer, "Content-Range");
        if (range.count > 0) {
            check_range(range, form, answer->body);
        } else {
            check_parts(type, form, answer->body);
        }
        return;
    }
    struct slice length = answer_value(answer, "Content-Length");
    FUZZ_CHECK(take_decimal(&length) == form->bytes.count);
    FUZZ_CHECK(is_head || slice_equal(answer->body, form->bytes));
}

/* "404 Not Found\n", or the site's page. */
static void check_error(const struct answer *answer, bool is_head)
{
    if (is_head) {
        return;
    }
    bool is_missing = answer->status == 404 || answer->status == 410;
    if (is_missing && (is_coded(answer, site.missing) || is_coded(answer, site.missing_in_docs))) {
        return;
    }
    char *text =
        mem_format("%u %.*s\n", answer->status, (int)answer->reason.count, answer->reason.bytes);
    FUZZ_CHECK(slice_equal(answer->body, slice_of_string(text)));
    free(text);
}

/* ---- one response ---- */

static size_t resource_of(struct slice target)
{
    struct slice path = slice_take(&target, '?');
    size_t i = 0;
    while (i < RESOURCES && !slice_equal(path, slice_of_string(resources[i].target))) {
        i++;
    }
    return i;
}

/* Which statuses a request may have, by its method and what it asks for. */
static bool is_possible(const struct answer *answer, const struct asked *asked, size_t resource)
{
    unsigned status = answer->status;
    if (asked->verdict == ASKED_UNSURE && status >= 400) {
        return true;
    }
    if (slice_equal(asked->method, SLICE("OPTIONS"))) {
        return status == 204 || (status == 404 && resource == RESOURCES) || status == 410;
    }
    if (!slice_equal(asked->method, SLICE("GET")) && !slice_equal(asked->method, SLICE("HEAD"))) {
        return status == 405 || status == 501;
    }
    bool is_part = status == 206 || status == 416;
    bool is_condition = status == 304 || status == 412;
    if ((is_part && !asked->has_range) || (is_condition && !asked->has_condition)) {
        return false;
    }
    if (resource < RESOURCES) {
        return status == 200 || is_part || is_condition;
    }
    return status == 200 || is_part || is_condition || (status >= 301 && status <= 308) ||
           status == 404;
}

static void check_answer(const struct answer *answer, const struct asked *asked, bool is_head)
{
    size_t resource = resource_of(asked->target);
    FUZZ_CHECK(is_possible(answer, asked, resource));
    FUZZ_CHECK(slice_equal(answer_value(answer, "Date"), SLICE("Tue, 14 Nov 2023 22:13:20 GMT")));
    if (asked->wants_close) {
        FUZZ_CHECK(answer->closes);
    } else {
        FUZZ_CHECK(!answer->closes || asked->verdict == ASKED_UNSURE);
    }
    FUZZ_CHECK(asked->is_1_0 || !answer_has(answer, "Connection") || answer->closes);
    FUZZ_CHECK((answer->status >= 301 && answer->status <= 308 && answer->status != 304) ==
               answer_has(answer, "Location"));
    if (answer->status == 200 && site.is_learning) {
        learn(answer, resource);
    }
    if (answer->status == 200 || answer->status == 206 || answer->status == 304) {
        check_file(answer, asked, is_head, resource);
    } else if (answer->status >= 400) {
        check_error(answer, is_head);
    } else {
        FUZZ_CHECK(answer->body.count == 0);
    }
}

/* ---- all of them ---- */

static struct answer take_answer(struct slice *output, bool is_head)
{
    struct answer answer;
    const char *problem = answer_next(*output, is_head, &answer);
    if (problem != NULL) {
        fprintf(stderr, "%s:\n%.*s\n", problem, (int)output->count, output->bytes);
        abort();
    }
    *output = slice_after(*output, answer.bytes);
    return answer;
}

/* The last answer is a refusal, behind which nothing comes. */
static void check_refusal(struct slice *output)
{
    struct answer answer = take_answer(output, false);
    FUZZ_CHECK(answer.status >= 400 && answer.closes && output->count == 0);
    check_error(&answer, false);
}

/* Is a refusal, and not an answer that an unsure request may have? */
static bool is_refusal(struct slice output)
{
    struct answer answer;
    return answer_next(output, false, &answer) == NULL && answer.status >= 400 && answer.closes;
}

/* One answer for each request, and none for what is cut. Returns true if the connection has to be
 * open still. *out_answers are the answers without the refusal at their end, if there is one. */
static bool check_output(struct slice stream, struct slice output, struct slice *out_answers)
{
    const char *start = output.bytes;
    for (;;) {
        struct asked asked = asked_next(stream, &limits);
        bool is_head = slice_equal(asked.method, SLICE("HEAD"));
        bool is_refused = is_refusal(output);
        *out_answers = (struct slice){start, (size_t)(output.bytes - start)};
        if (asked.verdict == ASKED_NOTHING) {
            FUZZ_CHECK(output.count == 0);
            return true;
        }
        if (asked.verdict == ASKED_BAD || (asked.verdict != ASKED_GOOD && is_refused)) {
            check_refusal(&output);
            return false;
        }
        if (asked.verdict == ASKED_CUT || !asked.is_framed) {
            bool is_open = output.count == 0;
            FUZZ_CHECK(asked.verdict == ASKED_UNSURE || is_open);
            if (!is_open) { /* what follows a body that is not understood is not followed */
                (void)take_answer(&output, is_head);
            }
            *out_answers = (struct slice){start, (size_t)(output.bytes - start)};
            return is_open;
        }
        struct answer answer = take_answer(&output, is_head);
        check_answer(&answer, &asked, is_head);
        if (answer.closes) {
            FUZZ_CHECK(output.count == 0);
            *out_answers = (struct slice){start, (size_t)(output.bytes - start)};
            return false;
        }
        stream = slice_after(stream, asked.bytes);
    }
}

/* ---- ways to send ---- */

static struct slice output_of(const struct connection *connection)
{
    return (struct slice){(const char *)connection->output.bytes, connection->output.count};
}

/* In pieces of 1 to 4096 bytes, which the seed decides; each byte for itself if it is 0. */
static void deliver_pieces(struct connection *connection, struct slice stream, unsigned seed)
{
    uint32_t state = seed;
    while (stream.count > 0 && connection->conn->state != CONN_CLOSED) {
        state = state * 1103515245 + 12345;
        size_t count = seed == 0 ? 1 : 1 + (state >> 16) % (1 + seed * seed / 16);
        count = count < stream.count ? count : stream.count;
        deliver(connection, (struct slice){stream.bytes, count});
        stream = slice_after(stream, count);
    }
}

/* What the same bytes get when they come otherwise: the same. Only the refusal at the end may be
 * another, or come later: of two things that are wrong, either may be found first. */
static void compare_pieces(struct slice answers, struct slice stream, unsigned seed,
                           bool has_small_buffer)
{
    static struct connection pieces;
    struct slice others;
    open_connection(&pieces, has_small_buffer);
    deliver_pieces(&pieces, stream, seed);
    (void)check_output(stream, output_of(&pieces), &others);
    FUZZ_CHECK(slice_equal(answers, others));
    close_connection(&pieces);
}

static void pass(struct connection *connection, uint64_t ms)
{
    struct conn *conn;
    server.turn->conns.now_ms += (int64_t)ms;
    while ((conn = conn_expired(&server.turn->conns)) != NULL) {
        h1_session_expired(server.turn, conn);
    }
    settle(connection);
}

/* Another request on a connection that waits for one. */
static void check_another(struct connection *connection)
{
    static const struct slice request = {"GET /page HTTP/1.1\r\nHost: a\r\n\r\n", 31};
    struct slice ignored;
    connection->output.count = 0;
    deliver(connection, request);
    FUZZ_CHECK(connection->output.count > 0);
    FUZZ_CHECK(check_output(request, output_of(connection), &ignored));
}

/* The end of a connection that is open, with a beginning of a request or without. */
static void check_ending(struct connection *connection, enum ending ending)
{
    size_t before = connection->output.count;
    bool is_idle = connection->conn->state == CONN_IDLE;
    switch (ending) {
    case END_HALF_CLOSE: /* nothing that was complete is without its answer */
        FUZZ_CHECK(shutdown(connection->client, SHUT_WR) == 0);
        settle(connection);
        FUZZ_CHECK(connection->is_ended && connection->conn->state == CONN_CLOSED);
        FUZZ_CHECK(connection->output.count == before);
        break;
    case END_TIME: {
        pass(connection, server.limits.idle_ms + server.limits.rate_ms);
        FUZZ_CHECK(connection->is_ended);
        struct slice rest = slice_after(output_of(connection), before);
        if (rest.count > 0) {
            FUZZ_CHECK(!is_idle && rest.count > 12 && memcmp(rest.bytes + 9, "408", 3) == 0);
            check_refusal(&rest);
        }
        break;
    }
    case END_ANOTHER_REQUEST:
        if (is_idle) {
            check_another(connection);
        }
        break;
    default:
        break;
    }
}

static void run(struct slice stream, unsigned mode, unsigned seed)
{
    static struct connection whole;
    struct slice answers;
    open_connection(&whole, false);
    deliver(&whole, stream);
    bool is_open = check_output(stream, output_of(&whole), &answers);
    if (is_open) {
        FUZZ_CHECK(!whole.is_ended && whole.conn->state < CONN_LINGERING);
    }
    compare_pieces(answers, stream, seed | 1, (mode & SMALL_BUFFER) != 0);
    if (stream.count <= BYTEWISE_MAX) {
        compare_pieces(answers, stream, 0, false);
    }
    if (is_open) {
        check_ending(&whole, (enum ending)(mode & 3));
    }
    close_connection(&whole);
}

/* ---- */

static void make_site(void)
{
    struct error error = {""};
    size_t count;
    uint8_t *noise = fuzz_noise(BIG_BYTES);
    site.scratch = fuzz_scratch(0);
    fuzz_write_site(site.scratch);
    fuzz_write(site.scratch, "site/small.bin", noise, SMALL_BYTES);
    fuzz_write(site.scratch, "site/middle.bin", noise, MIDDLE_BYTES);
    fuzz_write(site.scratch, "site/big.bin", noise, BIG_BYTES);
    free(noise);
    FUZZ_CHECK(fuzz_pack(site.scratch, false, &error) == 0);
    struct slice *pages[] = {&site.missing, &site.missing_in_docs};
    static const char *const names[] = {"404.html", "docs/404.html"};
    for (size_t i = 0; i < RESOURCES + ARRAY_COUNT(pages); i++) {
        const char *name = i < RESOURCES ? resources[i].file : names[i - RESOURCES];
        char *path = mem_format("%s/site/%s", site.scratch, name);
        char *bytes = (char *)fuzz_read(path, &count);
        *(i < RESOURCES ? &site.files[i] : pages[i - RESOURCES]) = (struct slice){bytes, count};
        free(path);
    }
}

/* Asks for every file in every coding. */
static void learn_forms(void)
{
    static const char *const codings[] = {"identity", "gzip", "br", "zstd"};
    site.is_learning = true;
    for (size_t i = 0; i < RESOURCES * ARRAY_COUNT(codings); i++) {
        char *text = mem_format("GET %s HTTP/1.1\r\nHost: a\r\nAccept-Encoding: %s\r\n\r\n",
                                resources[i / ARRAY_COUNT(codings)].target,
                                codings[i % ARRAY_COUNT(codings)]);
        run(slice_of_string(text), END_CLOSE, 1);
        free(text);
    }
    site.is_learning = false;
    FUZZ_CHECK(site.form_count >= 10); /* one of them in three codings */
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (site.scratch == NULL) {
        make_site();
        start();
        learn_forms();
    }
    struct slice stream = fuzz_input(bytes, count);
    unsigned mode = fuzz_take_byte(&stream);
    unsigned seed = fuzz_take_byte(&stream);
    run(stream, mode, seed);
    return 0;
}
