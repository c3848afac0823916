#include "http/multipart.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

void multipart_set_boundary(struct multipart *multipart, struct slice etag)
{
    static const char start[] = "cairn-";
    memset(multipart->boundary, '0', BOUNDARY_BYTES);
    memcpy(multipart->boundary, start, sizeof start - 1);
    size_t count = etag.count > 2 ? etag.count - 2 : 0; /* without its quotes */
    size_t left = BOUNDARY_BYTES - (sizeof start - 1);
    memcpy(multipart->boundary + sizeof start - 1, etag.bytes + 1, count < left ? count : left);
}

size_t content_range_format(const struct byte_range *range, uint64_t length,
                            char out[CONTENT_RANGE_BYTES_MAX])
{
    return (size_t)snprintf(out, CONTENT_RANGE_BYTES_MAX,
                            "Content-Range: bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64 "\r\n",
                            range->first, range->first + range->bytes - 1, length);
}

size_t content_range_unsatisfied(uint64_t length, char out[CONTENT_RANGE_BYTES_MAX])
{
    return (size_t)snprintf(out, CONTENT_RANGE_BYTES_MAX, "Content-Range: bytes */%" PRIu64 "\r\n",
                            length);
}

/* Nothing stands before the first piece, and behind the last. */
static size_t inserted_text(const struct multipart *multipart, size_t i, char *out, size_t capacity)
{
    bool is_between = i > 0 && i < multipart->ranges.count;
    int bytes = is_between ? (int)multipart->inserted.count : 0;
    return (size_t)snprintf(out, capacity, "%.*s", bytes, multipart->inserted.bytes);
}

size_t multipart_text(const struct multipart *multipart, size_t i, char *out, size_t capacity)
{
    if (multipart->inserted.count > 0) {
        return inserted_text(multipart, i, out, capacity);
    }
    const char *start = i == 0 ? "" : "\r\n";
    if (i == multipart->ranges.count) {
        return (size_t)snprintf(out, capacity, "%s--%.*s--\r\n", start, BOUNDARY_BYTES,
                                multipart->boundary);
    }
    char range[CONTENT_RANGE_BYTES_MAX];
    size_t range_bytes = content_range_format(&multipart->ranges.at[i], multipart->length, range);
    return (size_t)snprintf(out, capacity, "%s--%.*s\r\n%.*s%.*s\r\n", start, BOUNDARY_BYTES,
                            multipart->boundary, (int)multipart->type.count, multipart->type.bytes,
                            (int)range_bytes, range);
}

uint64_t multipart_bytes(const struct multipart *multipart)
{
    uint64_t bytes = multipart_text(multipart, multipart->ranges.count, NULL, 0);
    for (size_t i = 0; i < multipart->ranges.count; i++) {
        bytes += multipart_text(multipart, i, NULL, 0) + multipart->ranges.at[i].bytes;
    }
    return bytes;
}
