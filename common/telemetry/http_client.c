#include "telemetry/http_client.h"

#include "common/http_date.h"
#include "common/mem.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

/* ---- the library ---- */

#define CURL_FUNCTIONS(X)                                                                          \
    X(curl_global_init)                                                                            \
    X(curl_global_cleanup)                                                                         \
    X(curl_easy_init)                                                                              \
    X(curl_easy_cleanup)                                                                           \
    X(curl_easy_setopt)                                                                            \
    X(curl_easy_getinfo)                                                                           \
    X(curl_easy_strerror)                                                                          \
    X(curl_slist_append)                                                                           \
    X(curl_slist_free_all)                                                                         \
    X(curl_multi_init)                                                                             \
    X(curl_multi_cleanup)                                                                          \
    X(curl_multi_add_handle)                                                                       \
    X(curl_multi_remove_handle)                                                                    \
    X(curl_multi_perform)                                                                          \
    X(curl_multi_poll)                                                                             \
    X(curl_multi_info_read)

/* Its functions, under their own names. */
#define MEMBER(name) __typeof__(&(name)) name; /* NOLINT(bugprone-macro-parentheses): declared */
struct library {
    CURL_FUNCTIONS(MEMBER)
};

static int load_library(struct library *library, struct error *error)
{
#define ROW(name) {#name, offsetof(struct library, name)},
    static const struct {
        const char *name;
        size_t offset;
    } rows[] = {CURL_FUNCTIONS(ROW)};
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL); /* stays: it starts no thread */
    if (handle == NULL) {
        return error_set(error, -ENOENT, "telemetry needs libcurl (Debian's libcurl4): %s",
                         dlerror());
    }
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        void *function = dlsym(handle, rows[i].name);
        if (function == NULL) {
            return error_set(error, -ENOENT, "telemetry needs libcurl 7.66 or later: %s",
                             dlerror());
        }
        memcpy((char *)library + rows[i].offset, &function, sizeof function);
    }
    return 0;
}

/* ---- */

/* One to each target; the connection stays open between posts. */
struct post {
    CURL *handle;
    struct curl_slist *fields;
    struct curl_slist *addresses; /* what the host's name stands for; NULL: it needs no look-up */
    bool is_under_way;
    bool is_answered; /* and http_client_next() has not told */
    bool has_compressed_body;
    struct http_answer answer;
    char *body;
    size_t body_count;
    char curl_problem[CURL_ERROR_SIZE];
};

struct http_client {
    const struct telemetry_settings *settings;
    struct library curl;
    CURLM *multi;
    struct post posts[TELEMETRY_SIGNALS];
};

/* ---- a handle for each target ---- */

/* What the receiver answers: kept as far as it is of use. */
static size_t on_body(char *bytes, size_t size, size_t count, void *argument)
{
    struct post *post = argument;
    size_t room = HTTP_ANSWER_BYTES_MAX - post->body_count;
    size_t taken = size * count < room ? size * count : room;
    memcpy(post->body + post->body_count, bytes, taken);
    post->body_count += taken;
    return size * count;
}

/* Retry-After: seconds or a date (RFC 9110 §10.2.3). */
static size_t on_field(char *bytes, size_t size, size_t count, void *argument)
{
    struct post *post = argument;
    struct slice value = {bytes, size * count};
    struct slice name = slice_take(&value, ':');
    int64_t date_s;
    while (value.count > 0 && (unsigned char)value.bytes[value.count - 1] <= ' ') {
        value.count--;
    }
    value = slice_trim(value);
    if (!slice_equal_ignoring_case(name, SLICE("Retry-After"))) {
        return size * count;
    }
    int64_t seconds = 0;
    size_t digits = 0;
    while (digits < value.count && digits < 9 && value.bytes[digits] >= '0' &&
           value.bytes[digits] <= '9') {
        seconds = seconds * 10 + (value.bytes[digits++] - '0');
    }
    if (digits > 0 && digits == value.count) {
        post->answer.retry_after_s = seconds;
    } else if (http_date_parse(value, time(NULL), &date_s)) {
        seconds = date_s - time(NULL);
        post->answer.retry_after_s = seconds > 0 ? seconds : 0;
    }
    return size * count;
}

static void add_field(struct http_client *client, struct post *post, const char *name,
                      const char *value)
{
    char *line = mem_format("%s: %s", name, value);
    struct curl_slist *longer = client->curl.curl_slist_append(post->fields, line);
    if (longer == NULL) {
        abort();
    }
    post->fields = longer;
    free(line);
}

/* The fields of every post to a target; those of the body may differ from one to the next. */
static void set_fields(struct http_client *client, struct post *post,
                       const struct telemetry_target *target, bool is_compressed)
{
    if (post->fields != NULL && post->has_compressed_body == is_compressed) {
        return;
    }
    client->curl.curl_slist_free_all(post->fields);
    post->fields = NULL;
    post->has_compressed_body = is_compressed;
    add_field(client, post, "Content-Type", "application/x-protobuf");
    if (is_compressed) {
        add_field(client, post, "Content-Encoding", "gzip");
    }
    add_field(client, post, "Expect", ""); /* no wait for 100 */
    for (size_t i = 0; i < target->headers.count; i++) {
        add_field(client, post, target->headers.at[i].key, target->headers.at[i].value);
    }
    client->curl.curl_easy_setopt(post->handle, CURLOPT_HTTPHEADER, post->fields);
}

#define SET(option, value) (void)client->curl.curl_easy_setopt(post->handle, option, value)

/* No redirects, which would send it where nobody said; no signals; no proxies, of which a sandbox
 * would know nothing. */
static int open_post(struct http_client *client, enum telemetry_signal signal, struct error *error)
{
    const struct telemetry_target *target = &client->settings->targets[signal];
    struct post *post = &client->posts[signal];
    post->handle = client->curl.curl_easy_init();
    if (post->handle == NULL) {
        return error_set(error, -ENOMEM, "libcurl: out of memory");
    }
    post->answer.signal = signal;
    post->body = mem_zeroed(HTTP_ANSWER_BYTES_MAX, 1);
    SET(CURLOPT_URL, target->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_USERAGENT, "OTel-OTLP-Exporter-C/" CAIRN_VERSION " cairn/" CAIRN_VERSION);
    SET(CURLOPT_TIMEOUT_MS, (long)target->timeout_ms);
    SET(CURLOPT_ERRORBUFFER, post->curl_problem);
    SET(CURLOPT_PRIVATE, (char *)post);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, post);
    SET(CURLOPT_HEADERFUNCTION, on_field);
    SET(CURLOPT_HEADERDATA, post);
    if (target->certificate != NULL) {
        SET(CURLOPT_CAINFO, target->certificate);
    }
    if (target->client_certificate != NULL) {
        SET(CURLOPT_SSLCERT, target->client_certificate);
    }
    if (target->client_key != NULL) {
        SET(CURLOPT_SSLKEY, target->client_key);
    }
    return 0;
}

int http_client_open(const struct telemetry_settings *settings, struct http_client **out_client,
                     struct error *error)
{
    struct http_client *client = mem_zeroed(1, sizeof *client);
    client->settings = settings;
    int status = load_library(&client->curl, error);
    if (status != 0) {
        free(client);
        return status;
    }
    if (client->curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (client->multi = client->curl.curl_multi_init()) == NULL) {
        status = error_set(error, -ENOMEM, "libcurl does not start");
    }
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS && status == 0; signal++) {
        if (settings->targets[signal].is_on) {
            status = open_post(client, signal, error);
        }
    }
    if (status != 0) {
        http_client_close(client);
        return status;
    }
    *out_client = client;
    return 0;
}

void http_client_close(struct http_client *client)
{
    if (client == NULL) {
        return;
    }
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        struct post *post = &client->posts[signal];
        http_client_cancel(client, signal);
        if (post->handle != NULL) {
            client->curl.curl_easy_cleanup(post->handle);
        }
        client->curl.curl_slist_free_all(post->fields);
        client->curl.curl_slist_free_all(post->addresses);
        free(post->body);
    }
    if (client->multi != NULL) {
        (void)client->curl.curl_multi_cleanup(client->multi);
    }
    client->curl.curl_global_cleanup();
    free(client);
}

/* ---- names ---- */

static bool is_address(const char *host)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

/* "host:port:address,address", as libcurl takes it. */
static char *resolved(const struct telemetry_target *target, const struct addrinfo *addresses)
{
    char *text = mem_format("%s:%u:", target->host, target->port);
    const char *separator = "";
    for (const struct addrinfo *at = addresses; at != NULL; at = at->ai_next) {
        char address[NI_MAXHOST];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0,
                        NI_NUMERICHOST) != 0) {
            continue;
        }
        bool is_v6 = at->ai_family == AF_INET6;
        char *longer =
            mem_format("%s%s%s%s%s", text, separator, is_v6 ? "[" : "", address, is_v6 ? "]" : "");
        free(text);
        text = longer;
        separator = ",";
    }
    return text;
}

/* Looks a name up each time, as its address may have changed: libcurl would start a thread for it,
 * which is one more than the sandbox lets this one have. False: *problem says why. */
static bool look_up(struct http_client *client, struct post *post,
                    const struct telemetry_target *target)
{
    struct addrinfo *addresses;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (is_address(target->host) || strcmp(target->host, "localhost") == 0) {
        return true;
    }
    int result = getaddrinfo(target->host, NULL, &hints, &addresses);
    if (result != 0) {
        snprintf(post->answer.problem, sizeof post->answer.problem, "%s: %s", target->host,
                 gai_strerror(result));
        return false;
    }
    char *text = resolved(target, addresses);
    freeaddrinfo(addresses);
    client->curl.curl_slist_free_all(post->addresses);
    post->addresses = client->curl.curl_slist_append(NULL, text);
    free(text);
    SET(CURLOPT_RESOLVE, post->addresses);
    return true;
}

/* ---- posting ---- */

void http_client_post(struct http_client *client, enum telemetry_signal signal, struct slice body,
                      bool is_compressed)
{
    const struct telemetry_target *target = &client->settings->targets[signal];
    struct post *post = &client->posts[signal];
    post->answer = (struct http_answer){.signal = signal, .retry_after_s = -1};
    post->body_count = 0;
    post->curl_problem[0] = '\0';
    if (!look_up(client, post, target)) {
        post->is_answered = true;
        return;
    }
    set_fields(client, post, target, is_compressed);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.count);
    SET(CURLOPT_POSTFIELDS, body.bytes);
    post->is_under_way =
        client->curl.curl_multi_add_handle(client->multi, post->handle) == CURLM_OK;
    if (!post->is_under_way) {
        snprintf(post->answer.problem, sizeof post->answer.problem, "libcurl: out of memory");
        post->is_answered = true;
    }
}

void http_client_cancel(struct http_client *client, enum telemetry_signal signal)
{
    struct post *post = &client->posts[signal];
    if (post->is_under_way) {
        (void)client->curl.curl_multi_remove_handle(client->multi, post->handle);
        post->is_under_way = false;
    }
    post->is_answered = false;
}

bool http_client_is_posting(const struct http_client *client, enum telemetry_signal signal)
{
    return client->posts[signal].is_under_way || client->posts[signal].is_answered;
}

/* A transfer has come to its end, good or bad. */
static void finish(struct http_client *client, CURL *handle, CURLcode result)
{
    char *owner = NULL;
    long status = 0;
    (void)client->curl.curl_easy_getinfo(handle, CURLINFO_PRIVATE, &owner);
    struct post *post = (struct post *)(void *)owner;
    if (result == CURLE_OK) {
        (void)client->curl.curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    } else {
        const char *problem = post->curl_problem[0] != '\0'
                                  ? post->curl_problem
                                  : client->curl.curl_easy_strerror(result);
        snprintf(post->answer.problem, sizeof post->answer.problem, "%s", problem);
    }
    post->answer.status = (unsigned)status;
    post->answer.body = (struct slice){post->body, post->body_count};
    post->is_answered = true;
    post->is_under_way = false;
    (void)client->curl.curl_multi_remove_handle(client->multi, handle);
}

static void perform(struct http_client *client)
{
    int ignored;
    CURLMsg *message;
    (void)client->curl.curl_multi_perform(client->multi, &ignored);
    while ((message = client->curl.curl_multi_info_read(client->multi, &ignored)) != NULL) {
        if (message->msg == CURLMSG_DONE) {
            finish(client, message->easy_handle, message->data.result);
        }
    }
}

void http_client_wait(struct http_client *client, int wake_fd, int64_t timeout_ms)
{
    struct curl_waitfd waits = {.fd = wake_fd, .events = CURL_WAIT_POLLIN};
    bool has_answer = false;
    perform(client);
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        has_answer |= client->posts[signal].is_answered;
    }
    if (!has_answer) {
        int wait_ms = timeout_ms > INT_MAX ? INT_MAX : timeout_ms < 0 ? 0 : (int)timeout_ms;
        (void)client->curl.curl_multi_poll(client->multi, &waits, wake_fd >= 0, wait_ms, NULL);
        perform(client);
    }
}

bool http_client_next(struct http_client *client, struct http_answer *out_answer)
{
    for (enum telemetry_signal signal = 0; signal < TELEMETRY_SIGNALS; signal++) {
        struct post *post = &client->posts[signal];
        if (post->is_answered) {
            post->is_answered = false;
            *out_answer = post->answer;
            return true;
        }
    }
    return false;
}
