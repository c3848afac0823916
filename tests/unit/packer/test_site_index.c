/* From stored files to an index: heads, folder pages, redirects, the 404 page. */
#include "packer/release/site_index.h"

#include "common/index.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static const struct index_properties properties = {.release = 1, .committed_bytes = 1 << 20};

/* One content for all files: its row is 1. */
static struct content contents[] = {
    {.stored_bytes = 0},
    {.payload_offset = 64,
     .stored_bytes = 5,
     .digest = {0x2c, 0xf2, 0x4d, 0xba}, /* the rest is zeros */
     .has_digest = true},
};
static const struct catalog catalog = {.contents = contents, .content_count = 1};

static struct stored_file file_named(const char *name)
{
    return (struct stored_file){
        .name = name,
        .content = 1,
        .modified_s = 784111777,
        .role = (uint8_t)walk_role_of(name),
    };
}

struct fixture {
    struct site_options options;
    struct site_plan plan;
    struct index_image image;
    struct index index;
};

/* Options are words: "urls=exact". */
static void fixture_init_with(struct fixture *fixture, const struct stored_file *files,
                              size_t count, const char *const *options)
{
    struct error error = {""};
    site_options_init(&fixture->options);
    for (; options != NULL && *options != NULL; options++) {
        int status = site_options_read(&fixture->options, slice_of_string(*options), &error);
        cr_assert(status == 0, "%s", error.text);
    }
    struct rule_texts texts = {SLICE(""), SLICE("")};
    site_plan_init(&fixture->plan, files, count, &fixture->options, &texts);
    int status =
        site_index_build(&fixture->plan, &catalog, &properties, &fixture->image, NULL, &error);
    cr_assert(status == 0, "%s", error.text);
    status = index_init(fixture->image.bytes, fixture->image.count, &fixture->index, &error);
    cr_assert(status == 0, "%s", error.text);
    status = index_check_deep(&fixture->index, &error);
    cr_expect(status == 0, "%s", error.text);
}

static void fixture_init(struct fixture *fixture, const struct stored_file *files, size_t count)
{
    static const char *const exact[] = {"urls=exact", NULL};
    fixture_init_with(fixture, files, count, exact);
}

static void fixture_fini(struct fixture *fixture)
{
    free(fixture->image.bytes);
    site_plan_fini(&fixture->plan);
    site_options_fini(&fixture->options);
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
    {"docs/index.htm", {"/docs/index.htm", "/docs/"}, "/docs", "/docs/"},
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
                index_text(&fixture.index, entry->target.text_at, entry->target.bytes);
            cr_expect(slice_equal(target, slice_of_string(folders[i].target)), "%.*s",
                      (int)target.count, target.bytes);
            struct index_head_text head = index_head(&fixture.index, entry->target.head);
            cr_expect(slice_equal(head.entity, SLICE("Content-Length: 0\r\n")));
            cr_expect(entry->status == 301 && (entry->flags & ENTRY_KEEP_QUERY) != 0);
            count++;
        }
        cr_expect(fixture.index.entry_count == count, "%s: %u", folders[i].name,
                  fixture.index.entry_count);
        fixture_fini(&fixture);
    }
}

/* ---- heads ---- */

#define NOSNIFF "X-Content-Type-Options: nosniff\r\n"
#define RANGES  "Accept-Ranges: bytes\r\n"

static const struct {
    const char *name;
    const char *entity, *policy;
} heads[] = {
    {"a.html", "Content-Type: text/html; charset=utf-8\r\n" NOSNIFF,
     RANGES "Cache-Control: no-cache\r\n"},
    {"a.bin", "Content-Type: application/octet-stream\r\n" NOSNIFF,
     RANGES "Cache-Control: max-age=300\r\n"},
    {"a.css", "Content-Type: text/css; charset=utf-8\r\n" NOSNIFF,
     RANGES "Cache-Control: max-age=300\r\n"},
    {"assets/index-BwX3kZ9q.js", "Content-Type: text/javascript; charset=utf-8\r\n" NOSNIFF,
     RANGES "Cache-Control: public, max-age=31536000, immutable\r\n"},
    {"a.svg", "Content-Type: image/svg+xml\r\n" NOSNIFF, RANGES "Cache-Control: max-age=300\r\n"},
    {"a.svgz", "Content-Type: image/svg+xml\r\n" NOSNIFF "Content-Encoding: gzip\r\n",
     RANGES "Cache-Control: max-age=300\r\n"},
    {"A.SVGZ", "Content-Type: image/svg+xml\r\n" NOSNIFF "Content-Encoding: gzip\r\n",
     RANGES "Cache-Control: max-age=300\r\n"},
    {"a.tar.gz", "Content-Type: application/gzip\r\n" NOSNIFF,
     RANGES "Cache-Control: max-age=300\r\n"},
    {"LICENSE", "Content-Type: text/plain; charset=utf-8\r\n" NOSNIFF,
     RANGES "Cache-Control: max-age=300\r\n"},
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
        fixture_init(&fixture, &file, 1);
        const struct index_entry *entry = &fixture.index.entries[0];
        struct index_head_text head = index_head(&fixture.index, entry->first.head);
        expect_text(head.entity, heads[i].entity, i);
        expect_text(head.policy, heads[i].policy, i);
        cr_expect(memcmp(index_digest(&fixture.index, &entry->first), contents[1].digest,
                         DIGEST_BYTES) == 0);
        cr_expect(representation_modified_s(&entry->first) == 784111777);
        bool is_immutable = strstr(heads[i].policy, "immutable") != NULL;
        cr_expect(entry->flags == (is_immutable ? ENTRY_IMMUTABLE : 0), "row %zu", i);
        fixture_fini(&fixture);
    }
}

/* ---- options ---- */

static const struct {
    const char *name;
    bool is_rebound;
    const char *options[3];
    const char *line; /* that the head has */
} policies[] = {
    {"app-ABCDEF2H.js", false, {NULL}, "Cache-Control: public, max-age=31536000, immutable\r\n"},
    {"app-ABCDEF2H.js", true, {NULL}, "Cache-Control: max-age=300\r\n"},
    {"app-ABCDEF2H.js", false, {"revalidate=*.js"}, "Cache-Control: max-age=300\r\n"},
    {"app.js",
     false,
     {"immutable=app.js"},
     "Cache-Control: public, max-age=31536000, immutable\r\n"},
    {"app.js",
     true,
     {"immutable=app.js"},
     "Cache-Control: public, max-age=31536000, immutable\r\n"},
    {"app.js", false, {"cache=other=no-store"}, "Cache-Control: no-store\r\n"},
    {"app.html", false, {"cache=html=max-age=5"}, "Cache-Control: max-age=5\r\n"},
    {"app-ABCDEF2H.js", false, {"cache=fingerprinted=x"}, "Cache-Control: x\r\n"},
    {"a.md", false, {"type=md=text/markdown"}, "Content-Type: text/markdown\r\n"},
    {"a.MD", false, {"type=.md=text/markdown"}, "Content-Type: text/markdown\r\n"},
    {"a.b",
     false,
     {"digest"},
     "Repr-Digest: sha-256=:LPJNugAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:\r\n"},
};

Test(site_index, options_decide_about_heads)
{
    for (size_t i = 0; i < ARRAY_COUNT(policies); i++) {
        struct fixture fixture;
        struct stored_file file = file_named(policies[i].name);
        file.is_rebound = policies[i].is_rebound;
        fixture_init_with(&fixture, &file, 1, policies[i].options);
        char key[64];
        snprintf(key, sizeof key, "/%s", policies[i].name);
        struct index_head_text head = index_head(&fixture.index, find(&fixture, key)->first.head);
        size_t count = strlen(policies[i].line);
        cr_expect(memmem(head.entity.bytes, head.entity.count, policies[i].line, count) != NULL ||
                      memmem(head.policy.bytes, head.policy.count, policies[i].line, count) != NULL,
                  "row %zu: %.*s%.*s", i, (int)head.entity.count, head.entity.bytes,
                  (int)head.policy.count, head.policy.bytes);
        fixture_fini(&fixture);
    }
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
        cr_expect(fixture.index.not_found_depth == (i == 1 ? 1 : 0), "row %zu", i);
        cr_expect(number == 0 || &fixture.index.entries[number - 1] == find(&fixture, "/404.html"),
                  "row %zu", i);
        fixture_fini(&fixture);
    }
}

Test(site_index, empty_site_and_shared_heads)
{
    struct fixture fixture;
    fixture_init(&fixture, NULL, 0);
    cr_expect(fixture.index.entry_count == 0 && fixture.index.head_count == 0);
    fixture_fini(&fixture);
    struct stored_file files[] = {file_named("a.html"), file_named("b.css"), file_named("c.html")};
    fixture_init(&fixture, files, ARRAY_COUNT(files));
    cr_expect(fixture.index.head_count == 2, "one per media type");
    fixture_fini(&fixture);
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
    fixture_fini(&a);
    fixture_fini(&b);
}
