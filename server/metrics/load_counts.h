/* What became of the loads of this process. The control thread counts; any thread reads, each
 * number as of some moment. */
#ifndef CAIRN_SERVER_LOAD_COUNTS_H
#define CAIRN_SERVER_LOAD_COUNTS_H

#include "common/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>

enum load_outcome {
    LOAD_LIVE,      /* the release answers from here on */
    LOAD_UNCHANGED, /* it did already */
    LOAD_NOT_FOUND, /* index or archive is not there */
    LOAD_DAMAGED,   /* they are not what they should be, or do not belong together */
    LOAD_UNTRUSTED, /* --trust said no */
    LOAD_DENIED,    /* the files are not for this process: mode, sandbox */
    LOAD_MISTAKEN,  /* the command's words */
    LOAD_FAILED,    /* anything else that the system said */
    LOAD_OUTCOMES,
};

struct load_counts {
    atomic_uint_fast64_t outcomes[LOAD_OUTCOMES];
    atomic_uint_fast64_t duration_us; /* of all loads, whatever became of them */
    atomic_int_fast64_t last_s; /* Unix time of the last that was live or unchanged; 0: none */
    atomic_bool is_last_refused;
    atomic_uint_fast64_t rollbacks;
};

/* A word for metrics: "not_found". */
const char *load_outcome_name(enum load_outcome outcome);

/* `status` is loader_load()'s; `was_on_top` counts if that is 0. */
void load_counts_add(struct load_counts *counts, int status, bool was_on_top, double ms);

#endif
