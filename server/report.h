/* What `list` and `status` say: rows, as words or, each an object of its own, as JSON (RFC 8259),
 * and the line that ends them. docs/control.md. */
#ifndef CAIRN_SERVER_REPORT_H
#define CAIRN_SERVER_REPORT_H

#include "server/command.h"

void report_list(const struct site_list *sites, bool is_json, struct reply *reply);
void report_status(const struct command_context *context, bool is_json, struct reply *reply);

#endif
