/* How a connection becomes a WebSocket: the server's half of the opening handshake (RFC 6455 §4.2).
 * Pure. Extensions and subprotocols that a client offers are not taken (§4.2.2 lets a server do
 * without them). Whose pages may connect is a question of its own (http/origin.h). */
#ifndef CAIRN_HTTP_WS_HANDSHAKE_H
#define CAIRN_HTTP_WS_HANDSHAKE_H

#include "common/sha1.h"
#include "http/message.h"

/* What a 426 says besides (RFC 9110 §15.5.22, §7.8; RFC 6455 §4.4). */
#define WS_REQUIRED_FIELDS                                                                         \
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"

enum {
    WS_KEY_BYTES = 24,     /* base64 of 16 bytes */
    WS_ANSWER_BYTES = 129, /* a whole 101 */
};

/* Does a request ask for a WebSocket at all: Upgrade has "websocket", in HTTP/1.1 (RFC 9110 §7.8:
 * what HTTP/1.0 says there is ignored)? What it asks with may still be wrong. */
bool ws_is_asked_for(const struct request *request);

/* Returns 101 if the request opens a WebSocket by all rules of RFC 6455 §4.2.1, and sets
 * *out_key to its key (WS_KEY_BYTES of the request); else the status that refuses it, which leaves
 * *out_key alone:
 *   405  another method than GET
 *   426  not asked for, or in another version than 13: answered with WS_REQUIRED_FIELDS
 *   400  Connection without "upgrade"; a key that is missing, there twice, or not base64 of 16
 *        bytes; a body, behind which the WebSocket would begin
 * What respond() refuses of any request (request->refusal) is not looked at. */
unsigned ws_handshake(const struct request *request, struct slice *out_key);

/* Writes the answer that makes a WebSocket of a connection: 101, to its empty line. `key` is
 * WS_KEY_BYTES. */
void ws_handshake_answer(struct sha1 *sha1, struct slice key, char out[WS_ANSWER_BYTES]);

#endif
