/* The answer that a file of a site gives: which representation, under which preconditions, which
 * part of it. */
#ifndef CAIRN_HTTP_FILE_ANSWER_H
#define CAIRN_HTTP_FILE_ANSWER_H

#include "http/respond.h"

/* 200, 206, 304, 412 or 416 for an entry that is a file with the status 200. */
void file_answer(const struct respond_context *context, const struct request *request,
                 const struct site_match *match, struct response *response);

/* The stored form of an entry that the client's Accept-Encoding leads to (RFC 9110 §12.5.3).
 * Without the field, or with one form only: identity. */
const struct index_representation *file_representation(const struct request *request,
                                                       const struct index *index,
                                                       const struct index_entry *entry);

/* Makes the whole representation the body. False: it does not lie in the archive. */
bool file_set_body(struct response *response, struct site *site,
                   const struct index_representation *representation);

#endif
