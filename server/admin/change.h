/* What the page asks to be done, as JSON (RFC 8259), and the control command that it comes to
 * (docs/control.md). Pure. The one file that includes Jansson is change.c. */
#ifndef CAIRN_ADMIN_CHANGE_H
#define CAIRN_ADMIN_CHANGE_H

#include "common/error.h"
#include "common/slice.h"

enum admin_change {
    ADMIN_LOAD,     /* {"index": PATH}, also "host" and "at" */
    ADMIN_ROLLBACK, /* {"host": NAME, "at": PREFIX, "id": NUMBER}, or {} */
    ADMIN_PROMOTE,  /* {"id": NUMBER}, also "host" and "at" */
};

/* Before the first of them, and before the sandbox: what needs random numbers. */
void admin_change_init(unsigned seed);

/* The command line, without its end; the caller frees *out_line. A member that is not known, or of
 * the wrong kind, is ERR_USAGE with a sentence. */
int admin_change_line(enum admin_change change, struct slice body, char **out_line,
                      struct error *error) CAIRN_MUST_CHECK;

#endif
