/* Verifying releases against indexes that somebody made to fit: every checksum is right. */
#include "packer/verify.h"

#include "common/mem.h"
#include "common/sha256.h"
#include "samples.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void enter_scratch(void)
{
    scratch_enter();
    unsetenv("SOURCE_DATE_EPOCH");
}

TestSuite(verify, .init = enter_scratch, .fini = scratch_leave);

static int verify(const char *path, struct error *error)
{
    FILE *nowhere = fopen("/dev/null", "w");
    cr_assert(nowhere != NULL);
    const struct trust anybody = {0};
    int status = verify_release(path, &anybody, nowhere, error);
    fclose(nowhere);
    return status;
}

/* Where the index has the digest of these bytes, from `from` on; 0: nowhere. */
static size_t find_digest(const char *path, const char *text, size_t from)
{
    uint8_t digest[DIGEST_BYTES];
    struct sha256_stream *stream = sha256_stream_new();
    sha256(stream, text, strlen(text), digest);
    sha256_stream_free(stream);
    size_t count;
    uint8_t *bytes = scratch_read(path, &count);
    const uint8_t *found = memmem(bytes + from, count - from, digest, sizeof digest);
    size_t at = found == NULL ? 0 : (size_t)(found - bytes);
    free(bytes);
    return at;
}

/* Paths that share their bytes, which are hashed once, have a digest each all the same. */
Test(verify, digest_of_every_path_that_shares_bytes)
{
    static const char index_path[] = "site.000001.idx";
    struct error error = {""};
    scratch_file("site/a", "the same\n");
    scratch_file("site/b", "the same\n");
    sample_pack("site.cairn");
    cr_expect(verify("site.idx", &error) == 0, "%s", error.text);
    size_t count = 0;
    for (size_t at = 1; (at = find_digest(index_path, "the same\n", at)) != 0; at++) {
        sample_forge_index("site.cairn", index_path, at);
        cr_expect(verify("site.idx", &error) == ERR_DAMAGED);
        cr_expect(strstr(error.text, "its digest is not that of its bytes") != NULL, "%s",
                  error.text);
        sample_forge_index("site.cairn", index_path, at); /* and back */
        count++;
    }
    cr_expect(count == 2, "%zu", count);
    cr_expect(verify("site.idx", &error) == 0, "%s", error.text);
}
