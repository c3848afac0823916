/* From stored files to an index: heads, folder pages, redirects, the 404 page. */
#include "packer/site_index.h"

#include "common/index.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const struct index_properties properties = {.release = 1, .committed_bytes = 1 << 20};

static struct stored_file file_named(const char *name)
{
    return (struct stored_file){
        .name = name,
        .payload_offset = 64,
        .stored_bytes = 5,
        .hash = hash128("hello", 5),
        .modified_s = 784111777,
    };
}

struct fixture {
    struct index_image image;
    struct index index;
};

static void fixture_init(struct fixture *fixture, const struct stored_file *files, size_t count)
{
    struct error error = {""};
    int status = site_index_build(files, count, &properties, &fixture->image, &error);
    cr_assert(status == 0, "%s", error.text);
    status = index_init(fixture->image.bytes, fixture->image.count, &fixture->index, &error);
    cr_assert(status == 0, "%s", error.text);
    status = index_check_deep(&fixture->index, &error);
    cr_expect(status == 0, "%s", error.text);
}

static const struct index_entry *find(const struct fixture *fixture, const char *path)
{
    struct slice key = slice_of_string(path);
    struct hash128 hash = hash128(key.bytes, key.count);
    return index_find(&fixture->index, &hash, key);
}

/* ---- what a folder adds ---- */

static const struct {
    const char *name;
    const char *paths[4]; /* that are the file */
    const char *bare;     /* the folder without its slash */
    const char *target;   /* where that leads */
} folders[] = {
    {"index.html", {"/index.html", "/"}, NULL, NULL},
    {"docs/index.html", {"/docs/index.html", "/docs/"}, "/docs", "/docs/"},
    {"a/b/index.html", {"/a/b/index.html", "/a/b/"}, "/a/b", "/a/b/"},
    {"a b/index.html", {"/a b/index.html", "/a b/"}, "/a b", "/a%20b/"},
    {"100%/index.html", {"/100%/index.html", "/100%/"}, "/100%", "/100%25/"},
    {"q?#/index.html", {"/q?#/index.html", "/q?#/"}, "/q?#", "/q%3F%23/"},
    {"caf\xc3\xa9/index.html",
     {"/caf\xc3\xa9/index.html", "/caf\xc3\xa9/"},
     "/caf\xc3\xa9",
     "/caf%C3%A9/"},
    {"docs/page.html", {"/docs/page.html"}, NULL, NULL},
    {"docs/myindex.html", {"/docs/myindex.html"}, NULL, NULL},
    {"docs/index.htm", {"/docs/index.htm"}, NULL, NULL},
    {"index.html/page", {"/index.html/page"}, NULL, NULL},
};

Test(site_index, folder_pages_and_redirects)
{
    for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
        struct fixture fixture;
        struct stored_file file = file_named(folders[i].name);
        fixture_init(&fixture, &file, 1);
        uint32_t count = 0;
        for (; folders[i].paths[count] != NULL; count++) {
            const struct index_entry *entry = find(&fixture, folders[i].paths[count]);
            cr_assert(entry != NULL && entry->kind == ENTRY_FILE, "%s", folders[i].paths[count]);
            cr_expect(entry->flags == (count == 0 ? 0 : ENTRY_DERIVED), "%s", folders[i].name);
            cr_expect(entry->first.payload_offset == 64, "%s", folders[i].name);
        }
        if (folders[i].bare != NULL) {
            const struct index_entry *entry = find(&fixture, folders[i].bare);
            cr_assert(entry != NULL && entry->kind == ENTRY_REDIRECT, "%s", folders[i].bare);
            struct slice target =
                index_text(&fixture.index, entry->first.head_at, entry->first.head_bytes);
            cr_expect(slice_equal(target, slice_of_string(folders[i].target)), "%.*s",
                      (int)target.count, target.bytes);
            struct index_head_text head = index_head(&fixture.index, &entry->first);
            cr_expect(slice_equal(head.entity, SLICE("Content-Length: 0\r\n")));
            cr_expect(entry->status == 301);
            count++;
        }
        cr_expect(fixture.index.entry_count == count, "%s: %u", folders[i].name,
                  fixture.index.entry_count);
        free(fixture.image.bytes);
    }
}

/* ---- heads ---- */

#define ETAG "ETag: \"tenBrQcbPn_Hec-qXlI4GA\"\r\n" /* of "hello" */
#define DATE "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static const struct {
    const char *name;
    uint64_t stored_bytes;
    int64_t modified_s;
    const char *entity, *validator, *length;
} heads[] = {
    {"a.html", 5, 784111777, "Content-Type: text/html; charset=utf-8\r\n", ETAG DATE,
     "Content-Length: 5\r\n"},
    {"a.bin", 0, 784111777, "Content-Type: application/octet-stream\r\n", ETAG DATE,
     "Content-Length: 0\r\n"},
    {"a.css", 1048512, 784111777, "Content-Type: text/css; charset=utf-8\r\n", ETAG DATE,
     "Content-Length: 1048512\r\n"},
    /* what reproducible builds and containers set means nothing */
    {"a.txt", 5, 0, "Content-Type: text/plain; charset=utf-8\r\n", ETAG, "Content-Length: 5\r\n"},
    {"a.txt", 5, 1, "Content-Type: text/plain; charset=utf-8\r\n", ETAG, "Content-Length: 5\r\n"},
    {"a.txt", 5, -5, "Content-Type: text/plain; charset=utf-8\r\n", ETAG, "Content-Length: 5\r\n"},
    {"a.txt", 5, 2, "Content-Type: text/plain; charset=utf-8\r\n",
     ETAG "Last-Modified: Thu, 01 Jan 1970 00:00:02 GMT\r\n", "Content-Length: 5\r\n"},
    {"a.svg", 5, 0, "Content-Type: image/svg+xml\r\n", ETAG, "Content-Length: 5\r\n"},
    {"a.svgz", 5, 0, "Content-Type: image/svg+xml\r\nContent-Encoding: gzip\r\n", ETAG,
     "Content-Length: 5\r\n"},
    {"A.SVGZ", 5, 0, "Content-Type: image/svg+xml\r\nContent-Encoding: gzip\r\n", ETAG,
     "Content-Length: 5\r\n"},
    {"a.tar.gz", 5, 0, "Content-Type: application/gzip\r\n", ETAG, "Content-Length: 5\r\n"},
    {"LICENSE", 5, 0, "Content-Type: text/plain; charset=utf-8\r\n", ETAG, "Content-Length: 5\r\n"},
};

static void expect_text(struct slice text, const char *wanted, size_t row)
{
    cr_expect(slice_equal(text, slice_of_string(wanted)), "row %zu: %.*s, not %s", row,
              (int)text.count, text.bytes, wanted);
}

Test(site_index, heads)
{
    for (size_t i = 0; i < ARRAY_COUNT(heads); i++) {
        struct fixture fixture;
        struct stored_file file = file_named(heads[i].name);
        file.stored_bytes = heads[i].stored_bytes;
        file.modified_s = heads[i].modified_s;
        fixture_init(&fixture, &file, 1);
        const struct index_entry *entry = &fixture.index.entries[0];
        struct index_head_text head = index_head(&fixture.index, &entry->first);
        expect_text(head.entity, heads[i].entity, i);
        expect_text(head.validator, heads[i].validator, i);
        expect_text(head.length, heads[i].length, i);
        expect_text(head.policy, "Accept-Ranges: bytes\r\nCache-Control: no-cache\r\n", i);
        cr_expect(head.etag.count == 24 && head.etag.bytes[0] == '"' && head.etag.bytes[23] == '"',
                  "row %zu", i);
        free(fixture.image.bytes);
    }
}

/* The tag is base64url: 22 characters, the last of which holds two bits. */
Test(site_index, tags_tell_contents_apart)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char first[24] = "";
    for (int bit = -1; bit < 128; bit++) {
        struct stored_file file = file_named("a");
        memset(file.hash.bytes, 0, sizeof file.hash.bytes);
        if (bit >= 0) {
            file.hash.bytes[bit / 8] = (uint8_t)(0x80u >> (bit % 8));
        }
        struct fixture fixture;
        fixture_init(&fixture, &file, 1);
        const struct index_entry *entry = &fixture.index.entries[0];
        struct slice etag = index_head(&fixture.index, &entry->first).etag;
        char wanted[] = "\"AAAAAAAAAAAAAAAAAAAAAA\"";
        if (bit >= 0) {
            wanted[1 + bit / 6] = alphabet[32 >> (bit % 6)];
        }
        cr_expect(slice_equal(etag, slice_of_string(wanted)), "bit %d: %.*s", bit, (int)etag.count,
                  etag.bytes);
        memcpy(first, etag.bytes, sizeof first);
        free(fixture.image.bytes);
    }
    cr_expect(first[22] == 'Q', "the last bit is in the last character");
}

/* ---- whole sites ---- */

Test(site_index, page_for_missing_paths)
{
    static const struct {
        const char *names[2];
        bool has_page;
    } rows[] = {
        {{"404.html", "a.html"}, true},
        {{"a.html", "docs/404.html"}, false},
        {{"404.htm", "a.html"}, false},
        {{"404.html/index.html", "a.html"}, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct stored_file files[] = {file_named(rows[i].names[0]), file_named(rows[i].names[1])};
        struct fixture fixture;
        fixture_init(&fixture, files, 2);
        uint32_t number = fixture.index.not_found_entry;
        cr_expect((number != 0) == rows[i].has_page, "row %zu", i);
        cr_expect(number == 0 || &fixture.index.entries[number - 1] == find(&fixture, "/404.html"),
                  "row %zu", i);
        free(fixture.image.bytes);
    }
}

Test(site_index, empty_site_and_shared_heads)
{
    struct fixture fixture;
    fixture_init(&fixture, NULL, 0);
    cr_expect(fixture.index.entry_count == 0 && fixture.index.head_count == 0);
    free(fixture.image.bytes);
    struct stored_file files[] = {file_named("a.html"), file_named("b.css"), file_named("c.html")};
    fixture_init(&fixture, files, ARRAY_COUNT(files));
    cr_expect(fixture.index.head_count == 2, "one per media type");
    free(fixture.image.bytes);
}

Test(site_index, same_files_same_bytes)
{
    struct stored_file files[] = {file_named("404.html"), file_named("docs/index.html"),
                                  file_named("index.html")};
    struct fixture a, b;
    fixture_init(&a, files, ARRAY_COUNT(files));
    fixture_init(&b, files, ARRAY_COUNT(files));
    cr_assert(a.image.count == b.image.count);
    cr_expect(memcmp(a.image.bytes, b.image.bytes, a.image.count) == 0);
    free(a.image.bytes);
    free(b.image.bytes);
}
