#include "sites.h"

#include "common/mem.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <stdlib.h>

void sites_init(struct sites *sites)
{
    *sites = (struct sites){.list = site_list_new()};
    cr_assert(undertaker_init(&sites->undertaker, NULL) == 0);
}

void sites_fini(struct sites *sites)
{
    site_list_free(sites->list);
    undertaker_fini(&sites->undertaker);
}

static void add_word(struct index_writer *writer, char *word)
{
    char *form_text = strchr(word, ':');
    char variant = form_text == NULL ? '\0' : form_text[2];
    uint8_t digest[DIGEST_BYTES] = {form_text == NULL ? '0' : (uint8_t)form_text[1]};
    struct representation_input form = {
        .payload_offset = SUPERBLOCK_BYTES * (digest[0] + (variant == 'o' ? 100U : 0U)),
        .stored_bytes = digest[0],
        .modified_s = variant == 't' ? 2000 : 1000,
        .head =
            index_writer_head(writer, SLICE("Content-Type: text/html\r\n"),
                              variant == 'h' ? SLICE("Cache-Control: no-store\r\n") : SLICE("")),
        .digest = digest,
    };
    if (form_text != NULL) {
        *form_text = '\0';
    }
    sample_entries(writer, word, &form);
}

struct site *sites_make(struct sites *sites, const char *words, const char *hosts,
                        const char *prefix)
{
    uint64_t release = ++sites->last_release;
    const struct index_properties properties = {
        .flags = words[0] == 'O' ? INDEX_OVERLAY : 0,
        .release = release,
        .committed_bytes = 1 << 20,
    };
    struct index_writer *writer = index_writer_new();
    char *copy = mem_string(words + 1, strlen(words + 1));
    char *rest;
    for (char *word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        add_word(writer, word);
    }
    free(copy);
    struct mount mount;
    cr_assert(mount_parse(hosts, prefix, &mount, NULL) == 0);
    return site_new(&sites->undertaker, sample_index(writer, &properties), sample_archive("", 1, 1),
                    mem_string("site.idx", 8), mount, release, 0);
}

struct site_list *sites_change(struct sites *sites, struct site_change change, size_t retain,
                               int64_t at_ms)
{
    const struct site_retention retention = {retain, 0};
    struct site_list *before = sites->list;
    change.at_ms = at_ms;
    sites->list = site_list_next(before, &change, &retention, 1);
    return before;
}

void sites_add(struct sites *sites, const char *words, const char *hosts, const char *prefix)
{
    struct site *site = sites_make(sites, words, hosts, prefix);
    site_list_free(sites_change(sites, (struct site_change){.added = site}, SIZE_MAX, 0));
}

struct site *sites_release(const struct sites *sites, uint64_t release)
{
    for (size_t i = 0; i < sites->list->count; i++) {
        if (sites->list->sites[i]->index->release == release) {
            return sites->list->sites[i];
        }
    }
    return NULL;
}
