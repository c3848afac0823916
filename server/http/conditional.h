/* Preconditions. Pure functions on field values. */
#ifndef CAIRN_HTTP_CONDITIONAL_H
#define CAIRN_HTTP_CONDITIONAL_H

#include "http/message.h"

/* Does an If-None-Match value name the tag, or "*"? The value is a comma-separated list of entity
 * tags, compared weakly, so W/ does not matter (RFC 9110 §8.8.3.2, §13.1.2). `etag` is a tag with
 * its quotes. What is no entity tag ends the list: it matches nothing. */
bool etag_list_matches(struct slice value, struct slice etag);

/* Would a GET or HEAD of a representation with this tag be answered 304? All If-None-Match lines
 * of the request together are one list. */
bool is_not_modified(const struct request *request, struct slice etag);

#endif
