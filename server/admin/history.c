#include "admin/history.h"

#include <string.h>

double admin_history_quantile(const uint64_t counts[DURATION_BOUNDS + 1], double share)
{
    uint64_t total = 0;
    for (size_t i = 0; i <= DURATION_BOUNDS; i++) {
        total += counts[i];
    }
    double wanted = share * (double)total;
    double below = 0;
    for (size_t i = 0; i < DURATION_BOUNDS && total > 0; i++) {
        double first_ms = i == 0 ? 0 : (double)duration_bounds[i - 1].ns / 1e6;
        double last_ms = (double)duration_bounds[i].ns / 1e6;
        if (counts[i] > 0 && below + (double)counts[i] >= wanted) {
            return first_ms + (last_ms - first_ms) * (wanted - below) / (double)counts[i];
        }
        below += (double)counts[i];
    }
    return total > 0 ? (double)duration_bounds[DURATION_BOUNDS - 1].ns / 1e6 : -1;
}

/* How much a counter has grown; what it is becomes what it was. */
static uint64_t grown(uint64_t *before, uint64_t now)
{
    uint64_t by = now > *before ? now - *before : 0;
    *before = now;
    return by;
}

static void note_limits(struct admin_history *history, const struct metrics_snapshot *snapshot,
                        struct refusals *refusals)
{
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        uint64_t by = grown(&history->limited[i], snapshot->totals.limited[i]);
        if (by > 0) {
            refusals_add(refusals, snapshot->taken_s, by, "limit %s",
                         limits_name((enum limit_id)i));
        }
    }
}

static uint64_t answers_of(const struct metrics_snapshot *snapshot, size_t status_class)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < snapshot->host_count; i++) {
        for (size_t coding = 0; coding < CODINGS; coding++) {
            sum += snapshot->hosts[i].answers[status_class][coding];
        }
    }
    return sum;
}

static struct admin_sample sample_of(struct admin_history *history,
                                     const struct metrics_snapshot *snapshot, double seconds)
{
    struct admin_sample sample = {.at_s = snapshot->taken_s};
    uint64_t durations[DURATION_BOUNDS + 1];
    for (size_t i = 0; i < STATUS_CLASSES; i++) {
        uint64_t by = grown(&history->answers[i], answers_of(snapshot, i));
        sample.answers_s[i] = (double)by / seconds;
    }
    for (size_t i = 0; i <= DURATION_BOUNDS; i++) {
        durations[i] = grown(&history->durations[i], snapshot->durations[i]);
    }
    for (size_t i = 0; i < CONN_STATES; i++) {
        sample.connections += snapshot->totals.connections[i];
    }
    sample.bytes_s = (double)grown(&history->bytes, snapshot->totals.bytes) / seconds;
    sample.p50_ms = admin_history_quantile(durations, 0.5);
    sample.p99_ms = admin_history_quantile(durations, 0.99);
    return sample;
}

/* The first time there is nothing to compare with. */
void admin_history_run(struct admin_history *history, const struct metrics_sources *sources,
                       struct refusals *refusals, int64_t now_ms)
{
    if (now_ms < history->due_ms) {
        return;
    }
    struct metrics_snapshot *snapshot = metrics_take(sources);
    bool is_first = history->due_ms == 0;
    double seconds = is_first ? 1 : (double)(now_ms - history->last_ms) / 1000;
    struct admin_sample sample = sample_of(history, snapshot, seconds);
    note_limits(history, snapshot, is_first ? NULL : refusals);
    if (!is_first) {
        history->samples[history->count++ % ADMIN_SAMPLES_MAX] = sample;
    }
    history->last_ms = now_ms;
    history->due_ms = now_ms + ADMIN_SAMPLE_MS;
    metrics_free(snapshot);
}

static void write_quantile(struct json_writer *json, double ms)
{
    if (ms < 0) {
        json_null(json);
    } else {
        json_fixed(json, ms, 3);
    }
}

static void write_sample(const struct admin_sample *sample, struct json_writer *json)
{
    json_begin_array(json, false);
    json_i64(json, sample->at_s);
    for (size_t i = 0; i < STATUS_CLASSES; i++) {
        json_fixed(json, sample->answers_s[i], 1);
    }
    json_fixed(json, sample->bytes_s, 0);
    write_quantile(json, sample->p50_ms);
    write_quantile(json, sample->p99_ms);
    json_u64(json, sample->connections);
    json_end_array(json);
}

void admin_history_write(const struct admin_history *history, uint64_t after,
                         struct json_writer *json)
{
    uint64_t oldest = history->count > ADMIN_SAMPLES_MAX ? history->count - ADMIN_SAMPLES_MAX : 0;
    uint64_t first = after > history->count ? oldest : after > oldest ? after : oldest;
    json_begin_array(json, false);
    for (uint64_t i = first; i < history->count; i++) {
        write_sample(&history->samples[i % ADMIN_SAMPLES_MAX], json);
    }
    json_end_array(json);
}
