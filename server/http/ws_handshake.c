#include "http/ws_handshake.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* base64 (RFC 4648 §4) of 16 bytes, in the one spelling there is: two characters of padding, and
 * nothing in the bits that stand for no byte (§3.5). */
static bool is_key(struct slice text)
{
    if (text.count != WS_KEY_BYTES || text.bytes[22] != '=' || text.bytes[23] != '=') {
        return false;
    }
    size_t value = 0;
    for (size_t i = 0; i < 22; i++) {
        const char *place = memchr(alphabet, text.bytes[i], 64);
        if (place == NULL) {
            return false;
        }
        value = (size_t)(place - alphabet);
    }
    return (value & 0x0f) == 0;
}

bool ws_is_asked_for(const struct request *request)
{
    return request->version_minor > 0 &&
           request_list_has(request, SLICE("Upgrade"), SLICE("websocket"));
}

unsigned ws_handshake(const struct request *request, struct slice *out_key)
{
    struct slice version, key;
    if (request->method != METHOD_GET) {
        return 405;
    }
    if (!ws_is_asked_for(request) ||
        request_lines(request, SLICE("Sec-WebSocket-Version"), &version) != 1 ||
        !slice_equal(version, SLICE("13"))) {
        return 426;
    }
    if (!request_list_has(request, SLICE("Connection"), SLICE("upgrade")) ||
        request_lines(request, SLICE("Sec-WebSocket-Key"), &key) != 1 || !is_key(key) ||
        request->body != BODY_NONE) {
        return 400;
    }
    *out_key = key;
    return 101;
}

/* base64 of a digest, whose 20 bytes are six groups of three and one of two. Returns the end. */
static char *put_digest(const uint8_t digest[SHA1_BYTES], char *at)
{
    for (size_t i = 0; i < SHA1_BYTES; i += 3) {
        unsigned last = i + 2 < SHA1_BYTES ? digest[i + 2] : 0;
        unsigned bits = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 | last;
        *at++ = alphabet[bits >> 18];
        *at++ = alphabet[bits >> 12 & 63];
        *at++ = alphabet[bits >> 6 & 63];
        *at++ = alphabet[bits & 63];
    }
    at[-1] = '=';
    return at;
}

void ws_handshake_answer(struct sha1 *sha1, struct slice key, char out[WS_ANSWER_BYTES])
{
    static const char start[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Accept: ";
    static const char identifier[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 §1.3 */
    enum { IDENTIFIER_BYTES = sizeof identifier - 1, START_BYTES = sizeof start - 1 };
    _Static_assert(START_BYTES + 28 + 4 == WS_ANSWER_BYTES, "the answer's length");
    char text[WS_KEY_BYTES + IDENTIFIER_BYTES];
    memcpy(text, key.bytes, WS_KEY_BYTES);
    memcpy(text + WS_KEY_BYTES, identifier, IDENTIFIER_BYTES);
    uint8_t digest[SHA1_BYTES];
    sha1_digest(sha1, (struct slice){text, sizeof text}, digest);
    memcpy(out, start, START_BYTES);
    memcpy(put_digest(digest, out + START_BYTES), "\r\n\r\n", 4);
}
