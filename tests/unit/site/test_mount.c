/* Where a site answers: host= and at=, and the name that a request is for. */
#include "site/mount.h"

#include "common/path.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { HOSTS_MAX = 4 };

static void expect_hosts(const char *label, const struct mount *mount, const char *const *hosts)
{
    size_t count = 0;
    for (; count < HOSTS_MAX && hosts[count] != NULL; count++) {
        cr_assert(count < mount->host_count, "%s: only %zu", label, mount->host_count);
        cr_expect(strcmp(mount->hosts[count], hosts[count]) == 0, "%s: host %zu is \"%s\"", label,
                  count, mount->hosts[count]);
    }
    cr_expect(mount->host_count == count, "%s: %zu hosts", label, mount->host_count);
}

/* A copy of exactly its size, so that a read behind it is found; the caller frees it. */
static char *copy_of(const char *text)
{
    size_t count = strlen(text) + 1;
    char *copy = malloc(count);
    memcpy(copy, text, count);
    return copy;
}

/* ---- hosts ---- */

#define LABEL_49 "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklm"
#define LABELS   LABEL_49 "." LABEL_49 "." LABEL_49 "." LABEL_49 /* 203 bytes */

static const struct {
    const char *text;
    const char *hosts[HOSTS_MAX];
    const char *again; /* what mount_hosts_text() makes of it; NULL: the text itself */
} good_hosts[] = {
    {"*", {""}, NULL},
    {"", {""}, "*"},
    {"a.example", {"a.example"}, NULL},
    {"a", {"a"}, NULL},
    {"A.ExAmPlE", {"a.example"}, "a.example"},
    {"a.example.", {"a.example"}, "a.example"},
    {"xn--bcher-kva.example", {"xn--bcher-kva.example"}, NULL},
    {"_dmarc.a-b.example", {"_dmarc.a-b.example"}, NULL},
    {"127.0.0.1", {"127.0.0.1"}, NULL},
    {"[::1]", {"[::1]"}, NULL},
    {"[FE80::A]", {"[fe80::a]"}, "[fe80::a]"},
    {"*.example", {".example"}, NULL},
    {"*.A.Example.", {".a.example"}, "*.a.example"},
    {"*.b", {".b"}, NULL},
    {"a.example,*.b.example,*", {"a.example", ".b.example", ""}, NULL},
    {"*,[::1],b.", {"", "[::1]", "b"}, "*,[::1],b"},
    {"a,b,c,d", {"a", "b", "c", "d"}, NULL},
    {"*,*.a,a", {"", ".a", "a"}, NULL},
    {LABELS, {LABELS}, NULL},
    {LABELS "," LABELS, {LABELS, LABELS}, NULL},
};

/* The hosts, how they are written, and that what is written is read as the same. */
Test(mount, good_hosts)
{
    for (size_t i = 0; i < ARRAY_COUNT(good_hosts); i++) {
        const char *text = good_hosts[i].text;
        struct mount mount, again;
        struct error error = {""};
        char *copy = copy_of(text);
        int status = mount_parse(copy, NULL, &mount, &error);
        free(copy); /* the mount has its own */
        cr_assert(status == 0, "%s: %s", text, error.text);
        expect_hosts(text, &mount, good_hosts[i].hosts);
        cr_expect(*mount.prefix == '\0' && *mount.prefix_url == '\0', "%s", text);
        char *written = mount_hosts_text(&mount);
        const char *wanted = good_hosts[i].again == NULL ? text : good_hosts[i].again;
        cr_expect(strcmp(written, wanted) == 0, "%s: %s", text, written);
        cr_assert(mount_parse(written, NULL, &again, &error) == 0, "%s: %s", written, error.text);
        expect_hosts(written, &again, good_hosts[i].hosts);
        free(written);
        mount_fini(&again);
        mount_fini(&mount);
    }
}

static const char *const bad_hosts[] = {
    ",",
    ",a",
    "a,,b",
    " ",
    "a b",
    "a, b",
    " a",
    "a ",
    "a\tb",
    ".",
    "..",
    ".a",
    ".a.example",
    "*.",
    "*..",
    "*..a",
    "**",
    "*a",
    "**.a",
    "*.*",
    "*.*.a",
    "a.*",
    "a.*.b",
    "a*",
    "*.[::1]",
    /* a host has no port: those of the listeners are the server's */
    "a.example:80",
    "a:",
    ":80",
    "*:80",
    "[::1]:80",
    "::1",
    "[::1",
    "::1]",
    "[",
    "]",
    "x[::1]",
    /* nor is it a URL */
    "http://a.example",
    "a.example/",
    "a/b",
    "a?b",
    "a#b",
    "user@a",
    "a%2eb",
    "a\\b",
    "a;b",
    "a=b",
    "\"a\"",
    "(a)",
    "x.b\xc3\xbc.example", /* it is written as xn-- */
    "a\x7f",
    "a\x01",
    "good.example,bad example",
    "good.example,*.,*",
};

Test(mount, bad_hosts)
{
    for (size_t i = 0; i < ARRAY_COUNT(bad_hosts); i++) {
        struct mount mount = {.host_count = 77};
        struct error error = {""};
        char *copy = copy_of(bad_hosts[i]);
        int status = mount_parse(copy, "/docs", &mount, &error);
        cr_expect(status == ERR_USAGE, "%s: %d", bad_hosts[i], status);
        cr_expect(strncmp(error.text, "host=", 5) == 0, "%s: %s", bad_hosts[i], error.text);
        cr_expect(mount.host_count == 77 && mount.hosts == NULL, "%s", bad_hosts[i]);
        cr_expect(mount_parse(copy, "/docs", &mount, NULL) == ERR_USAGE, "%s", bad_hosts[i]);
        free(copy);
    }
}

/* Every byte in the middle of a name. */
Test(mount, every_byte_in_a_host)
{
    for (int byte = 1; byte < 256; byte++) {
        char text[] = "a?b";
        text[1] = (char)byte;
        bool is_good = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                       (byte >= 'a' && byte <= 'z') || byte == '-' || byte == '.' || byte == '_' ||
                       byte == ','; /* two names */
        struct mount mount;
        int status = mount_parse(text, NULL, &mount, NULL);
        cr_expect(status == (is_good ? 0 : ERR_USAGE), "%d: %d", byte, status);
        if (status == 0) {
            cr_expect(mount.host_count == (byte == ',' ? 2 : 1), "%d", byte);
            mount_fini(&mount);
        }
    }
}

/* Names as long as the DNS has them are taken (RFC 1035 section 2.3.4: 253 characters without the
 * last dot), and nothing that is too long ends as another name or behind a buffer. */
Test(mount, long_hosts)
{
    static const char *const starts[] = {"", "*."};
    for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
        for (size_t count = 240; count < 300; count++) {
            size_t start = strlen(starts[i]);
            char *text = malloc(start + count + 1);
            memcpy(text, starts[i], start);
            memset(text + start, 'a', count);
            text[start + count] = '\0';
            struct mount mount;
            int status = mount_parse(text, NULL, &mount, NULL);
            cr_expect(count > 253 || status == 0, "%s%zu: %d", starts[i], count, status);
            cr_expect(count <= 255 || status == ERR_USAGE, "%s%zu: %d", starts[i], count, status);
            if (status == 0) {
                const char *name = text + (start > 0); /* from the dot on */
                cr_expect(strcmp(mount.hosts[0], name) == 0, "%s%zu", starts[i], count);
                mount_fini(&mount);
            }
            free(text);
        }
    }
}

/* ---- prefixes ---- */

static const struct {
    const char *text, *prefix;
    const char *url; /* NULL: the same */
} good_prefixes[] = {
    {NULL, "", NULL},
    {"", "", NULL},
    {"/", "", NULL},
    {"//", "", NULL},
    {"/.", "", NULL},
    {"/a/..", "", NULL},
    {"/../..", "", NULL},
    {"/docs", "/docs", NULL},
    {"/docs/", "/docs", NULL},
    {"/docs///", "/docs", NULL},
    {"//docs//v2//", "/docs/v2", NULL},
    {"/docs/v2", "/docs/v2", NULL},
    {"/docs/./v2/../v3", "/docs/v3", NULL},
    {"/docs/v2/..", "/docs", NULL},
    {"/Docs", "/Docs", NULL},
    {"/%64ocs", "/docs", NULL},
    {"/a%20b", "/a b", "/a%20b"},
    {"/a b", "/a b", "/a%20b"},
    {"/%c3%bc", "/\xc3\xbc", "/%C3%BC"},
    {"/\xc3\xbc", "/\xc3\xbc", "/%C3%BC"},
    {"/a%25b", "/a%b", "/a%25b"},
    {"/a%3fb", "/a?b", "/a%3Fb"},
    {"/a%23b", "/a#b", "/a%23b"},
    {"/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@", NULL},
    {"/...", "/...", NULL},
};

Test(mount, good_prefixes)
{
    for (size_t i = 0; i < ARRAY_COUNT(good_prefixes); i++) {
        const char *text = good_prefixes[i].text;
        struct mount mount;
        struct error error = {""};
        char *copy = text == NULL ? NULL : copy_of(text);
        int status = mount_parse(NULL, copy, &mount, &error);
        free(copy);
        cr_assert(status == 0, "row %zu: %s", i, error.text);
        const char *url = good_prefixes[i].url;
        url = url == NULL ? good_prefixes[i].prefix : url;
        cr_expect(strcmp(mount.prefix, good_prefixes[i].prefix) == 0, "%s: %s", text, mount.prefix);
        cr_expect(strcmp(mount.prefix_url, url) == 0, "%s: %s", text, mount.prefix_url);
        expect_hosts(text == NULL ? "NULL" : text, &mount, (const char *const[]){"", NULL});
        mount_fini(&mount);
    }
}

/* One without a leading '/', and those that no request can ask for. */
Test(mount, bad_prefixes)
{
    static const char *const prefixes[] = {
        "docs",
        "docs/",
        "./docs",
        "../docs",
        ".",
        "*",
        "\\docs",
        " /docs",
        "%2f",
        "%2Fdocs",
        "/a%2fb",
        "/%",
        "/%2",
        "/%zz",
        "/a%00",
        "/docs%",
        "http://a.example/docs",
        "?",
        "a",
    };
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        struct mount mount = {.host_count = 77};
        struct error error = {""};
        char *copy = copy_of(prefixes[i]);
        int status = mount_parse("a.example,*.b.example", copy, &mount, &error);
        cr_expect(status == ERR_USAGE, "%s: %d", prefixes[i], status);
        cr_expect(strncmp(error.text, "at=", 3) == 0, "%s: %s", prefixes[i], error.text);
        cr_expect(strstr(error.text, prefixes[i]) != NULL, "%s: %s", prefixes[i], error.text);
        cr_expect(mount.host_count == 77 && mount.hosts == NULL, "%s", prefixes[i]);
        cr_expect(mount_parse(NULL, copy, &mount, NULL) == ERR_USAGE, "%s", prefixes[i]);
        free(copy);
    }
}

/* As long as a path can be, each byte percent-encoded in the URL; and one byte more. */
Test(mount, long_prefixes)
{
    for (size_t count = PATH_BYTES_MAX - 1; count <= PATH_BYTES_MAX + 1; count++) {
        char *text = malloc(count + 1);
        memset(text, ' ', count);
        text[0] = '/';
        text[count] = '\0';
        struct mount mount;
        int status = mount_parse(NULL, text, &mount, NULL);
        cr_expect(status == (count <= PATH_BYTES_MAX ? 0 : ERR_USAGE), "%zu: %d", count, status);
        if (status == 0) {
            cr_expect(strcmp(mount.prefix, text) == 0, "%zu", count);
            cr_expect(strlen(mount.prefix_url) == 1 + 3 * (count - 1), "%zu", count);
            mount_fini(&mount);
        }
        free(text);
    }
}

/* ---- the rest of a mount's life ---- */

static void expect_same(const struct mount *a, const struct mount *b)
{
    cr_assert(a->host_count == b->host_count);
    for (size_t i = 0; i < a->host_count; i++) {
        cr_expect(strcmp(a->hosts[i], b->hosts[i]) == 0, "%s, %s", a->hosts[i], b->hosts[i]);
    }
    cr_expect(strcmp(a->prefix, b->prefix) == 0, "%s, %s", a->prefix, b->prefix);
    cr_expect(strcmp(a->prefix_url, b->prefix_url) == 0, "%s, %s", a->prefix_url, b->prefix_url);
}

Test(mount, everywhere)
{
    struct mount everywhere = mount_everywhere();
    struct mount parsed;
    cr_assert(mount_parse(NULL, NULL, &parsed, NULL) == 0);
    expect_same(&everywhere, &parsed);
    expect_hosts("everywhere", &everywhere, (const char *const[]){"", NULL});
    cr_expect(*everywhere.prefix == '\0' && *everywhere.prefix_url == '\0');
    char *text = mount_hosts_text(&everywhere);
    cr_expect(strcmp(text, "*") == 0, "%s", text);
    free(text);
    mount_fini(&parsed);
    mount_fini(&everywhere);
}

/* A copy is whole without what it was made from. */
Test(mount, copy)
{
    static const char *const hosts[] = {NULL, "a.example", "a.example,*.b.example,[::1],*"};
    static const char *const prefixes[] = {NULL, "/docs/a%20b"};
    for (size_t i = 0; i < ARRAY_COUNT(hosts) * ARRAY_COUNT(prefixes); i++) {
        struct mount first, second;
        const char *prefix = prefixes[i / ARRAY_COUNT(hosts)];
        cr_assert(mount_parse(hosts[i % ARRAY_COUNT(hosts)], prefix, &first, NULL) == 0);
        cr_assert(mount_parse(hosts[i % ARRAY_COUNT(hosts)], prefix, &second, NULL) == 0);
        struct mount copy = mount_copy(&first);
        expect_same(&copy, &first);
        mount_fini(&first);
        expect_same(&copy, &second);
        mount_fini(&copy);
        mount_fini(&second);
    }
}

Test(mount, fini_leaves_nothing)
{
    struct mount mount;
    cr_assert(mount_parse("a,b", "/docs", &mount, NULL) == 0);
    mount_fini(&mount);
    mount_fini(&mount); /* of nothing is nothing */
    cr_expect(mount.host_count == 0 && mount.hosts == NULL);
}

/* ---- the name in a request ---- */

static const struct {
    const char *host, *name;
} names[] = {
    {"", ""},
    {"a", "a"},
    {"a.example", "a.example"},
    {"A.EXAMPLE", "a.example"},
    {"AZaz09-_.example", "azaz09-_.example"},
    {"[\\]^_`{|}~@", "[\\]^_`{|}~@"}, /* only letters have two cases */
    {"\xc3\x9c.example", "\xc3\x9c.example"},
    /* ports, which may be empty (RFC 3986 section 3.2.3) */
    {"a.example:80", "a.example"},
    {"a.example:65535", "a.example"},
    {"a.example:", "a.example"},
    {":80", ""},
    {":", ""},
    /* a last dot, one */
    {"a.example.", "a.example"},
    {"A.Example.:8080", "a.example"},
    {"a.", "a"},
    {"a..", "a."},
    {"a.:", "a"},
    {".a", ".a"},
    /* addresses: their colons are not a port's */
    {"127.0.0.1", "127.0.0.1"},
    {"127.0.0.1:80", "127.0.0.1"},
    {"[::1]", "[::1]"},
    {"[::1]:80", "[::1]"},
    {"[::1]:", "[::1]"},
    {"[2001:DB8::FFFF]", "[2001:db8::ffff]"},
    {"[2001:DB8::FFFF]:443", "[2001:db8::ffff]"},
    {"[::ffff:1.2.3.4]:80", "[::ffff:1.2.3.4]"},
    {"[v1.A:b]", "[v1.a:b]"},
};

/* A host in a block of exactly its size, and a buffer of exactly its own. */
static void expect_name(struct slice host, struct slice wanted)
{
    char *bytes = malloc(host.count);
    char *buffer = malloc(HOST_NAME_BYTES_MAX);
    memcpy(bytes, host.bytes, host.count);
    struct slice name = host_name((struct slice){bytes, host.count}, buffer);
    free(bytes); /* the name is in the buffer */
    cr_expect(slice_equal(name, wanted), "%.*s: %.*s", (int)host.count, host.bytes, (int)name.count,
              name.bytes);
    free(buffer);
}

Test(mount, names_of_requests)
{
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        expect_name(slice_of_string(names[i].host), slice_of_string(names[i].name));
    }
    char buffer[HOST_NAME_BYTES_MAX];
    cr_expect(host_name((struct slice){NULL, 0}, buffer).count == 0);
}

/* The longest name; with what does not belong to it, it may be longer. */
Test(mount, long_names)
{
    static const char *const behinds[] = {"", ".", ":80", ".:65535"};
    for (size_t i = 0; i < ARRAY_COUNT(behinds); i++) {
        for (size_t count = 1; count < 2000; count += count < 250 || count > 260 ? 83 : 1) {
            size_t behind = strlen(behinds[i]);
            char *host = malloc(count + behind);
            char wanted[2000];
            memset(host, 'A', count);
            memset(wanted, 'a', count);
            memcpy(host + count, behinds[i], behind);
            size_t wanted_count = count <= HOST_NAME_BYTES_MAX ? count : 0;
            expect_name((struct slice){host, count + behind}, (struct slice){wanted, wanted_count});
            free(host);
        }
    }
}

/* What an operator writes is what a request for it has, in any case and with a port. */
Test(mount, names_are_as_hosts)
{
    static const char *const hosts[] = {"A.example", "a.example.", "[FE80::1]", "127.0.0.1", "a_b"};
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        struct mount mount;
        char request[64];
        cr_assert(mount_parse(hosts[i], NULL, &mount, NULL) == 0, "%s", hosts[i]);
        snprintf(request, sizeof request, "%s:8080", hosts[i]);
        expect_name(slice_of_string(hosts[i]), slice_of_string(mount.hosts[0]));
        expect_name(slice_of_string(request), slice_of_string(mount.hosts[0]));
        mount_fini(&mount);
    }
}
