#include "admin/page.h"

#include "common/mem.h"

#include <stdlib.h>
#include <unistd.h>

char *admin_page_find(const char *asked, const char *program)
{
    static const char installed[] = CAIRN_DATA_DIR "/status.idx";
    if (asked != NULL) {
        return mem_string(asked, strlen(asked));
    }
    const char *slash = program == NULL ? NULL : strrchr(program, '/');
    if (slash != NULL) {
        char *beside =
            mem_format("%.*s/../share/cairn/status.idx", (int)(slash - program), program);
        if (access(beside, R_OK) == 0) {
            return beside;
        }
        free(beside);
    }
    return access(installed, R_OK) == 0 ? mem_string(installed, sizeof installed - 1) : NULL;
}

int admin_page_init(struct admin_page *page, const char *index_path, struct error *error)
{
    *page = (struct admin_page){.is_there = index_path != NULL};
    int status = undertaker_init(&page->undertaker, error);
    if (status != 0) {
        page->is_there = false;
        return status;
    }
    publication_init(&page->publication);
    page->loader = (struct loader){
        .publication = &page->publication,
        .undertaker = &page->undertaker,
        .retention = {.count = 1},
    };
    struct load_result result;
    const struct load_request request = {.path = index_path};
    status = page->is_there ? loader_load(&page->loader, &request, &result, error) : 0;
    page->is_there = page->is_there && status == 0;
    return status;
}

void admin_page_fini(struct admin_page *page)
{
    if (page->loader.publication != NULL) {
        publication_fini(&page->publication);
        undertaker_fini(&page->undertaker);
        host_meters_fini(&page->loader.host_meters);
    }
    *page = (struct admin_page){0};
}

void admin_page_respond(const struct admin_page *page, const struct request *request,
                        const struct limits *limits, struct response_scratch *scratch,
                        struct response *out_response)
{
    const struct respond_context context = {
        .sites = loader_sites(&page->loader),
        .limits = limits,
        .scratch = scratch,
    };
    respond(&context, request, out_response);
}
