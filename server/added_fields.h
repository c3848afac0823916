/* Field lines that the operator adds to every response: --header, --secure-headers. A response that
 * has a field of that name already keeps its own. */
#ifndef CAIRN_SERVER_ADDED_FIELDS_H
#define CAIRN_SERVER_ADDED_FIELDS_H

#include "common/error.h"

/* Appends "Name: value" to *lines, which is NULL or a string to free(), as a complete line.
 * ERR_USAGE if it is no field line, or one that the server itself has to write. The first of a name
 * counts. */
int added_fields_add(char **lines, const char *text, struct error *error) CAIRN_MUST_CHECK;

/* Appends the preset: what a site without forms, frames and devices does well with (docs/http.md).
 */
void added_fields_secure(char **lines);

#endif
