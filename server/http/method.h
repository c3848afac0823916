/* The names of methods, for those who count and tell what was asked. */
#ifndef CAIRN_HTTP_METHOD_H
#define CAIRN_HTTP_METHOD_H

#include "common/slice.h"

enum { METHOD_NAMES = 11 };

/* Those that OpenTelemetry's conventions know (http.request.method), and last "_OTHER": names of
 * their own would make as many series as a client likes. Static. */
extern const struct slice method_names[METHOD_NAMES];

/* Which of them a request line, or what there is of it, begins with; empty lines before it do not
 * count (RFC 9112 §2.2). */
size_t method_name_of(struct slice line);

#endif
