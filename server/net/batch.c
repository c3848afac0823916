#include "net/batch.h"

#include "common/mem.h"

#include <stddef.h>
#include <stdlib.h>

void batch_trim(struct batch *batch, size_t count)
{
    for (size_t i = count; i < batch->response_count; i++) {
        free(batch->responses[i].parts);
    }
    batch->response_count = count;
}

void batch_clear(struct batch *batch)
{
    batch_trim(batch, 0);
    batch->text_bytes = 0;
    batch->body_bytes = 0;
    batch->is_full = false;
}

/* Only as long as there are ranges; with the type behind them. */
static struct conn_parts *copy_parts(const struct response *response)
{
    size_t ranges = response->multipart->ranges.count * sizeof(struct byte_range);
    size_t bytes = offsetof(struct multipart, ranges.at) + ranges;
    struct slice type = response->multipart->type;
    struct conn_parts *parts =
        mem_zeroed(1, offsetof(struct conn_parts, multipart) + bytes + type.count);
    parts->body_offset = response->body_offset;
    memcpy(&parts->multipart, response->multipart, bytes);
    char *copy = (char *)&parts->multipart + bytes;
    memcpy(copy, type.bytes, type.count);
    parts->multipart.type.bytes = copy;
    return parts;
}

static uint64_t announced_bytes(const struct response *response)
{
    if (!response->has_body) {
        return 0;
    }
    if (response->multipart != NULL) {
        return multipart_bytes(response->multipart);
    }
    return response->site != NULL ? response->body_bytes : response->text.count;
}

static bool has_representation(const struct response *response)
{
    return response->site != NULL || response->status == 304;
}

bool batch_add(struct batch *batch, const struct response *response,
               const struct head_common *common, size_t input_bytes)
{
    if (batch->is_full) {
        return false;
    }
    size_t capacity = sizeof batch->text - batch->text_bytes;
    if (capacity > RESPONSE_HEAD_BYTES_MAX) {
        capacity = RESPONSE_HEAD_BYTES_MAX;
    }
    size_t text_bytes = h1_write_head(response, common, batch->text + batch->text_bytes, capacity);
    if (text_bytes == 0) {
        return false;
    }
    uint64_t body_bytes = announced_bytes(response);
    struct batch_response *added = &batch->responses[batch->response_count++];
    *added = (struct batch_response){
        .input_bytes = input_bytes,
        .text_at = batch->text_bytes,
        .text_bytes = text_bytes,
        .announced_bytes = body_bytes,
        .stack = response->stack,
        .origin = response->origin,
        .codec = has_representation(response) ? response->codec : CODEC_COUNT,
        .status = response->status,
        .keep_alive = response->keep_alive,
    };
    batch->text_bytes += text_bytes;
    if (response->has_body && response->site != NULL) {
        added->site = response->site;
        added->body_offset = response->body_offset;
        if (response->multipart != NULL) {
            added->parts = copy_parts(response);
        } else if (!batch_sends_file(response->body_bytes, batch->is_paced)) {
            added->body = response->body;
            added->body_bytes = (size_t)response->body_bytes;
            batch->body_bytes += added->body_bytes;
        } else {
            added->file_bytes = response->body_bytes;
        }
    }
    batch->is_full = added->file_bytes > 0 || added->parts != NULL || !added->keep_alive ||
                     batch->response_count == BATCH_RESPONSES_MAX ||
                     batch->body_bytes >= BATCH_BODY_BYTES;
    return true;
}

bool batch_sends_file(uint64_t body_bytes, bool is_paced)
{
    bool is_copied_for_pace =
        is_paced && body_bytes > SENDFILE_PIECE_BYTES && body_bytes <= PACED_COPY_BYTES_MAX;
    return body_bytes >= SENDFILE_BYTES_LEAST && !is_copied_for_pace;
}

static void put_piece(struct batch *batch, size_t *count, const void *bytes, size_t piece_bytes)
{
    /* neighbours in memory are one piece: heads without bodies between them */
    struct iovec *last = *count > 0 ? &batch->pieces[*count - 1] : NULL;
    if (last != NULL && (const char *)last->iov_base + last->iov_len == (const char *)bytes) {
        last->iov_len += piece_bytes;
    } else if (piece_bytes > 0) {
        batch->pieces[(*count)++] =
            (struct iovec){(void *)(uintptr_t)bytes, piece_bytes}; /* sendmsg only reads */
    }
}

size_t batch_pieces(struct batch *batch)
{
    size_t count = 0;
    for (size_t i = 0; i < batch->response_count; i++) {
        const struct batch_response *response = &batch->responses[i];
        put_piece(batch, &count, batch->text + response->text_at, response->text_bytes);
        put_piece(batch, &count, response->body, response->body_bytes);
    }
    return count;
}
