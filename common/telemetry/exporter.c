#include "telemetry/exporter.h"

#include "common/clock.h"
#include "common/codec_gzip.h"
#include "common/mem.h"
#include "telemetry/retry.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One request, from when it is made until it is delivered or given up. */
struct shipment {
    bool is_there;
    struct protobuf body;
    bool is_compressed;
    uint64_t items;
    int64_t next_ms;
    int64_t until_ms;
};

struct line {
    struct shipment shipment;
    struct exporter_totals totals;
    unsigned tries;        /* since it took or refused something, of any request */
    int64_t not_before_ms; /* the next one */
    bool is_away;          /* and it was said */
    bool is_refusal_told;  /* that it answers, but takes nothing: said once */
    bool is_partial_told;  /* or not all of it */
    uint64_t lost_while_away;
};

struct exporter {
    const struct telemetry_settings *settings;
    const char *program;
    struct http_client *client;
    struct gzip_encoder *encoder; /* NULL: nothing is compressed */
    struct protobuf resource;
    struct id_source random;
    int64_t until_ms; /* when all ends; INT64_MAX: nobody has said */
    struct line lines[TELEMETRY_SIGNALS];
};

/* ---- opening ---- */

/* A random UUID (RFC 9562 §5.4) tells this process from all others of its service. */
static void write_instance(struct protobuf *writer, struct id_source *random)
{
    uint8_t id[16];
    char digits[33];
    char text[37];
    id_source_trace(random, id);
    id[6] = (uint8_t)((id[6] & 0x0fu) | 0x40u);
    id[8] = (uint8_t)((id[8] & 0x3fu) | 0x80u);
    hex_format(id, sizeof id, digits);
    snprintf(text, sizeof text, "%.8s-%.4s-%.4s-%.4s-%s", digits, digits + 8, digits + 12,
             digits + 16, digits + 20);
    otlp_text(writer, OTLP_RESOURCE, "service.instance.id", slice_of_string(text), SIZE_MAX);
}

static void write_resource(struct exporter *exporter)
{
    const struct key_values *resource = &exporter->settings->resource;
    for (size_t i = 0; i < resource->count; i++) {
        otlp_text(&exporter->resource, OTLP_RESOURCE, resource->at[i].key,
                  slice_of_string(resource->at[i].value), SIZE_MAX);
    }
    if (key_values_find(resource, "service.instance.id") == NULL) {
        write_instance(&exporter->resource, &exporter->random);
    }
    if (key_values_find(resource, "process.pid") == NULL) {
        otlp_number(&exporter->resource, OTLP_RESOURCE, "process.pid", getpid());
    }
}

int exporter_open(const struct telemetry_settings *settings, const char *program,
                  struct exporter **out_exporter, struct error *error)
{
    enum { GZIP_LEVEL = 6 };
    struct exporter *exporter = mem_zeroed(1, sizeof *exporter);
    bool is_compressing = false;
    exporter->settings = settings;
    exporter->program = program;
    exporter->until_ms = INT64_MAX;
    exporter->resource = protobuf_growing();
    int status = id_source_init(&exporter->random, error);
    if (status == 0) {
        status = http_client_open(settings, &exporter->client, error);
    }
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        is_compressing |=
            settings->targets[signal].is_on && settings->targets[signal].is_compressed;
        exporter->lines[signal].shipment.body = protobuf_growing();
    }
    exporter->encoder = is_compressing ? gzip_encoder_new(GZIP_LEVEL) : NULL;
    if (status != 0) {
        exporter_close(exporter);
        return status;
    }
    write_resource(exporter);
    *out_exporter = exporter;
    return 0;
}

void exporter_close(struct exporter *exporter)
{
    if (exporter == NULL) {
        return;
    }
    http_client_close(exporter->client);
    gzip_encoder_free(exporter->encoder);
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        protobuf_fini(&exporter->lines[signal].shipment.body);
    }
    protobuf_fini(&exporter->resource);
    free(exporter);
}

/* ---- sending ---- */

static int64_t sooner(int64_t a_ms, int64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

bool exporter_is_idle(const struct exporter *exporter, enum telemetry_signal signal)
{
    return !exporter->lines[signal].shipment.is_there;
}

bool exporter_is_free(const struct exporter *exporter, enum telemetry_signal signal)
{
    return exporter_is_idle(exporter, signal) &&
           monotonic_ms() >= exporter->lines[signal].not_before_ms;
}

/* Compressed, if that is asked for and it gets shorter. */
static void compress(struct exporter *exporter, struct shipment *shipment)
{
    struct protobuf *body = &shipment->body;
    uint8_t *coded = mem_resize(NULL, body->count + 1, 1);
    size_t count = gzip_encode(exporter->encoder, body->bytes, body->count, coded, body->count);
    shipment->is_compressed = count > 0;
    if (count > 0) {
        memcpy(body->bytes, coded, count);
        body->count = count;
    }
    free(coded);
}

void exporter_send(struct exporter *exporter, enum telemetry_signal signal, struct slice items,
                   uint64_t count, int64_t until_ms)
{
    struct shipment *shipment = &exporter->lines[signal].shipment;
    shipment->body.count = 0;
    shipment->is_there = true;
    shipment->is_compressed = false;
    shipment->items = count;
    shipment->next_ms = monotonic_ms();
    shipment->until_ms = sooner(until_ms, exporter->until_ms);
    otlp_request(&shipment->body,
                 (struct slice){(const char *)exporter->resource.bytes, exporter->resource.count},
                 items);
    if (exporter->settings->targets[signal].is_compressed) {
        compress(exporter, shipment);
    }
}

void exporter_hurry(struct exporter *exporter, int64_t until_ms)
{
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        struct shipment *shipment = &exporter->lines[signal].shipment;
        shipment->until_ms = sooner(shipment->until_ms, until_ms);
        shipment->next_ms = monotonic_ms(); /* once more, now */
        exporter->lines[signal].not_before_ms = 0;
    }
    exporter->until_ms = until_ms;
}

/* ---- what came of it ---- */

static const char *const items_names[TELEMETRY_SIGNALS] = {
    [SIGNAL_TRACES] = "spans", [SIGNAL_METRICS] = "metrics", [SIGNAL_LOGS] = "log records"};

void exporter_note_lost(struct exporter *exporter, enum telemetry_signal signal, uint64_t count)
{
    exporter->lines[signal].totals.lost += count;
    exporter->lines[signal].lost_while_away += count;
}

/* Said when it begins, and when it is over. */
static void tell_away(struct exporter *exporter, enum telemetry_signal signal, const char *problem)
{
    struct line *line = &exporter->lines[signal];
    if (!line->is_away) {
        line->is_away = true;
        fprintf(stderr, "%s: telemetry: %s: %s; %s are kept as long as there is room, then lost\n",
                exporter->program, exporter->settings->targets[signal].shown_url, problem,
                items_names[signal]);
    }
}

static void tell_back(struct exporter *exporter, enum telemetry_signal signal)
{
    struct line *line = &exporter->lines[signal];
    if (line->is_away) {
        fprintf(stderr, "%s: telemetry: %s: takes %s again; %" PRIu64 " were lost\n",
                exporter->program, exporter->settings->targets[signal].shown_url,
                items_names[signal], line->lost_while_away);
    }
    line->is_away = false;
    line->lost_while_away = 0;
}

/* It answers, whatever that is: the next request may go at once. */
static void note_answered(struct line *line)
{
    line->tries = 0;
    line->not_before_ms = 0;
}

static void give_up(struct exporter *exporter, enum telemetry_signal signal)
{
    struct shipment *shipment = &exporter->lines[signal].shipment;
    exporter_note_lost(exporter, signal, shipment->items);
    http_client_cancel(exporter->client, signal);
    shipment->is_there = false;
}

/* It was taken, if not all of it (OTLP, "Partial Success"). */
static void on_delivered(struct exporter *exporter, const struct http_answer *answer)
{
    enum telemetry_signal signal = answer->signal;
    struct line *line = &exporter->lines[signal];
    struct otlp_response response;
    uint64_t rejected = 0;
    if (otlp_response_parse(answer->body, &response)) {
        bool is_partial = response.rejected > 0 || response.message.count > 0;
        rejected =
            response.rejected < line->shipment.items ? response.rejected : line->shipment.items;
        if (is_partial && !line->is_partial_told) {
            line->is_partial_told = true;
            struct error text;
            error_set(&text, 0, "%.*s",
                      (int)(response.message.count < 500 ? response.message.count : 500),
                      response.message.bytes);
            fprintf(stderr, "%s: telemetry: %s: took all but %" PRIu64 " %s: %s\n",
                    exporter->program, exporter->settings->targets[signal].shown_url, rejected,
                    items_names[signal], text.text);
        }
    }
    line->totals.sent += line->shipment.items - rejected;
    line->totals.lost += rejected;
    line->shipment.is_there = false;
    line->is_refusal_told = false;
    note_answered(line);
    tell_back(exporter, signal);
}

static void on_refused(struct exporter *exporter, const struct http_answer *answer)
{
    struct line *line = &exporter->lines[answer->signal];
    if (!line->is_refusal_told) {
        line->is_refusal_told = true;
        fprintf(stderr, "%s: telemetry: %s: answers %u; %s are lost\n", exporter->program,
                exporter->settings->targets[answer->signal].shown_url, answer->status,
                items_names[answer->signal]);
    }
    note_answered(line);
    give_up(exporter, answer->signal);
}

static void on_later(struct exporter *exporter, const struct http_answer *answer)
{
    struct line *line = &exporter->lines[answer->signal];
    struct shipment *shipment = &line->shipment;
    char status[32];
    snprintf(status, sizeof status, "answers %u", answer->status);
    tell_away(exporter, answer->signal, answer->status == 0 ? answer->problem : status);
    uint64_t delay_ms =
        retry_delay_ms(line->tries, answer->retry_after_s, id_source_next(&exporter->random));
    bool is_ending = exporter->until_ms != INT64_MAX;
    shipment->next_ms = monotonic_ms() + (int64_t)delay_ms;
    line->not_before_ms = is_ending ? 0 : shipment->next_ms;
    if (shipment->next_ms >= shipment->until_ms) {
        give_up(exporter, answer->signal);
    }
}

static void on_answer(struct exporter *exporter, const struct http_answer *answer)
{
    switch (delivery_of(answer->status)) {
    case DELIVERED:
        on_delivered(exporter, answer);
        break;
    case DELIVERY_REFUSED:
        on_refused(exporter, answer);
        break;
    case DELIVERY_LATER:
        on_later(exporter, answer);
        break;
    }
}

/* ---- turns ---- */

/* Begins what is due, gives up what is over its time; returns how long nothing else is. */
static int64_t begin_due(struct exporter *exporter, int64_t timeout_ms)
{
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        struct line *line = &exporter->lines[signal];
        struct shipment *shipment = &line->shipment;
        int64_t now_ms = monotonic_ms();
        if (!shipment->is_there) {
            bool is_paused = line->not_before_ms > now_ms;
            timeout_ms = is_paused ? sooner(timeout_ms, line->not_before_ms - now_ms) : timeout_ms;
            continue;
        }
        if (now_ms >= shipment->until_ms) {
            tell_away(exporter, signal, "no answer in time");
            give_up(exporter, signal);
            timeout_ms = 0; /* there is a place now for what is due */
            continue;
        }
        bool is_posting = http_client_is_posting(exporter->client, signal);
        if (!is_posting && now_ms >= shipment->next_ms) {
            line->tries += line->tries < UINT_MAX;
            http_client_post(
                exporter->client, signal,
                (struct slice){(const char *)shipment->body.bytes, shipment->body.count},
                shipment->is_compressed);
            is_posting = true;
        }
        int64_t left_ms = (is_posting ? shipment->until_ms : shipment->next_ms) - now_ms;
        timeout_ms = sooner(timeout_ms, left_ms);
    }
    return timeout_ms;
}

void exporter_turn(struct exporter *exporter, int wake_fd, int64_t timeout_ms)
{
    struct http_answer answer;
    int64_t wait_ms = begin_due(exporter, timeout_ms);
    http_client_wait(exporter->client, wake_fd, wait_ms);
    while (http_client_next(exporter->client, &answer)) {
        on_answer(exporter, &answer);
    }
}

struct exporter_totals exporter_totals(const struct exporter *exporter,
                                       enum telemetry_signal signal)
{
    return exporter->lines[signal].totals;
}
