#include "admin/token.h"

#include "common/read_at.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Whose it is does not matter, nor who may write it: who can change the files that a server is
 * started with can change the server. */
static int check_mode(int fd, const char *path, struct error *error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    if ((status.st_mode & S_IRWXO) != 0) {
        return error_set(error, ERR_USAGE, "%s: everybody may read this token; chmod o= %s", path,
                         path);
    }
    return 0;
}

/* Visible ASCII, as a field can carry it: a token with anything else could never be right. */
static bool is_sendable(struct slice line)
{
    for (size_t i = 0; i < line.count; i++) {
        if (line.bytes[i] <= ' ' || line.bytes[i] >= 0x7f) {
            return false;
        }
    }
    return true;
}

static int keep_line(struct admin_token *token, const char *path, struct slice text,
                     struct error *error)
{
    struct slice line = slice_take(&text, '\n');
    if (line.count > 0 && line.bytes[line.count - 1] == '\r') {
        line.count--;
    }
    line = slice_trim(line);
    if (line.count < ADMIN_TOKEN_BYTES_LEAST || !is_sendable(line)) {
        return error_set(error, ERR_USAGE,
                         "%s: its first line is no token of %d or more letters, digits and marks",
                         path, ADMIN_TOKEN_BYTES_LEAST);
    }
    sha256(token->stream, line.bytes, line.count, token->digest);
    token->is_set = true;
    return 0;
}

int admin_token_init(struct admin_token *token, const char *path, struct error *error)
{
    *token = (struct admin_token){.stream = sha256_stream_new()};
    if (path == NULL) {
        return 0;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    char text[ADMIN_TOKEN_BYTES_MAX];
    int status = check_mode(fd, path, error);
    ssize_t count = status == 0 ? read_at(fd, text, sizeof text, 0) : 0;
    close(fd);
    if (count < 0) {
        status = error_set(error, (int)count, "%s: %s", path, strerror((int)-count));
    } else if (status == 0) {
        status = keep_line(token, path, (struct slice){text, (size_t)count}, error);
    }
    explicit_bzero(text, sizeof text);
    return status;
}

static void forgive(struct admin_token *token, int64_t now_ms)
{
    int64_t forgiven = (now_ms - token->since_ms) / ADMIN_TOKEN_WRONG_MS;
    if (forgiven >= (int64_t)token->wrong) {
        token->wrong = 0;
        token->since_ms = now_ms;
    } else {
        token->wrong -= (unsigned)forgiven;
        token->since_ms += forgiven * ADMIN_TOKEN_WRONG_MS;
    }
}

static bool is_equal(const uint8_t a[DIGEST_BYTES], const uint8_t b[DIGEST_BYTES])
{
    volatile uint8_t differing = 0;
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        differing = (uint8_t)(differing | (a[i] ^ b[i]));
    }
    return differing == 0;
}

enum admin_token_result admin_token_check(struct admin_token *token, struct slice authorization,
                                          int64_t now_ms, bool *out_is_first)
{
    struct slice value = authorization;
    struct slice scheme = slice_take(&value, ' ');
    value = slice_trim(value);
    *out_is_first = false;
    if (!token->is_set || value.count == 0 || !slice_equal_ignoring_case(scheme, SLICE("Bearer"))) {
        return ADMIN_TOKEN_MISSING;
    }
    forgive(token, now_ms);
    if (token->wrong >= ADMIN_TOKEN_WRONG_MAX) {
        return ADMIN_TOKEN_LIMITED;
    }
    uint8_t digest[DIGEST_BYTES];
    sha256(token->stream, value.bytes, value.count, digest);
    if (is_equal(digest, token->digest)) {
        return ADMIN_TOKEN_RIGHT;
    }
    *out_is_first = token->wrong++ == 0;
    return ADMIN_TOKEN_WRONG;
}

void admin_token_fini(struct admin_token *token)
{
    sha256_stream_free(token->stream);
    *token = (struct admin_token){0};
}
