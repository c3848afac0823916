#include "server/announcement.h"

#include "common/mem.h"

#include <inttypes.h>
#include <stdlib.h>

void announcement_url(const struct listen_address *address, char out[URL_TEXT_BYTES])
{
    char text[ADDRESS_TEXT_BYTES];
    listen_address_text(address, text);
    snprintf(out, URL_TEXT_BYTES, listen_address_path(address) != NULL ? "%s" : "http://%s/", text);
}

char *announcement_site(const struct site *site)
{
    char *hosts = mount_hosts_text(&site->mount);
    bool is_every = strcmp(hosts, "*") == 0;
    bool is_root = *site->mount.prefix_url == '\0';
    uint32_t paths = site->index->entry_count;
    char *text = mem_format("release %" PRIu64 " of %s, %" PRIu32 " path%s, for %s%s%s%s",
                            site->index->release, site->archive->path, paths, paths == 1 ? "" : "s",
                            is_every ? "every host" : hosts, is_root ? "" : " below ",
                            is_root ? "" : site->mount.prefix_url, is_root ? "" : "/");
    free(hosts);
    return text;
}

static void print_addresses(const char *what, const struct listeners *listeners, FILE *file)
{
    for (size_t i = 0; i < listeners->count; i++) {
        char url[URL_TEXT_BYTES];
        announcement_url(&listeners->at[i].address, url);
        fprintf(file, "cairn-serve: %s %s\n", what, url);
    }
}

void announcement_print(const struct listeners *listeners, const struct listeners *admin,
                        const struct site_list *sites, FILE *file)
{
    print_addresses("listening on", listeners, file);
    print_addresses("admin", admin, file);
    if (sites->count == 0) {
        fputs("cairn-serve: nothing to serve yet; a command loads it: load index PATH\n", file);
    }
    for (size_t i = 0; i < sites->count; i++) {
        bool is_on_top = !sites->standings[i].is_retired && sites->standings[i].superseded_s == 0;
        if (is_on_top) {
            char *text = announcement_site(sites->sites[i]);
            fprintf(file, "cairn-serve: serving %s\n", text);
            free(text);
        }
    }
}
