/* Requests for a WebSocket as the parser reads them: those that open one, what each rule of RFC
 * 6455 §4.2.1 refuses, and the answer. */
#include "http/ws_handshake.h"

#include "http/h1_parse.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define KEY      "dGhlIHNhbXBsZSBub25jZQ=="
#define GET      "GET /events HTTP/1.1\r\nHost: example.com\r\n"
#define UPGRADE  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY_LINE "Sec-WebSocket-Key: " KEY "\r\n"
#define VERSION  "Sec-WebSocket-Version: 13\r\n"

static struct request request;

/* `head` without its empty line. */
static void parse(const char *head)
{
    static char text[4096];
    struct limits limits;
    limits_init(&limits);
    int bytes = snprintf(text, sizeof text, "%s\r\n", head);
    unsigned status = 0;
    enum h1_result result =
        h1_parse((struct slice){text, (size_t)bytes}, &limits, &request, &status);
    cr_assert_eq(result, H1_OK, "%s: %d, %u", head, (int)result, status);
}

static const struct {
    const char *head;
    unsigned status;
    bool is_asked_for;
} rows[] = {
    {GET UPGRADE KEY_LINE VERSION, 101, true},
    {"GET http://example.com/events HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY_LINE VERSION, 101, true},
    {GET VERSION KEY_LINE UPGRADE "Origin: http://example.com\r\n", 101, true},
    /* offers that are not taken */
    {GET UPGRADE KEY_LINE VERSION "Sec-WebSocket-Protocol: chat, superchat\r\n"
                                  "Sec-WebSocket-Extensions: permessage-deflate\r\n",
     101, true},
    {GET UPGRADE KEY_LINE VERSION "Content-Length: 0\r\n", 101, true},
    /* lists, and without case */
    {GET KEY_LINE VERSION "upgrade: WebSocket\r\nconnection: UPGRADE\r\n", 101, true},
    {GET KEY_LINE VERSION "Upgrade: h2c, websocket\r\nConnection: keep-alive, Upgrade\r\n", 101,
     true},
    {GET KEY_LINE VERSION "Upgrade: h2c\r\nUpgrade: ,websocket\r\nConnection: keep-alive\r\n"
                          "Connection: upgrade\r\n",
     101, true},
    /* not asked for */
    {GET, 426, false},
    {GET "Connection: Upgrade\r\n" KEY_LINE VERSION, 426, false},
    {GET "Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY_LINE VERSION, 426, false},
    {GET "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY_LINE VERSION, 426, false},
    {GET "Upgrade: web socket\r\nConnection: Upgrade\r\n" KEY_LINE VERSION, 426, false},
    {GET "Upgrade: websocket/13\r\nConnection: Upgrade\r\n" KEY_LINE VERSION, 426, false},
    {GET "Upgrade:\r\nConnection: Upgrade\r\n" KEY_LINE VERSION, 426, false},
    {"GET /events HTTP/1.0\r\nHost: example.com\r\n" UPGRADE KEY_LINE VERSION, 426, false},
    /* another version */
    {GET UPGRADE KEY_LINE, 426, true},
    {GET UPGRADE KEY_LINE "Sec-WebSocket-Version: 8\r\n", 426, true},
    {GET UPGRADE KEY_LINE "Sec-WebSocket-Version: 14\r\n", 426, true},
    {GET UPGRADE KEY_LINE "Sec-WebSocket-Version: 013\r\n", 426, true},
    {GET UPGRADE KEY_LINE "Sec-WebSocket-Version: 13, 8\r\n", 426, true},
    {GET UPGRADE KEY_LINE VERSION VERSION, 426, true},
    {GET UPGRADE KEY_LINE VERSION "Sec-WebSocket-Version: 8\r\n", 426, true},
    {GET UPGRADE "Sec-WebSocket-Version: 7\r\n", 426, true}, /* the version goes before the key */
    /* no connection that is to be upgraded */
    {GET "Upgrade: websocket\r\n" KEY_LINE VERSION, 400, true},
    {GET "Upgrade: websocket\r\nConnection: keep-alive\r\n" KEY_LINE VERSION, 400, true},
    {GET "Upgrade: websocket\r\nConnection: upgraded\r\n" KEY_LINE VERSION, 400, true},
    /* keys */
    {GET UPGRADE VERSION, 400, true},
    {GET UPGRADE VERSION KEY_LINE KEY_LINE, 400, true},
    {GET UPGRADE VERSION KEY_LINE "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key:\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n", 101, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: //////////////////////w==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: /////////////////////w==\r\n", 101, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: 0123456789+/abcdefghiA==\r\n", 101, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: 0123456789-_abcdefghiA==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAP==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA=A==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAA AAAAAAAAAAA==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==, x\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAAAAA==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA==\r\n", 400, true},
    {GET UPGRADE VERSION "Sec-WebSocket-Key: \xc3\x84"
                         "AAAAAAAAAAAAAAAAAAAA==\r\n",
     400, true},
    /* a body */
    {GET UPGRADE VERSION KEY_LINE "Content-Length: 1\r\n", 400, true},
    {GET UPGRADE VERSION KEY_LINE "Transfer-Encoding: chunked\r\n", 400, true},
    /* other methods */
    {"HEAD /events HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY_LINE VERSION, 405, true},
    {"POST /events HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY_LINE VERSION, 405, true},
    {"OPTIONS /events HTTP/1.1\r\nHost: x\r\n" UPGRADE KEY_LINE VERSION, 405, true},
    {"POST /events HTTP/1.1\r\nHost: x\r\n", 405, false},
};

Test(ws_handshake, requests)
{
    static const struct slice untouched = {"untouched", 9};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct slice key = untouched;
        parse(rows[i].head);
        unsigned status = ws_handshake(&request, &key);
        cr_expect_eq(status, rows[i].status, "%s: %u", rows[i].head, status);
        cr_expect_eq(ws_is_asked_for(&request), rows[i].is_asked_for, "%s", rows[i].head);
        cr_expect_eq(slice_equal(key, untouched), rows[i].status != 101, "%s", rows[i].head);
        cr_expect(rows[i].status != 101 || key.count == WS_KEY_BYTES, "%s", rows[i].head);
    }
}

/* The examples of RFC 6455 §1.3, and of its key's borders as OpenSSL and base64(1) have them. */
static const struct {
    const char *key, *accept;
} answers[] = {
    {KEY, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
    {"AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI="},
    {"/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g="},
};

Test(ws_handshake, answers_with_the_digest_of_the_key)
{
    struct sha1 *sha1 = sha1_new();
    for (size_t i = 0; i < ARRAY_COUNT(answers); i++) {
        char wanted[512];
        char answer[WS_ANSWER_BYTES];
        int bytes = snprintf(wanted, sizeof wanted,
                             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                             answers[i].accept);
        cr_assert_eq(bytes, WS_ANSWER_BYTES);
        ws_handshake_answer(sha1, slice_of_string(answers[i].key), answer);
        cr_expect_arr_eq(answer, wanted, WS_ANSWER_BYTES, "%.*s", WS_ANSWER_BYTES, answer);
    }
    sha1_free(sha1);
}

Test(ws_handshake, a_426_names_protocol_and_version)
{
    /* RFC 9110 §15.5.22 and §7.8, RFC 6455 §4.4 */
    const char *fields = WS_REQUIRED_FIELDS;
    cr_expect(strstr(fields, "Upgrade: websocket\r\n") == fields);
    cr_expect(strstr(fields, "\r\nConnection: Upgrade\r\n") != NULL);
    cr_expect(strstr(fields, "\r\nSec-WebSocket-Version: 13\r\n") != NULL);
}
