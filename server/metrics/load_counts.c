#include "server/metrics/load_counts.h"

#include "common/counter.h"
#include "common/error.h"

#include <errno.h>
#include <time.h>

const char *load_outcome_name(enum load_outcome outcome)
{
    static const char *const names[LOAD_OUTCOMES] = {
        [LOAD_LIVE] = "live",           [LOAD_UNCHANGED] = "unchanged",
        [LOAD_NOT_FOUND] = "not_found", [LOAD_DAMAGED] = "damaged",
        [LOAD_UNTRUSTED] = "untrusted", [LOAD_DENIED] = "denied",
        [LOAD_MISTAKEN] = "mistaken",   [LOAD_FAILED] = "failed",
    };
    return names[outcome];
}

static enum load_outcome outcome_of(int status)
{
    switch (status) {
    case -ENOENT:
    case -ENOTDIR:
        return LOAD_NOT_FOUND;
    case -EACCES:
    case -EPERM:
        return LOAD_DENIED;
    case ERR_FORMAT:
    case ERR_DAMAGED:
    case ERR_VERSION:
    case ERR_BINDING:
    case ERR_CHANGED:
        return LOAD_DAMAGED;
    case ERR_TRUST:
        return LOAD_UNTRUSTED;
    case ERR_USAGE:
        return LOAD_MISTAKEN;
    default:
        return LOAD_FAILED;
    }
}

void load_counts_add(struct load_counts *counts, int status, bool was_on_top, double ms)
{
    enum load_outcome outcome = status != 0  ? outcome_of(status)
                                : was_on_top ? LOAD_UNCHANGED
                                             : LOAD_LIVE;
    counter_add(&counts->outcomes[outcome], 1);
    counter_add(&counts->duration_us, (uint64_t)(ms * 1e3));
    atomic_store_explicit(&counts->is_last_refused, status != 0, memory_order_relaxed);
    if (status == 0) {
        atomic_store_explicit(&counts->last_s, time(NULL), memory_order_relaxed);
    }
}
