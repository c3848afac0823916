/* Requests for a WebSocket, and whose pages may make them: beside a reading of the head's lines
 * with regular expressions, and OpenSSL's base64. Input: a line with the list of origins, behind a
 * '!' if those of this machine are let in; then the head of a request. */
#include "fuzz.h"

#include "http/h1_parse.h"
#include "http/origin.h"
#include "http/ws_handshake.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <regex.h>

enum { TEXT_BYTES = 4096 };

static bool matches(const char *text, const char *pattern, regmatch_t *out_places, size_t count)
{
    regex_t regex;
    FUZZ_CHECK(regcomp(&regex, pattern, REG_EXTENDED | REG_ICASE) == 0);
    bool does = regexec(&regex, text, count, out_places, 0) == 0;
    regfree(&regex);
    return does;
}

/* ---- the lines of a head ---- */

/* Those of a name, their values joined by commas into `out`. Returns how many there are. */
static unsigned join_lines(struct slice head, const char *name, char out[TEXT_BYTES])
{
    unsigned lines = 0;
    size_t name_bytes = strlen(name);
    out[0] = '\0';
    while (slice_starts_with(head, SLICE("\r\n"))) {
        head = slice_after(head, 2);
    }
    (void)slice_take(&head, '\n'); /* the request line */
    while (head.count > 0) {
        struct slice line = slice_take(&head, '\n');
        line.count -= line.count > 0; /* CR */
        if (line.count <= name_bytes || line.bytes[name_bytes] != ':' ||
            strncasecmp(line.bytes, name, name_bytes) != 0) {
            continue;
        }
        struct slice value = slice_trim(slice_after(line, name_bytes + 1));
        size_t used = strlen(out);
        snprintf(out + used, TEXT_BYTES - used, "%s%.*s", lines == 0 ? "" : ",", (int)value.count,
                 value.bytes);
        lines++;
    }
    return lines;
}

static bool lists(struct slice head, const char *name, const char *member)
{
    char values[TEXT_BYTES], pattern[64];
    join_lines(head, name, values);
    snprintf(pattern, sizeof pattern, "(^|,)[ \t]*%s[ \t]*(,|$)", member);
    return matches(values, pattern, NULL, 0);
}

/* ---- handshakes ---- */

/* As OpenSSL decodes it, and writes it again. */
static bool is_slow_key(const char *text)
{
    unsigned char bytes[18], again[25];
    return strlen(text) == 24 && strspn(text, " \t") == 0 &&
           EVP_DecodeBlock(bytes, (const unsigned char *)text, 24) == 18 &&
           EVP_EncodeBlock(again, bytes, 16) == 24 && memcmp(again, text, 24) == 0;
}

static unsigned slow_handshake(const struct request *request, struct slice head)
{
    char version[TEXT_BYTES], key[TEXT_BYTES];
    unsigned versions = join_lines(head, "Sec-WebSocket-Version", version);
    unsigned keys = join_lines(head, "Sec-WebSocket-Key", key);
    bool is_wanted = request->version_minor == 1 && lists(head, "Upgrade", "websocket");
    FUZZ_CHECK(ws_is_asked_for(request) == is_wanted);
    if (request->method != METHOD_GET) {
        return 405;
    }
    if (!is_wanted || versions != 1 || strcmp(version, "13") != 0) {
        return 426;
    }
    bool is_upgrade = lists(head, "Connection", "upgrade");
    return is_upgrade && keys == 1 && is_slow_key(key) && request->body == BODY_NONE ? 101 : 400;
}

static void check_answer(struct slice key)
{
    static const char *const format =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: %s\r\n\r\n";
    char text[128], answer[WS_ANSWER_BYTES], wanted[WS_ANSWER_BYTES + 1];
    unsigned char digest[SHA_DIGEST_LENGTH], accept[32];
    int bytes = snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                         (int)key.count, key.bytes);
    SHA1((unsigned char *)text, (size_t)bytes, digest);
    EVP_EncodeBlock(accept, digest, sizeof digest);
    FUZZ_CHECK(snprintf(wanted, sizeof wanted, format, accept) == WS_ANSWER_BYTES);
    struct sha1 *sha1 = sha1_new();
    ws_handshake_answer(sha1, key, answer);
    sha1_free(sha1);
    FUZZ_CHECK(memcmp(answer, wanted, WS_ANSWER_BYTES) == 0);
}

/* ---- origins ---- */

/* An origin in one spelling, with its port; false: it is none. */
static bool spell(const char *text, char out[TEXT_BYTES])
{
    regmatch_t at[5];
    if (!matches(text, "^(https?)://([a-z0-9._~!$&'()+,;=-]+|\\[[0-9a-f:.]+])(:([0-9]{0,5}))?$", at,
                 5)) {
        return false;
    }
    struct in6_addr unused;
    char host[TEXT_BYTES / 2];
    int host_bytes = (int)(at[2].rm_eo - at[2].rm_so);
    snprintf(host, sizeof host, "%.*s", host_bytes, text + at[2].rm_so);
    char inside[TEXT_BYTES / 2];
    snprintf(inside, sizeof inside, "%.*s", host_bytes - 2, text + at[2].rm_so + 1);
    if (host[0] == '[' && inet_pton(AF_INET6, inside, &unused) != 1) {
        return false;
    }
    int scheme_bytes = (int)at[1].rm_eo;
    bool has_port = at[4].rm_so >= 0 && at[4].rm_eo > at[4].rm_so;
    int port = has_port ? atoi(text + at[4].rm_so) : scheme_bytes == 5 ? 443 : 80;
    snprintf(out, TEXT_BYTES, "%.*s://%s:%d", scheme_bytes, text, host, port);
    for (char *byte = out; *byte != '\0'; byte++) {
        *byte = (char)tolower((unsigned char)*byte);
    }
    return port <= 65535;
}

static bool is_slow_loopback(const char *spelt)
{
    return matches(spelt,
                   "^https?://(([^/:]+[.])?localhost[.]?|\\[::1]|127([.][0-9]+){3}[.]?):[0-9]+$",
                   NULL, 0);
}

/* 127.0.0.0/8 as numbers that there are: what looks like one with 999 is a name. */
static bool is_number_too_high(const char *spelt)
{
    regmatch_t at[2];
    struct in_addr unused;
    char text[64];
    if (!matches(spelt, "//(127[0-9.]*[0-9])[.]?:", at, 2)) {
        return false;
    }
    snprintf(text, sizeof text, "%.*s", (int)(at[1].rm_eo - at[1].rm_so), spelt + at[1].rm_so);
    return inet_pton(AF_INET, text, &unused) != 1;
}

static bool is_slowly_allowed(const struct request *request, struct slice head,
                              const struct origin_list *list)
{
    char text[TEXT_BYTES], spelt[TEXT_BYTES], own[TEXT_BYTES], other[TEXT_BYTES];
    unsigned lines = join_lines(head, "Origin", text);
    if (lines == 0) {
        return true;
    }
    if (lines > 1 || !spell(text, spelt)) {
        return false;
    }
    snprintf(own, sizeof own, "%s://%.*s", spelt[4] == 's' ? "https" : "http",
             (int)request->host.count, request->host.bytes);
    bool is_allowed = spell(own, other) && strcmp(spelt, other) == 0;
    is_allowed |= list->is_loopback && is_slow_loopback(spelt) && !is_number_too_high(spelt);
    for (size_t i = 0; i < list->count; i++) {
        FUZZ_CHECK(spell(list->texts[i], other));
        is_allowed |= strcmp(spelt, other) == 0;
    }
    return is_allowed;
}

/* What it added before it refused, counts. */
static void read_list(struct slice text, struct origin_list *list)
{
    list->is_loopback = slice_starts_with(text, SLICE("!"));
    text = slice_after(text, list->is_loopback);
    char *string = calloc(text.count + 1, 1);
    FUZZ_CHECK(string != NULL);
    memcpy(string, text.bytes, text.count);
    struct error error = {""};
    int status = origin_list_add(list, string, &error);
    FUZZ_CHECK(status == 0 || (status == ERR_USAGE && error.text[0] != '\0'));
    char spelt[TEXT_BYTES];
    struct slice rest = {string, strlen(string)};
    bool are_good = true;
    while (rest.count > 0) {
        struct slice member = slice_trim(slice_take(&rest, ','));
        char copy[TEXT_BYTES];
        snprintf(copy, sizeof copy, "%.*s", (int)member.count, member.bytes);
        are_good &= spell(copy, spelt);
    }
    FUZZ_CHECK(are_good == (status == 0));
    free(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct request request;
    struct slice head = fuzz_input(bytes, count);
    if (count >= TEXT_BYTES / 2) {
        return 0;
    }
    struct origin_list list = {0};
    read_list(slice_take(&head, '\n'), &list);
    struct limits limits;
    limits_init(&limits);
    char *copy = fuzz_copy(head);
    unsigned status;
    if (h1_parse((struct slice){copy, head.count}, &limits, &request, &status) == H1_OK) {
        head.count = request.head_bytes;
        struct slice key = {NULL, 0};
        FUZZ_CHECK(ws_handshake(&request, &key) == slow_handshake(&request, head));
        if (key.bytes != NULL) {
            FUZZ_CHECK(key.count == WS_KEY_BYTES);
            check_answer(key);
        }
        FUZZ_CHECK(origin_is_allowed(&request, &list) == is_slowly_allowed(&request, head, &list));
    }
    free(copy);
    origin_list_fini(&list);
    return 0;
}
