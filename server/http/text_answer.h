/* Answers that no site has a page for: a status, its name as text, and what goes with it. */
#ifndef CAIRN_HTTP_TEXT_ANSWER_H
#define CAIRN_HTTP_TEXT_ANSWER_H

#include "http/message.h"

/* What there is to ask for, of anything (RFC 9110 §10.2.1). */
#define ALLOW_FIELD "Allow: GET, HEAD, OPTIONS\r\n"

/* Makes the response one of this status, in place of whatever body and fields it had. A status that
 * is not known here is a bug: 500. */
void text_answer(unsigned status, struct response *response);

#endif
