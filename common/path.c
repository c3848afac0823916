#include "common/path.h"

#include "common/utf8.h"

#include <assert.h>

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Most targets are keys already: no '%', and no '.' or '/' right behind a '/'. */
static bool is_canonical(struct slice target)
{
    char previous = 'a';
    for (size_t i = 0; i < target.count; i++) {
        char byte = target.bytes[i];
        if (byte == '%' || byte == '\0' || (previous == '/' && (byte == '/' || byte == '.'))) {
            return false;
        }
        previous = byte;
    }
    return target.count <= PATH_BYTES_MAX;
}

struct builder {
    char *bytes;    /* starts with '/' */
    size_t count;   /* written so far */
    size_t segment; /* where the current segment starts */
    bool is_absent;
};

static void append(struct builder *builder, char byte)
{
    if (builder->count == PATH_BYTES_MAX) {
        builder->is_absent = true;
        return;
    }
    builder->bytes[builder->count++] = byte;
}

/* Drops the current segment if it is '.', and the one before it too if it is '..'. */
static void remove_dot_segment(struct builder *builder)
{
    struct slice segment = {builder->bytes + builder->segment, builder->count - builder->segment};
    if (slice_equal(segment, SLICE("."))) {
        builder->count = builder->segment;
    } else if (slice_equal(segment, SLICE(".."))) {
        size_t parent = builder->segment;
        if (parent > 1) {
            parent--;
            while (builder->bytes[parent - 1] != '/') {
                parent--;
            }
        }
        builder->count = parent;
        builder->segment = parent;
    }
}

static void end_segment(struct builder *builder)
{
    remove_dot_segment(builder);
    if (builder->count > builder->segment) { /* else empty: "//" is one slash */
        append(builder, '/');
        builder->segment = builder->count;
    }
}

/* One decoded byte, or a negative number where the escape is none. *at moves behind it. */
static int next_byte(struct slice target, size_t *at)
{
    char byte = target.bytes[(*at)++];
    if (byte != '%') {
        return (unsigned char)byte;
    }
    if (target.count - *at < 2) {
        return -1;
    }
    int high = hex_digit(target.bytes[*at]);
    int low = hex_digit(target.bytes[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

enum path_status path_canonical(struct slice target, char *buffer, struct slice *out_key)
{
    if (target.count == 0 || target.bytes[0] != '/') {
        return PATH_BAD;
    }
    if (is_canonical(target)) {
        *out_key = target;
        return PATH_OK;
    }
    struct builder builder = {buffer, 1, 1, false};
    buffer[0] = '/';
    for (size_t at = 1; at < target.count;) {
        bool is_raw_slash = target.bytes[at] == '/';
        int byte = next_byte(target, &at);
        if (byte <= 0) {
            return PATH_BAD;
        }
        if (is_raw_slash) {
            end_segment(&builder);
        } else {
            builder.is_absent |= byte == '/';
            append(&builder, (char)byte);
        }
    }
    remove_dot_segment(&builder);
    if (builder.is_absent) {
        return PATH_ABSENT;
    }
    *out_key = (struct slice){buffer, builder.count};
    return PATH_OK;
}

static bool is_path_character(unsigned char byte)
{
    static const char punctuation[] = "/-._~!$&'()*+,;=:@"; /* '/' and pchar, RFC 3986 §3.3 */
    if ((unsigned char)((byte | 0x20) - 'a') < 26 || (unsigned char)(byte - '0') < 10) {
        return true;
    }
    return byte != '\0' && strchr(punctuation, byte) != NULL;
}

size_t path_encode(struct slice key, char *buffer)
{
    static const char digits[] = "0123456789ABCDEF";
    assert(key.count <= PATH_BYTES_MAX);
    size_t count = 0;
    for (size_t i = 0; i < key.count; i++) {
        unsigned char byte = (unsigned char)key.bytes[i];
        if (is_path_character(byte)) {
            buffer[count++] = (char)byte;
        } else {
            buffer[count++] = '%';
            buffer[count++] = digits[byte >> 4];
            buffer[count++] = digits[byte & 15];
        }
    }
    return count;
}

const char *path_name_problem(struct slice name)
{
    if (name.count + 2 > PATH_BYTES_MAX) { /* a '/' before it and, for a directory, behind it */
        return "the path is longer than 4094 bytes";
    }
    if (name.count == 0 || name.bytes[name.count - 1] == '/') {
        return "the name is that of a folder";
    }
    for (size_t at = 0; at < name.count;) {
        unsigned char byte = (unsigned char)name.bytes[at];
        if (byte < 0x20 || byte == 0x7f) {
            return "the name has a control character";
        }
        size_t sequence = utf8_sequence_bytes(name.bytes + at, name.count - at);
        if (sequence == 0) {
            return "the name is not UTF-8";
        }
        at += sequence;
    }
    char key[PATH_BYTES_MAX];
    char encoded[PATH_ENCODED_BYTES_MAX];
    char buffer[PATH_BYTES_MAX];
    key[0] = '/';
    memcpy(key + 1, name.bytes, name.count);
    struct slice whole = {key, name.count + 1};
    struct slice found;
    struct slice target = {encoded, path_encode(whole, encoded)};
    if (path_canonical(target, buffer, &found) != PATH_OK || !slice_equal(found, whole)) {
        return "no URL leads to this name";
    }
    return NULL;
}
