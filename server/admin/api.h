/* The routes of the status page below /api/: what it shows, and the changes that it may ask for.
 * docs/admin.md. */
#ifndef CAIRN_ADMIN_API_H
#define CAIRN_ADMIN_API_H

#include "admin/answer.h"

typedef void admin_route_answer(const struct admin_context *context,
                                const struct admin_request *request, struct admin_answer *answer);

admin_route_answer api_state;
admin_route_answer api_indexes;
admin_route_answer api_load;
admin_route_answer api_rollback;
admin_route_answer api_promote;

/* A body that is written as a stream; it is whole once that is closed. */
FILE *admin_body_open(struct admin_answer *answer);
void admin_body_close(FILE *stream);

#endif
