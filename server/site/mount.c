#include "site/mount.h"

#include "common/mem.h"
#include "common/path.h"

#include <stdlib.h>

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

struct slice host_name(struct slice host, char buffer[HOST_NAME_BYTES_MAX])
{
    const char *colon = host.count == 0 ? NULL : memrchr(host.bytes, ':', host.count);
    const char *bracket = host.count == 0 ? NULL : memrchr(host.bytes, ']', host.count);
    if (colon != NULL && (bracket == NULL || colon > bracket)) {
        host.count = (size_t)(colon - host.bytes);
    }
    /* the analyser takes a literal of one byte to be longer */
    if (host.count > 1 && host.bytes[host.count - 1] == '.') { /* NOLINT */
        host.count--;
    }
    if (host.count > HOST_NAME_BYTES_MAX) {
        host.count = 0;
    }
    for (size_t i = 0; i < host.count; i++) {
        buffer[i] = lower(host.bytes[i]);
    }
    return (struct slice){buffer, host.count};
}

static bool is_host_byte(char byte)
{
    return (lower(byte) >= 'a' && lower(byte) <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '-' || byte == '.' || byte == '_';
}

/* Labels with dots between them, and maybe one behind the last. */
static bool is_name(struct slice text)
{
    bool is_label_empty = true;
    for (size_t i = 0; i < text.count; i++) {
        if (!is_host_byte(text.bytes[i]) || (text.bytes[i] == '.' && is_label_empty)) {
            return false;
        }
        is_label_empty = text.bytes[i] == '.';
    }
    return text.count > 0 && text.count < HOST_NAME_BYTES_MAX;
}

/* "[::1]", by its characters. */
static bool is_address(struct slice text)
{
    if (text.count < 4 || text.bytes[0] != '[' || text.bytes[text.count - 1] != ']') {
        return false;
    }
    for (size_t i = 1; i + 1 < text.count; i++) {
        char byte = lower(text.bytes[i]);
        bool is_hex = (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f');
        if (!is_hex && byte != ':' && byte != '.') {
            return false;
        }
    }
    return text.count < HOST_NAME_BYTES_MAX;
}

/* "*" is every host, "*.x" every name below x, "[::1]" an address; otherwise a name, which may be
 * written with a last dot. NULL: none of these. */
static char *parse_host(struct slice text)
{
    if (slice_equal(text, SLICE("*"))) {
        return mem_string("", 0);
    }
    bool is_pattern = slice_starts_with(text, SLICE("*."));
    struct slice name = is_pattern ? slice_after(text, 1) : text;
    if (!is_name(slice_after(name, is_pattern)) && (is_pattern || !is_address(name))) {
        return NULL;
    }
    char buffer[HOST_NAME_BYTES_MAX];
    struct slice found = host_name(name, buffer);
    return mem_string(found.bytes, found.count);
}

static int parse_hosts(const char *text, struct mount *mount, struct error *error)
{
    struct slice rest = slice_of_string(text == NULL || *text == '\0' ? "*" : text);
    bool has_more = true;
    while (has_more) {
        size_t before = rest.count;
        struct slice name = slice_take(&rest, ',');
        has_more = name.count < before; /* a comma was behind it */
        char *host = parse_host(name);
        if (host == NULL) {
            return error_set(error, ERR_USAGE,
                             "host=%s: \"%.*s\" is no host (NAME, *.NAME, or * for every other)",
                             text, (int)name.count, name.bytes);
        }
        mount->hosts = mem_resize(mount->hosts, mount->host_count + 1, sizeof(char *));
        mount->hosts[mount->host_count++] = host;
    }
    return 0;
}

static int parse_prefix(const char *text, struct mount *mount, struct error *error)
{
    if (text == NULL || strcmp(text, "/") == 0 || *text == '\0') {
        mount->prefix = mem_string("", 0);
        mount->prefix_url = mem_string("", 0);
        return 0;
    }
    char buffer[PATH_BYTES_MAX];
    struct slice path;
    if (*text != '/' || path_canonical(slice_of_string(text), buffer, &path) != PATH_OK) {
        return error_set(error, ERR_USAGE,
                         "at=%s: not a path that begins with '/', or none that a request can have",
                         text);
    }
    while (path.count > 0 && path.bytes[path.count - 1] == '/') {
        path.count--;
    }
    char url[PATH_ENCODED_BYTES_MAX];
    mount->prefix = mem_string(path.bytes, path.count);
    mount->prefix_url = mem_string(url, path_encode(path, url));
    return 0;
}

int mount_parse(const char *hosts, const char *prefix, struct mount *out_mount, struct error *error)
{
    struct mount mount = {0};
    int status = parse_hosts(hosts, &mount, error);
    if (status == 0) {
        status = parse_prefix(prefix, &mount, error);
    }
    if (status != 0) {
        mount_fini(&mount);
        return status;
    }
    *out_mount = mount;
    return 0;
}

struct mount mount_everywhere(void)
{
    struct mount mount = {
        .host_count = 1,
        .hosts = mem_zeroed(1, sizeof(char *)),
        .prefix = mem_string("", 0),
        .prefix_url = mem_string("", 0),
    };
    mount.hosts[0] = mem_string("", 0);
    return mount;
}

bool mount_equal(const struct mount *a, const struct mount *b)
{
    bool is_same = a->host_count == b->host_count && strcmp(a->prefix, b->prefix) == 0;
    for (size_t i = 0; is_same && i < a->host_count; i++) {
        is_same = strcmp(a->hosts[i], b->hosts[i]) == 0;
    }
    return is_same;
}

struct mount mount_copy(const struct mount *mount)
{
    struct mount copy = {
        .host_count = mount->host_count,
        .hosts = mem_zeroed(mount->host_count, sizeof(char *)),
        .prefix = mem_string(mount->prefix, strlen(mount->prefix)),
        .prefix_url = mem_string(mount->prefix_url, strlen(mount->prefix_url)),
    };
    for (size_t i = 0; i < mount->host_count; i++) {
        copy.hosts[i] = mem_string(mount->hosts[i], strlen(mount->hosts[i]));
    }
    return copy;
}

void mount_fini(struct mount *mount)
{
    for (size_t i = 0; i < mount->host_count; i++) {
        free(mount->hosts[i]);
    }
    free(mount->hosts);
    free(mount->prefix);
    free(mount->prefix_url);
    *mount = (struct mount){0};
}

char *mount_hosts_text(const struct mount *mount)
{
    size_t bytes = 1;
    for (size_t i = 0; i < mount->host_count; i++) {
        bytes += strlen(mount->hosts[i]) + 2; /* '*' and ',' */
    }
    char *text = mem_zeroed(bytes, 1);
    char *at = text;
    for (size_t i = 0; i < mount->host_count; i++) {
        const char *host = mount->hosts[i];
        at = stpcpy(at, i > 0 ? "," : "");
        at = stpcpy(at, *host == '\0' || *host == '.' ? "*" : "");
        at = stpcpy(at, host);
    }
    return text;
}
