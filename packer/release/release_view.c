#include "packer/release/release_view.h"

#include "common/mem.h"
#include "common/path.h"
#include "common/sha256.h"
#include "packer/release/overlay.h"

#include <stdlib.h>

const uint8_t *release_view_bytes(const struct release_view *view, const struct content *content)
{
    return view->archive->map + content->payload_offset;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct stored_file *)a)->name, ((const struct stored_file *)b)->name);
}

/* The bound paths, by name. */
static void list_files(struct release_view *view)
{
    const struct catalog *catalog = &view->catalog;
    view->files = mem_zeroed(catalog->path_count, sizeof *view->files);
    view->names = mem_zeroed(catalog->path_count, sizeof(char *));
    for (uint32_t row = 1; row <= catalog->path_count; row++) {
        const struct bound_path *path = &catalog->paths[row];
        struct record record;
        const char *why;
        if (path->is_gone) {
            continue;
        }
        if (record_decode(view->archive->map, view->commit.committed_bytes, path->record_offset,
                          view->archive->superblock.uuid, &record, &why) != 0 ||
            path_name_problem(record.path) != NULL) { /* whoever wrote it */
            view->lost_count++;
            continue;
        }
        char *name = mem_string(record.path.bytes, record.path.count);
        view->names[view->name_count++] = name;
        view->files[view->file_count++] = (struct stored_file){
            .name = name,
            .modified_s = path->modified_s,
            .content = path->content,
            .role = (uint8_t)walk_role_of(name),
            .is_rebound = path->is_rebound,
        };
    }
    if (view->file_count > 0) {
        qsort(view->files, view->file_count, sizeof *view->files, compare_files);
    }
}

static struct slice find_text(const struct release_view *view, const char *name)
{
    for (size_t i = 0; i < view->file_count; i++) {
        if (strcmp(view->files[i].name, name) == 0) {
            const struct content *content = &view->catalog.contents[view->files[i].content];
            return (struct slice){(const char *)release_view_bytes(view, content),
                                  (size_t)content->stored_bytes};
        }
    }
    return (struct slice){"", 0};
}

int release_view_init(struct release_view *view, const struct archive *archive,
                      const struct commit *commit, struct error *error)
{
    *view = (struct release_view){.archive = archive, .commit = *commit};
    site_options_init(&view->options);
    catalog_init(&view->catalog, archive, commit);
    list_files(view);
    view->texts = (struct rule_texts){
        .headers = find_text(view, "_headers"),
        .redirects = find_text(view, "_redirects"),
    };
    struct slice options = {(const char *)archive->map + view->catalog.options_offset,
                            (size_t)view->catalog.options_bytes};
    struct error detail = {""};
    int status = site_options_read(&view->options, options, &detail);
    return status == 0 ? 0
                       : error_set(error, ERR_FORMAT, "%s: the options of the release: %s",
                                   archive->path, detail.text);
}

void release_view_fini(struct release_view *view)
{
    catalog_fini(&view->catalog);
    site_options_fini(&view->options);
    for (size_t i = 0; i < view->name_count; i++) {
        free(view->names[i]);
    }
    free(view->names);
    free(view->files);
    *view = (struct release_view){0};
}

void release_view_digest(struct release_view *view)
{
    struct sha256_stream *stream = sha256_stream_new();
    const uint8_t *map = view->archive->map;
    for (size_t i = 0; i < view->file_count; i++) {
        struct content *content = &view->catalog.contents[view->files[i].content];
        if (!content->has_digest) {
            sha256(stream, map + content->payload_offset, (size_t)content->stored_bytes,
                   content->digest);
            content->has_digest = true;
        }
        for (uint32_t row = content->first_variant; row != 0;
             row = view->catalog.variants[row].next) {
            struct variant *variant = &view->catalog.variants[row];
            if (!variant->has_digest) {
                sha256(stream, map + variant->payload_offset, (size_t)variant->stored_bytes,
                       variant->digest);
                variant->has_digest = true;
            }
        }
    }
    sha256_stream_free(stream);
}

int release_view_index(struct release_view *view, const char *stem, struct index_image *out_image,
                       struct error *error)
{
    release_view_digest(view);
    struct site_plan plan;
    site_plan_init(&plan, view->files, view->file_count, &view->options, &view->texts);
    struct index_properties properties = {
        .release = view->commit.release,
        .committed_bytes = view->commit.committed_bytes,
        .created_s = view->commit.created_s,
    };
    memcpy(properties.archive_uuid, view->archive->superblock.uuid, UUID_BYTES);
    int status =
        release_index_build(&plan, &view->catalog, stem, &properties, out_image, NULL, error);
    site_plan_fini(&plan);
    return status;
}
