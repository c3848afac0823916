/* What `list` and `status` say: rows, as words or, each an object of its own, as JSON (RFC 8259),
 * and the line that ends them. docs/control.md. */
#ifndef CAIRN_SERVER_REPORT_H
#define CAIRN_SERVER_REPORT_H

#include "common/json_writer.h"
#include "server/control/command.h"
#include "server/control/index_files.h"

/* Of the rows of one reply in JSON, so that who keeps a reply whole can: beyond it the `ok` line
 * tells how many more there are. A row is shorter than REPORT_ROW_BYTES_MAX. */
enum { REPORT_JSON_BYTES_MAX = 16 << 20, REPORT_ROW_BYTES_MAX = 64 << 10 };

/* What the row of a site says, as members of a JSON object that was begun. */
void report_write_site(struct json_writer *json, const struct site_list *sites, size_t i);

void report_list(const struct site_list *sites, bool is_json, struct reply *reply);
void report_indexes(const struct index_files *files, bool is_json, struct reply *reply);
void report_status(const struct command_context *context, bool is_json, struct reply *reply);

#endif
