#include "net/exchange.h"

#include "common/clock.h"
#include "common/mem.h"
#include "http/forwarded.h"
#include "http/h1_parse.h"
#include "net/turn.h"

#include <stddef.h>
#include <stdlib.h>
#include <time.h>

/* ---- time ---- */

void exchange_note_read(struct turn *turn)
{
    turn->clock.read_ns = clock_ns(CLOCK_MONOTONIC);
    turn->clock.head_ns = turn->clock.read_ns;
}

/* One clock measures, and the other is asked what that means once a second: it may be set. */
static int64_t unix_ns(struct exchange_clock *clock, int64_t at_ns, int64_t now_ns)
{
    enum { TRUSTED_NS = 1000000000 };
    if (clock->origin_ns == 0 || now_ns - clock->set_ns >= TRUSTED_NS) {
        clock->origin_ns = clock_ns(CLOCK_REALTIME) - now_ns;
        clock->set_ns = now_ns;
    }
    return clock->origin_ns + at_ns;
}

/* ---- the request ---- */

/* The first line of what came, without its end. */
static struct slice first_line(struct slice input)
{
    while (slice_starts_with(input, SLICE("\r\n"))) {
        input = slice_after(input, 2);
    }
    const char *end = input.count == 0 ? NULL : memchr(input.bytes, '\n', input.count);
    size_t count = end == NULL ? input.count : (size_t)(end - input.bytes);
    return (struct slice){input.bytes,
                          count > 0 && end != NULL && end[-1] == '\r' ? count - 1 : count};
}

/* The request that begins there, parsed again if another one has been since; NULL: it is none. */
static const struct request *request_at(struct turn *turn, struct slice input)
{
    unsigned ignored;
    if (turn->request_at == NULL || turn->request_at != input.bytes) {
        bool is_request = h1_parse(input, turn->limits, &turn->request, &ignored) == H1_OK;
        turn->request_at = is_request ? input.bytes : NULL;
    }
    return turn->request_at == NULL ? NULL : &turn->request;
}

static void set_request(struct turn *turn, const struct conn *conn, struct slice input,
                        struct exchange *exchange)
{
    exchange->request = request_at(turn, input);
    exchange->line = first_line(input);
    exchange->peer = conn->address;
    exchange->client = conn->address;
    if (exchange->request != NULL && address_list_has(turn->forwarded_from, &conn->address)) {
        exchange->client =
            forwarded_client(exchange->request, &conn->address, turn->forwarded_from);
    }
}

/* ---- those who want to know ---- */

/* Might anybody want to know what was asked, and not only what was answered? */
static bool may_want_requests(const struct turn *turn)
{
    return access_log_is_on(&turn->log) || turn->tracer != NULL;
}

/* Does somebody, of the request that begins there? */
static bool wants_request(struct turn *turn, struct slice input)
{
    bool is_traced = turn->tracer != NULL && tracer_decide(turn->tracer, request_at(turn, input));
    return is_traced || access_log_is_on(&turn->log);
}

/* The log comes behind the tracer, which says of which span the answer is. */
static void hand_over(struct turn *turn, struct exchange *exchange)
{
    if (turn->meters.is_on) {
        meters_add(&turn->meters, &(struct meter_entry){
                                      .host = exchange->meter,
                                      .method = exchange->method,
                                      .status = exchange->status,
                                      .codec = exchange->codec,
                                      .body_bytes = exchange->body_bytes,
                                      .is_whole = exchange->is_whole,
                                      .duration_ns = exchange->duration_ns,
                                  });
    }
    if (turn->tracer != NULL) {
        tracer_add(turn->tracer, exchange);
    }
    if (access_log_is_on(&turn->log)) {
        access_log_add(&turn->log, exchange);
    }
}

/* The answer has ended but for `unsent_bytes`. A request that never came whole took no time. */
static void end(struct turn *turn, struct exchange *exchange, int64_t head_ns, int64_t now_ns,
                uint64_t unsent_bytes)
{
    int64_t begun_ns = head_ns == 0 ? now_ns : head_ns;
    uint64_t announced = exchange->announced_bytes;
    exchange->begun_ns = unix_ns(&turn->clock, begun_ns, now_ns);
    exchange->duration_ns = (uint64_t)(now_ns - begun_ns);
    exchange->is_whole = unsent_bytes == 0;
    exchange->body_bytes = unsent_bytes < announced ? announced - unsent_bytes : 0;
    hand_over(turn, exchange);
}

/* ---- answers of a batch ---- */

static struct exchange exchange_of(const struct batch_response *response, struct slice input)
{
    struct exchange exchange = {
        .method = method_name_of(input),
        .status = response->status,
        .codec = response->codec,
        .announced_bytes = response->announced_bytes,
    };
    if (response->stack != NULL) {
        exchange.site_id = response->origin->id;
        exchange.release = response->origin->index->release;
        exchange.host = response->stack->host;
        exchange.prefix = response->stack->prefix;
        exchange.meter = response->stack->meter;
    }
    return exchange;
}

static struct slice keep(char **at, struct slice text)
{
    struct slice copy = {*at, text.count};
    if (text.count > 0) {
        memcpy(*at, text.bytes, text.count);
    }
    *at += text.count;
    return copy;
}

/* Where nobody wants to know what was asked, the answer alone is counted. */
static void meter(struct turn *turn, const struct batch_response *response, struct slice input,
                  int64_t now_ns, uint64_t unsent_bytes)
{
    int64_t head_ns = turn->clock.head_ns;
    uint64_t announced = response->announced_bytes;
    meters_add(&turn->meters,
               &(struct meter_entry){
                   .host = response->stack == NULL ? NULL : response->stack->meter,
                   .method = method_name_of(input),
                   .status = response->status,
                   .codec = response->codec,
                   .body_bytes = unsent_bytes < announced ? announced - unsent_bytes : 0,
                   .is_whole = unsent_bytes == 0,
                   .duration_ns = head_ns == 0 ? 0 : (uint64_t)(now_ns - head_ns),
               });
}

/* What is needed to parse the request again; of what is no request, the line. */
static struct slice head_at(struct turn *turn, struct slice input)
{
    const struct request *request = request_at(turn, input);
    return request == NULL ? first_line(input) : (struct slice){input.bytes, request->head_bytes};
}

static void begin_record(struct turn *turn, struct conn *conn, struct slice input,
                         const struct batch_response *response)
{
    const struct exchange exchange = exchange_of(response, input);
    struct slice head = may_want_requests(turn) ? head_at(turn, input) : (struct slice){"", 0};
    struct exchange_record *record =
        mem_zeroed(1, sizeof *record + head.count + exchange.host.count + exchange.prefix.count);
    char *at = record->bytes;
    record->exchange = exchange;
    record->head_ns = turn->clock.head_ns;
    record->head_bytes = keep(&at, head).count;
    record->exchange.host = keep(&at, exchange.host);
    record->exchange.prefix = keep(&at, exchange.prefix);
    record->exchange.meter = NULL; /* the list's, and another one may be in use at the end */
    conn->record = record;
}

static bool is_begun(const struct batch *batch, size_t i, size_t done, bool is_failed)
{
    return i < batch->response_count &&
           (batch->responses[i].input_bytes <= done || (i == 0 && is_failed));
}

void exchange_batch_written(struct turn *turn, struct conn *conn, struct slice input, size_t done,
                            bool is_failed)
{
    const struct batch *batch = &turn->batch;
    int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
    size_t at = 0;
    for (size_t i = 0; is_begun(batch, i, done, is_failed); i++) {
        const struct batch_response *response = &batch->responses[i];
        struct slice rest = slice_after(input, at);
        bool is_last = !is_begun(batch, i + 1, done, is_failed);
        uint64_t unsent = !is_last || !is_failed ? 0
                          : done == 0            ? UINT64_MAX
                                                 : conn_unsent_bytes(conn);
        if (is_last && !is_failed && conn_has_rest(conn)) {
            begin_record(turn, conn, rest, response);
        } else if (wants_request(turn, rest)) {
            struct exchange exchange = exchange_of(response, rest);
            set_request(turn, conn, rest, &exchange);
            end(turn, &exchange, turn->clock.head_ns, now_ns, unsent);
        } else if (turn->meters.is_on) {
            meter(turn, response, rest, now_ns, unsent);
        }
        at = response->input_bytes;
        turn->clock.head_ns = turn->clock.read_ns;
    }
}

void exchange_given_away(struct turn *turn, const struct conn *conn, struct slice input,
                         unsigned status)
{
    struct exchange exchange = {.status = status, .codec = CODEC_COUNT};
    if (wants_request(turn, input)) {
        set_request(turn, conn, input, &exchange);
    }
    end(turn, &exchange, turn->clock.head_ns, clock_ns(CLOCK_MONOTONIC), 0);
}

/* ---- answers that outlived their turn ---- */

static struct host_meter *find_meter(const struct turn *turn, const struct exchange *exchange)
{
    const struct site_host *host =
        exchange->site_id == 0 ? NULL : site_list_host(turn->sites, exchange->host);
    return host == NULL ? NULL : host->stacks[0].meter;
}

static void end_record(struct turn *turn, struct conn *conn, uint64_t unsent_bytes)
{
    struct exchange_record *record = conn->record;
    struct exchange *exchange = &record->exchange;
    turn->request_at = NULL;
    exchange->meter = find_meter(turn, exchange);
    const struct slice head = {record->bytes, record->head_bytes};
    if (wants_request(turn, head)) {
        set_request(turn, conn, head, exchange);
    }
    end(turn, exchange, record->head_ns, clock_ns(CLOCK_MONOTONIC), unsent_bytes);
    turn->request_at = NULL; /* its bytes go */
    free(record);
    conn->record = NULL;
}

void exchange_rest_written(struct turn *turn, struct conn *conn)
{
    if (conn->record != NULL) {
        end_record(turn, conn, 0);
    }
}

void exchange_closed(struct turn *turn)
{
    for (struct conn *conn = turn->conns.closed; conn != NULL; conn = conn->newer) {
        if (conn->record != NULL) {
            end_record(turn, conn, conn->record->unsent_bytes);
        }
    }
}
