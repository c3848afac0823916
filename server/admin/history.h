/* How it went, second by second, for the charts of the status page: taken while somebody could
 * look, so that who looks late sees what led there. One thread. */
#ifndef CAIRN_ADMIN_HISTORY_H
#define CAIRN_ADMIN_HISTORY_H

#include "common/json_writer.h"
#include "server/control/refusals.h"
#include "server/metrics/metrics_snapshot.h"

enum {
    ADMIN_SAMPLES_MAX = 300,
    ADMIN_SAMPLE_MS = 1000,
};

struct admin_sample {
    int64_t at_s;                     /* Unix time of its end */
    double answers_s[STATUS_CLASSES]; /* a second */
    double bytes_s;
    double p50_ms, p99_ms; /* negative: nothing was answered */
    uint64_t connections;
};

struct admin_history {
    int64_t due_ms; /* when the next sample is */
    int64_t last_ms;
    uint64_t answers[STATUS_CLASSES]; /* as of the last one */
    uint64_t durations[DURATION_BOUNDS + 1];
    uint64_t limited[LIMITS_COUNT];
    uint64_t bytes;
    uint64_t count; /* of all samples that there were; the last is number `count` */
    struct admin_sample samples[ADMIN_SAMPLES_MAX];
};

/* Takes a sample if it is time. What clients came up against since the last one is noted. */
void admin_history_run(struct admin_history *history, const struct metrics_sources *sources,
                       struct refusals *refusals, int64_t now_ms);

/* The time below which a share of the answers lay, in milliseconds: between the bounds of a bucket
 * they are taken to be spread evenly. Negative: there is none. `counts` is by bucket. */
double admin_history_quantile(const uint64_t counts[DURATION_BOUNDS + 1], double share);

/* Writes those behind number `after` as an array of arrays. */
void admin_history_write(const struct admin_history *history, uint64_t after,
                         struct json_writer *json);

#endif
