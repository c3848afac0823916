/* The request parser and where bodies end: a stream of requests is read as another parser reads it
 * (tests/unit/http/h1_comparison.h), and the same whether it comes at once or in pieces. */
#include "fuzz.h"
#include "h1_comparison.h"

#include "http/h1_body.h"
#include "http/h1_parse.h"
#include "http/message.h"

static void check(const char *differing)
{
    if (differing != NULL) {
        fprintf(stderr, "%s\n", differing);
        FUZZ_CHECK(differing == NULL);
    }
}

static bool is_inside(struct slice part, struct slice whole)
{
    return part.bytes >= whole.bytes && part.count <= whole.count &&
           (size_t)(part.bytes - whole.bytes) <= whole.count - part.count;
}

/* A request is parts of the input, or what the parser puts in the place of what is missing. */
static void check_parts(const struct request *request, struct slice head)
{
    FUZZ_CHECK(is_inside(request->path, head) || slice_equal(request->path, SLICE("/")));
    FUZZ_CHECK(is_inside(request->query, head) || request->query.count == 0);
    FUZZ_CHECK(is_inside(request->host, head) || request->host.count == 0);
    FUZZ_CHECK(request->path.bytes[0] == '/');
    FUZZ_CHECK(request->query.count == 0 || request->query.bytes[0] == '?');
    uint32_t known = 0;
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        FUZZ_CHECK(is_inside(field->name, head) && is_inside(field->value, head));
        FUZZ_CHECK(slice_equal(field->value, slice_trim(field->value)));
        known |= UINT32_C(1) << field->id;
    }
    FUZZ_CHECK(known == request->known);
}

static bool is_refused(const struct ours *ours)
{
    return ours->progress == REFUSED_HEAD || ours->progress == REFUSED_BODY;
}

static bool is_too_long(const struct ours *ours)
{
    return ours->status == 413 || ours->status == 414 || ours->status == 431;
}

/* With limits that inputs reach. What is too long is refused before it is read to its end, and
 * maybe before something else is wrong with it; but nothing is refused in pieces that is taken at
 * once, nor the other way round. */
static void check_limits(struct slice stream, size_t piece_max)
{
    static struct ours whole, pieces;
    h1_limits.target_bytes = 64;
    h1_limits.head_bytes = 256;
    h1_limits.fields = 4;
    uint64_t random_state = stream.count;
    h1_ours_read(&whole, stream);
    free(h1_ours_read_pieces(&pieces, stream, piece_max, &random_state));
    FUZZ_CHECK(is_refused(&whole) == is_refused(&pieces));
    if (!is_refused(&whole)) {
        FUZZ_CHECK(whole.progress == pieces.progress);
    } else if (!is_too_long(&whole) && !is_too_long(&pieces)) {
        FUZZ_CHECK(whole.status == pieces.status);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct ours whole, pieces;
    static struct theirs theirs;
    struct slice stream = fuzz_input(bytes, count);
    do {
        size_t piece_max = stream.count <= 256 ? 1 : stream.count / 32;
        h1_comparison_init();
        h1_ours_read(&whole, stream);
        if (whole.progress != WANTS_HEAD && whole.progress != REFUSED_HEAD) {
            FUZZ_CHECK(whole.request.head_bytes <= stream.count);
            check_parts(&whole.request, stream);
        }
        if (stream.count > 0 && stream.count <= H1_COMPARED_BYTES_MAX) {
            check(h1_compare(stream, &whole, &theirs));
            uint64_t random_state = stream.count;
            char *kept = h1_ours_read_pieces(&pieces, stream, piece_max, &random_state);
            check(h1_ours_differ(&whole, &pieces));
            free(kept);
        }
        check_limits(stream, piece_max);
        FUZZ_CHECK(whole.progress != WHOLE || (whole.bytes > 0 && whole.bytes <= stream.count));
        stream = slice_after(stream, whole.bytes);
    } while (whole.progress == WHOLE && stream.count > 0);
    return 0;
}
