/* Posts requests to collectors, several at a time, with libcurl: the one file that includes it.
 * The library is loaded when a client is opened, so that a program without telemetry neither maps
 * nor needs it. Nothing blocks but the look-up of a host's name. One thread. */
#ifndef CAIRN_TELEMETRY_HTTP_CLIENT_H
#define CAIRN_TELEMETRY_HTTP_CLIENT_H

#include "common/error.h"
#include "telemetry/settings.h"

struct http_client;

/* What came of a post. */
struct http_answer {
    enum telemetry_signal signal;
    unsigned status;       /* 0: there is no answer, and `problem` says why */
    int64_t retry_after_s; /* -1: nothing was said */
    struct slice body;     /* what is more than HTTP_ANSWER_BYTES_MAX is not kept */
    char problem[256];
};

enum { HTTP_ANSWER_BYTES_MAX = 65536 };

/* The settings have to stay. */
int http_client_open(const struct telemetry_settings *settings, struct http_client **out_client,
                     struct error *error) CAIRN_MUST_CHECK;

/* Takes NULL. What is under way is broken off. */
void http_client_close(struct http_client *client);

/* Begins to post to the target of a signal, which has no post under way. The body has to stay until
 * the answer is there, or http_client_cancel(). */
void http_client_post(struct http_client *client, enum telemetry_signal signal, struct slice body,
                      bool is_compressed);
void http_client_cancel(struct http_client *client, enum telemetry_signal signal);
bool http_client_is_posting(const struct http_client *client, enum telemetry_signal signal);

/* Waits until something can be done, `wake_fd` is readable, or the time is up; and does it. */
void http_client_wait(struct http_client *client, int wake_fd, int64_t timeout_ms);

/* The next answer, which is valid until the signal's next post. False: there is none. */
bool http_client_next(struct http_client *client, struct http_answer *out_answer);

#endif
