/* Responses gathered for one write: order, pieces, and when a batch is full. */
#include "net/batch.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static uint8_t body[2 * PACED_COPY_BYTES_MAX];

/* Stands for the site of a body: a batch only passes it on. */
static struct site any_site;

static struct batch *new_batch(void)
{
    struct batch *batch = mem_zeroed(1, sizeof *batch);
    memset(batch->text, 0xee, sizeof batch->text);
    return batch;
}

static struct response with_body(uint64_t body_bytes)
{
    return (struct response){
        .status = 200,
        .keep_alive = true,
        .has_body = true,
        .fields = {SLICE("A: 1\r\n")},
        .site = &any_site,
        .body = body,
        .body_offset = 4096,
        .body_bytes = body_bytes,
    };
}

static struct head_common head_common(void)
{
    struct head_common common = {.date.seconds = -1};
    date_line_set(&common.date, 0);
    return common;
}

static size_t sum_of_pieces(struct batch *batch, size_t *out_count)
{
    *out_count = batch_pieces(batch);
    size_t sum = 0;
    for (size_t i = 0; i < *out_count; i++) {
        sum += batch->pieces[i].iov_len;
    }
    return sum;
}

Test(batch, empty_batch_has_no_piece)
{
    struct batch *batch = new_batch();
    cr_expect(batch_pieces(batch) == 0 && !batch->is_full);
    free(batch);
}

Test(batch, heads_and_bodies_alternate)
{
    struct batch *batch = new_batch();
    struct head_common common = head_common();
    struct response response = with_body(10);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(batch_add(batch, &response, &common, 100 * (i + 1)));
    }
    size_t pieces;
    char head[256];
    size_t head_bytes = h1_write_head(&response, &common, head, sizeof head);
    cr_expect(sum_of_pieces(batch, &pieces) == 3 * (head_bytes + 10));
    cr_assert(pieces == 6, "%zu", pieces);
    for (size_t i = 0; i < 3; i++) {
        const struct batch_response *added = &batch->responses[i];
        cr_expect(batch->pieces[2 * i].iov_len == head_bytes);
        cr_expect(memcmp(batch->pieces[2 * i].iov_base, head, head_bytes) == 0);
        cr_expect(batch->pieces[2 * i + 1].iov_base == body);
        cr_expect(added->input_bytes == 100 * (i + 1) && added->site == &any_site);
        cr_expect(added->body_offset == 4096 && added->status == 200 && added->keep_alive);
        cr_expect(added->file_bytes == 0);
    }
    cr_expect(batch->body_bytes == 30 && !batch->is_full);
    batch_clear(batch);
    cr_expect(batch_pieces(batch) == 0 && batch->text_bytes == 0 && batch->body_bytes == 0);
    free(batch);
}

Test(batch, heads_without_bodies_are_one_piece)
{
    struct batch *batch = new_batch();
    struct head_common common = head_common();
    struct response head_only = with_body(10);
    head_only.has_body = false;
    struct response empty = with_body(0);
    size_t pieces;
    cr_assert(batch_add(batch, &head_only, &common, 1));
    cr_assert(batch_add(batch, &empty, &common, 2));
    cr_assert(batch_add(batch, &head_only, &common, 3));
    cr_expect(sum_of_pieces(batch, &pieces) == batch->text_bytes);
    cr_expect(pieces == 1, "%zu", pieces);
    cr_expect(batch->responses[0].site == NULL && batch->body_bytes == 0);
    free(batch);
}

Test(batch, long_body_goes_by_sendfile_and_ends_the_batch)
{
    static const struct {
        uint64_t body_bytes;
        bool is_paced;
        bool is_file;
    } rows[] = {
        {SENDFILE_BYTES_LEAST - 1, false, false}, {SENDFILE_BYTES_LEAST, false, true},
        {SENDFILE_PIECE_BYTES + 1, false, true},  {UINT64_C(1) << 40, false, true},
        {SENDFILE_BYTES_LEAST - 1, true, false},  {SENDFILE_BYTES_LEAST, true, true},
        {SENDFILE_PIECE_BYTES, true, true},       {SENDFILE_PIECE_BYTES + 1, true, false},
        {PACED_COPY_BYTES_MAX, true, false},      {PACED_COPY_BYTES_MAX + 1, true, true},
        {UINT64_C(1) << 40, true, true},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct batch *batch = new_batch();
        batch->is_paced = rows[i].is_paced;
        struct head_common common = head_common();
        struct response response = with_body(rows[i].body_bytes);
        cr_assert(batch_add(batch, &response, &common, 1));
        const struct batch_response *added = &batch->responses[0];
        cr_expect((added->file_bytes > 0) == rows[i].is_file, "row %zu", i);
        cr_expect(added->file_bytes + added->body_bytes == rows[i].body_bytes, "row %zu", i);
        cr_expect((added->body == NULL) == rows[i].is_file, "row %zu", i);
        bool is_full = rows[i].is_file || rows[i].body_bytes >= BATCH_BODY_BYTES;
        cr_expect(batch->is_full == is_full, "row %zu", i);
        size_t pieces;
        sum_of_pieces(batch, &pieces);
        cr_expect(pieces == (rows[i].is_file ? 1 : 2), "row %zu", i);
        cr_expect(batch_add(batch, &response, &common, 2) != is_full, "row %zu", i);
        free(batch);
    }
}

Test(batch, closing_response_is_the_last)
{
    struct batch *batch = new_batch();
    struct head_common common = head_common();
    struct response response = with_body(1);
    response.keep_alive = false;
    cr_assert(batch_add(batch, &response, &common, 1));
    cr_expect(batch->is_full && !batch->responses[0].keep_alive);
    cr_expect(!batch_add(batch, &response, &common, 2) && batch->response_count == 1);
    free(batch);
}

Test(batch, limits_of_count_and_bytes)
{
    static const struct {
        uint64_t body_bytes;
        size_t count; /* that fit */
    } rows[] = {
        {0, BATCH_RESPONSES_MAX},
        {1, BATCH_RESPONSES_MAX},
        {SENDFILE_BYTES_LEAST / 2, 2 * BATCH_BODY_BYTES / SENDFILE_BYTES_LEAST},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct batch *batch = new_batch();
        struct head_common common = head_common();
        struct response response = with_body(rows[i].body_bytes);
        size_t count = 0;
        while (count <= BATCH_RESPONSES_MAX && batch_add(batch, &response, &common, count + 1)) {
            count++;
        }
        cr_expect(count == rows[i].count, "row %zu: %zu", i, count);
        cr_expect(batch->is_full && batch->response_count == count, "row %zu", i);
        size_t pieces;
        sum_of_pieces(batch, &pieces);
        cr_expect(pieces <= ARRAY_COUNT(batch->pieces), "row %zu", i);
        free(batch);
    }
}

/* Heads as long as one may be: an empty batch takes one, and a full text buffer no more. */
Test(batch, long_heads)
{
    struct batch *batch = new_batch();
    struct head_common common = head_common();
    static char field[RESPONSE_HEAD_BYTES_MAX];
    struct response response = with_body(1);
    size_t other = h1_write_head(&response, &common, field, sizeof field) - strlen("A: 1\r\n");
    memset(field, 'x', sizeof field);
    response.fields[0] = (struct slice){field, RESPONSE_HEAD_BYTES_MAX - other};
    cr_expect(batch_add(batch, &response, &common, 1));
    cr_expect(batch->text_bytes == RESPONSE_HEAD_BYTES_MAX);
    cr_expect(batch_add(batch, &response, &common, 2));
    cr_expect(!batch_add(batch, &response, &common, 3) && batch->response_count == 2);
    batch_clear(batch);
    response.fields[0].count++;
    cr_expect(!batch_add(batch, &response, &common, 1) && batch->response_count == 0);
    free(batch);
}
