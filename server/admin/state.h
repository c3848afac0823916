/* What the status page shows, as one JSON document (docs/admin.md). The admin thread. */
#ifndef CAIRN_ADMIN_STATE_H
#define CAIRN_ADMIN_STATE_H

#include "admin/answer.h"

/* Writes it, with the samples behind number `after`. */
void admin_state_write(const struct admin_context *context, uint64_t after, FILE *stream);

#endif
