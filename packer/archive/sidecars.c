#include "packer/archive/sidecars.h"

#include "common/mem.h"
#include "packer/archive/compress.h"

#include <stdlib.h>

static int read_content(struct content_store *store, uint32_t row, uint8_t **out_bytes,
                        struct error *error)
{
    const struct content *content = &store->catalog.contents[row];
    uint8_t *bytes = mem_resize(NULL, (size_t)content->stored_bytes, 1);
    int status = archive_writer_read_back(store->writer, content->payload_offset, bytes,
                                          (size_t)content->stored_bytes, error);
    if (status != 0) {
        free(bytes);
        return status;
    }
    *out_bytes = bytes;
    return 0;
}

static int check_one(struct content_store *store, const struct stored_file *file,
                     const struct stored_file *sidecar, enum codec codec, struct error *error)
{
    uint8_t *bytes = NULL;
    uint8_t *coded = NULL;
    int status = read_content(store, file->content, &bytes, error);
    if (status == 0) {
        status = read_content(store, sidecar->content, &coded, error);
    }
    if (status == 0 &&
        !compressed_decodes_to(codec, coded, store->catalog.contents[sidecar->content].stored_bytes,
                               bytes, store->catalog.contents[file->content].stored_bytes)) {
        status = error_set(error, ERR_FORMAT, "%s: it is not %s in %s: make it again, or remove it",
                           sidecar->name, file->name, codec_token(codec));
    }
    free(bytes);
    free(coded);
    return status;
}

int sidecars_check(struct content_store *store, const struct site_plan *plan, struct error *error)
{
    int status = 0;
    for (size_t i = 0; plan->sidecars != NULL && i < plan->served_count && status == 0; i++) {
        const struct stored_file *file = &plan->files[plan->served[i]];
        for (int codec = CODEC_IDENTITY + 1; codec < CODEC_COUNT && status == 0; codec++) {
            uint32_t number = plan->sidecars[i][codec];
            if (number == 0) {
                continue;
            }
            const struct stored_file *sidecar = &plan->files[number - 1];
            if (file->was_read || sidecar->was_read) {
                status = check_one(store, file, sidecar, (enum codec)codec, error);
            }
        }
    }
    return status;
}
