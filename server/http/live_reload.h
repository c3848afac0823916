/* Answers of a server that reloads pages in browsers as they change (--live-reload): every page
 * takes in a script, and nothing is kept by browsers without being asked for again. The script is
 * the server's own and lies below /__cairn/, before any site's paths. docs/live-reload.md.
 *
 * Pure, as respond() is, which decides what is answered. */
#ifndef CAIRN_HTTP_LIVE_RELOAD_H
#define CAIRN_HTTP_LIVE_RELOAD_H

#include "http/respond.h"

#define LIVE_RELOAD_SCRIPT_PATH "/__cairn/live-reload.js"
#define LIVE_RELOAD_EVENTS_PATH "/__cairn/events"

/* Whether the page is what lies at the path that was asked for, or what a rule of the site, or the
 * lack of anything there, has led to. */
enum live_page { LIVE_PAGE_OWN, LIVE_PAGE_OTHER, LIVE_PAGES };

enum {
    LIVE_TAG_BYTES = 9,         /* "-0123abcd" */
    LIVE_SCRIPT_TAG_BYTES = 18, /* 16 hex digits in quotes */
};

/* What is the same for all answers. Immutable; any thread. */
struct live_reload {
    struct slice fragments[LIVE_PAGES];        /* the element that pages take in; owned */
    char tags[LIVE_PAGES][LIVE_TAG_BYTES + 1]; /* what their entity tags end with, then */
    char script_tag[LIVE_SCRIPT_TAG_BYTES + 1];
};

/* `events_path` is where the script hears of releases: canonical. */
void live_reload_init(struct live_reload *live, struct slice events_path);
void live_reload_fini(struct live_reload *live);

/* The caller's; in use until the response is written. */
struct live_reload_scratch {
    struct request plain; /* the request without what chooses parts and forms */
    char lines[RESPONSE_HEAD_BYTES_MAX];
    char tag[64];
};

/* As respond(). The response may have a multipart that is made of two pieces of a stored body and
 * the element between them. Ranges of pages are not served, whole pages are (RFC 9110 §14.2). */
void live_reload_respond(const struct live_reload *live, struct live_reload_scratch *scratch,
                         const struct respond_context *context, const struct request *request,
                         struct response *out_response);

#endif
