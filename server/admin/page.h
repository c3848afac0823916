/* The files of the status page: a release of their own, which nothing else is looked for in. Loaded
 * by the main thread, read by the admin thread. */
#ifndef CAIRN_ADMIN_PAGE_H
#define CAIRN_ADMIN_PAGE_H

#include "http/respond.h"
#include "server/loader.h"

struct admin_page {
    bool is_there;
    bool is_damaged; /* its files were cut */
    struct undertaker undertaker;
    struct publication publication;
    struct loader loader;
};

/* The index of the page: the one that was asked for; else the one that is installed beside the
 * program, or where the build was told to install. NULL: there is none. The caller frees it. */
char *admin_page_find(const char *asked, const char *program);

/* Loads the release of an index. NULL: there is no page. admin_page_fini() in any case. */
int admin_page_init(struct admin_page *page, const char *index_path,
                    struct error *error) CAIRN_MUST_CHECK;
void admin_page_fini(struct admin_page *page);

/* What the files have for a request; 404 as any site has it. */
void admin_page_respond(const struct admin_page *page, const struct request *request,
                        const struct limits *limits, struct response_scratch *scratch,
                        struct response *out_response);

#endif
