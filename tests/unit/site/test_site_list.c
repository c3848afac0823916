/* The list of sites: which release answers for a path, and which lists follow each other. */
#include "site/site_list.h"

#include "common/mem.h"
#include "samples.h"

#include <criterion/criterion.h>
#include <stdlib.h>

enum { SITES_MAX = 4 };

/* A release from words: "S" for a snapshot or "O" for an overlay, then its entries
 * (samples.h). */
static struct site *make_site(struct undertaker *undertaker, const char *words, uint64_t release)
{
    struct index_properties properties = {
        .flags = words[0] == 'O' ? INDEX_OVERLAY : 0,
        .release = release,
        .committed_bytes = 256,
    };
    static const uint8_t digest[DIGEST_BYTES] = {1};
    struct index_writer *writer = index_writer_new();
    struct representation_input form = {
        .payload_offset = SUPERBLOCK_BYTES,
        .head = index_writer_head(writer, SLICE("A: b\r\n"), SLICE("")),
        .digest = digest,
    };
    sample_entries(writer, words + 1, &form);
    struct index *index = sample_index(writer, &properties);
    struct archive *archive = sample_archive("", 1, 1);
    return site_new(undertaker, index, archive, mem_string("site.idx", 8), mount_everywhere(),
                    release, 0);
}

static struct site_list *with(const struct site_list *old, struct site *site, size_t retain)
{
    const struct site_retention retention = {retain, 0};
    return site_list_next(old, &(struct site_change){.added = site}, &retention, 1);
}

/* The list with the described releases, the newest first in `stack`. */
static struct site_list *make_list(struct undertaker *undertaker, const char *const *stack)
{
    size_t count = 0;
    while (count < SITES_MAX && stack[count] != NULL) {
        count++;
    }
    struct site_list *list = site_list_new();
    while (count > 0) {
        struct site *site = make_site(undertaker, stack[count - 1], SITES_MAX - count + 1);
        struct site_list *next = with(list, site, SITES_MAX);
        site_list_free(list);
        list = next;
        count--;
    }
    return list;
}

enum { NONE = -1 };

static const struct {
    const char *stack[SITES_MAX]; /* newest first */
    const char *path;
    int found_in;    /* which of them has the file or redirect */
    unsigned status; /* if none */
    int page_in;     /* and which has the page for missing paths */
} rows[] = {
    {{NULL}, "/a", NONE, 404, NONE},
    {{"S"}, "/a", NONE, 404, NONE},
    {{"S F/a"}, "/a", 0, 0, NONE},
    {{"S F/a"}, "/b", NONE, 404, NONE},
    {{"S F/a"}, "", NONE, 404, NONE},
    {{"S R/a"}, "/a", 0, 0, NONE},
    /* the newest that has it */
    {{"S F/a", "S F/a"}, "/a", 0, 0, NONE},
    {{"O F/a", "S F/a"}, "/a", 0, 0, NONE},
    /* a snapshot hides what it lacks, but not what is immutable */
    {{"S F/b", "S F/a"}, "/a", NONE, 404, NONE},
    {{"S F/b", "S I/a"}, "/a", 1, 0, NONE},
    {{"S F/b", "S R/a"}, "/a", NONE, 404, NONE},
    {{"S", "S", "S I/a"}, "/a", 2, 0, NONE},
    {{"S", "S F/a", "S I/a"}, "/a", 2, 0, NONE},
    {{"S", "O F/a", "S I/a"}, "/a", 2, 0, NONE},
    {{"S", "S I/b F/a", "S"}, "/a", NONE, 404, NONE},
    {{"S I/a", "S I/a"}, "/a", 0, 0, NONE},
    /* an overlay falls through */
    {{"O F/b", "S F/a"}, "/a", 1, 0, NONE},
    {{"O", "O", "S F/a"}, "/a", 2, 0, NONE},
    {{"O F/b", "S F/a"}, "/c", NONE, 404, NONE},
    {{"O", "S F/b", "S F/a"}, "/a", NONE, 404, NONE},
    {{"O", "S F/b", "S I/a"}, "/a", 2, 0, NONE},
    {{"O", "O F/a"}, "/a", 1, 0, NONE},
    {{"O", "O"}, "/a", NONE, 404, NONE},
    /* a tombstone ends the search */
    {{"O T/a", "S F/a"}, "/a", NONE, 404, NONE},
    {{"O G/a", "S F/a"}, "/a", NONE, 410, NONE},
    {{"O G/a", "S I/a"}, "/a", NONE, 410, NONE},
    {{"O G/b", "S F/a"}, "/a", 1, 0, NONE},
    {{"O F/a", "O G/a", "S F/a"}, "/a", 0, 0, NONE},
    {{"O", "O G/a", "S F/a"}, "/a", NONE, 410, NONE},
    {{"S G/a"}, "/a", NONE, 410, NONE},
    /* the page for missing paths: the newest, no older than the newest snapshot */
    {{"S N/404.html"}, "/a", NONE, 404, 0},
    {{"S N/404.html"}, "/404.html", 0, 0, NONE},
    {{"S", "S N/404.html"}, "/a", NONE, 404, NONE},
    {{"O", "S N/404.html"}, "/a", NONE, 404, 1},
    {{"O N/404.html", "S N/404.html"}, "/a", NONE, 404, 0},
    {{"O", "O", "S", "S N/404.html"}, "/a", NONE, 404, NONE},
    {{"O G/a", "S N/404.html F/a"}, "/a", NONE, 410, 1},
    /* one that an overlay takes away is gone */
    {{"O T/404.html", "S N/404.html"}, "/a", NONE, 404, NONE},
    {{"O", "O T/404.html", "S N/404.html"}, "/a", NONE, 404, NONE},
    {{"O N/404.html", "O T/404.html", "S N/404.html"}, "/a", NONE, 404, 0},
    {{"O R/404.html", "S N/404.html"}, "/a", NONE, 404, NONE},
};

static int place_of(const struct site_list *list, const struct site *site)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->sites[i] == site) {
            return (int)i;
        }
    }
    return NONE;
}

Test(site_list, which_release_answers)
{
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct site_list *list = make_list(&undertaker, rows[i].stack);
        struct slice path = slice_of_string(rows[i].path);
        static const struct site_stack empty;
        struct site_match match = site_stack_find(list->only == NULL ? &empty : list->only, path);
        bool is_found = rows[i].found_in != NONE;
        cr_expect((match.entry != NULL) == is_found, "row %zu", i);
        if (is_found && match.entry != NULL) {
            cr_expect(place_of(list, match.site) == rows[i].found_in, "row %zu", i);
            cr_expect(slice_equal(index_path(match.site->index, match.entry), path), "row %zu", i);
        }
        if (!is_found) {
            cr_expect(match.missing_status == rows[i].status, "row %zu: %u", i,
                      match.missing_status);
            cr_expect((match.not_found_page != NULL) == (rows[i].page_in != NONE), "row %zu", i);
            cr_expect(rows[i].page_in == NONE || place_of(list, match.site) == rows[i].page_in,
                      "row %zu: page in %d", i, place_of(list, match.site));
        }
        site_list_free(list);
    }
    undertaker_fini(&undertaker);
}

/* "321" for releases 3, 2, 1 from the top. */
static const char *releases(const struct site_list *list)
{
    static char text[16];
    for (size_t i = 0; i < list->count; i++) {
        text[i] = (char)('0' + list->sites[i]->index->release);
    }
    text[list->count] = '\0';
    return text;
}

static struct site_list *push(struct undertaker *undertaker, struct site_list *list,
                              uint64_t release, size_t retain)
{
    struct site_list *next = with(list, make_site(undertaker, "S F/a", release), retain);
    cr_expect(next->generation == list->generation + 1);
    site_list_free(list);
    return next;
}

/* A number in the header of an index, which nobody can check, decides no loop: this one would take
 * minutes. Nor does it hide a page that is there. */
Test(site_list, a_depth_of_pages_that_lies, .timeout = 60)
{
    static const struct {
        const char *path;
        uint32_t depth;
        const char *page; /* NULL: none */
    } depths[] = {
        {"/a/b/x", UINT32_MAX, "/a/b/404.html"},
        {"/a/b/", UINT32_MAX, "/a/b/404.html"},
        {"/a/c/d/x", UINT32_MAX, "/a/404.html"},
        {"/a/x", 1, "/a/404.html"},
        {"/a/b/x", 2, "/a/b/404.html"},
        {"/a/b/x", 1, "/a/404.html"},
        {"/a/b/x", 0, NULL},
        {"/a", UINT32_MAX, NULL},
        {"/x", UINT32_MAX, NULL},
        {"/", UINT32_MAX, NULL},
        {"", UINT32_MAX, NULL},
        {"/b/x/y/z", UINT32_MAX, NULL},
    };
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    struct site_list *list =
        make_list(&undertaker, (const char *const[]){"S F/a/404.html F/a/b/404.html", NULL});
    for (size_t i = 0; i < ARRAY_COUNT(depths); i++) {
        list->sites[0]->index->not_found_depth = depths[i].depth;
        struct site_match match = site_stack_find(list->only, slice_of_string(depths[i].path));
        struct slice page = match.not_found_page == NULL
                                ? SLICE("")
                                : index_path(match.site->index, match.not_found_page);
        cr_expect(slice_equal(page, slice_of_string(depths[i].page == NULL ? "" : depths[i].page)),
                  "row %zu: %.*s", i, (int)page.count, page.bytes);
    }
    site_list_free(list);
    undertaker_fini(&undertaker);
}

Test(site_list, retain_and_repeats)
{
    static const struct {
        const char *loads; /* releases, in order; each the same bytes whenever it is loaded */
        size_t retain;
        const char *list;
    } cases[] = {
        {"1", 4, "1"},       {"12", 4, "21"},    {"1234", 4, "4321"}, {"12345", 4, "5432"},
        {"123", 1, "3"},     {"123", 2, "32"},   {"11", 4, "1"},      {"121", 4, "12"},
        {"12321", 4, "123"}, {"1231", 3, "132"}, {"1213", 2, "31"},   {"1122", 4, "21"},
        {"12", 0, "2"}, /* what was loaded is always served */
    };
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct site_list *list = site_list_new();
        cr_expect(list->generation == 1 && list->count == 0);
        for (const char *at = cases[i].loads; *at != '\0'; at++) {
            list = push(&undertaker, list, (uint64_t)(*at - '0'), cases[i].retain);
        }
        cr_expect(strcmp(releases(list), cases[i].list) == 0, "row %zu: %s", i, releases(list));
        cr_expect(list->generation == 1 + strlen(cases[i].loads), "row %zu", i);
        site_list_free(list);
        undertaker_bury(&undertaker);
    }
    undertaker_fini(&undertaker);
}

/* An overlay is nothing without what it is laid over: neither number nor time takes that away from
 * below it, and when it goes, so does what only it needed. */
Test(site_list, what_an_overlay_needs_stays)
{
    static const struct {
        const char *kinds; /* S or O, in the order of the loads; release 1, 2, ... */
        size_t retain;
        const char *list;
    } cases[] = {
        {"SO", 1, "21"},     {"SOO", 1, "321"},           {"SOO", 2, "321"},   {"SOOS", 1, "4"},
        {"SOOS", 2, "4321"}, {"SOSO", 2, "43"},           {"SOSO", 3, "4321"}, {"SSO", 2, "32"},
        {"OO", 1, "21"},     {"SOOOOOOO", 3, "87654321"}, {"SOOOSS", 2, "65"},
    };
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(cases); i++) {
        struct site_list *list = site_list_new();
        for (const char *at = cases[i].kinds; *at != '\0'; at++) {
            char words[] = {*at, ' ', 'F', '/', 'a', '\0'};
            struct site *site = make_site(&undertaker, words, (uint64_t)(at - cases[i].kinds) + 1);
            struct site_list *next = with(list, site, cases[i].retain);
            site_list_free(list);
            list = next;
        }
        cr_expect(strcmp(releases(list), cases[i].list) == 0, "row %zu: %s", i, releases(list));
        site_list_free(list);
    }
    undertaker_fini(&undertaker);
}

Test(site_list, what_an_overlay_needs_outlives_its_time)
{
    const struct site_retention retention = {8, 10};
    const struct site_change nothing = {0};
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    struct site_list *list = site_list_new();
    static const char *const words[] = {"S F/a", "O F/b", "O F/c", "S F/a"};
    static const char *const after_20_s[] = {"1", "21", "321", "4"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++) {
        int64_t now_s = 1000 * (int64_t)(i + 1);
        struct site_change change = {.added = make_site(&undertaker, words[i], i + 1)};
        struct site_list *next = site_list_next(list, &change, &retention, now_s);
        site_list_free(list);
        list = next;
        int64_t expiry_s = site_list_expiry_s(list, &retention);
        cr_expect(expiry_s == (i == 3 ? now_s + 10 : -1), "%zu: %lld", i, (long long)expiry_s);
        next = site_list_next(list, &nothing, &retention, now_s + 20);
        site_list_free(list);
        list = next;
        cr_expect(strcmp(releases(list), after_20_s[i]) == 0, "%zu: %s", i, releases(list));
    }
    site_list_free(list);
    undertaker_fini(&undertaker);
}

Test(site_list, same_release_is_same_index_of_same_archive)
{
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    struct site *a = make_site(&undertaker, "S F/a", 1);
    struct site *b = make_site(&undertaker, "S F/a", 1);
    struct site *other = make_site(&undertaker, "S F/b", 1);
    cr_expect(site_is_same_release(a, a) && site_is_same_release(a, b));
    cr_expect(!site_is_same_release(a, other));
    b->archive->inode++;
    cr_expect(!site_is_same_release(a, b));
    b->archive->inode--;
    b->archive->device++;
    cr_expect(!site_is_same_release(a, b));
    site_unref(a);
    site_unref(b);
    site_unref(other);
    undertaker_fini(&undertaker);
}

/* The old list stays as it is, and a site lives as long as anything refers to it. */
Test(site_list, references)
{
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    struct site *site = make_site(&undertaker, "S F/a", 1);
    struct site_list *empty = site_list_new();
    struct site_list *one = with(empty, site, 2);
    struct site_list *two = with(one, make_site(&undertaker, "S F/a", 2), 2);
    cr_expect(empty->count == 0 && one->count == 1 && two->count == 2);
    cr_expect(atomic_load(&site->references) == 2);
    site_ref(site);
    site_list_free(empty);
    site_list_free(one);
    cr_expect(atomic_load(&site->references) == 2);
    site_list_free(two);
    cr_expect(atomic_load(&site->references) == 1);
    undertaker_bury(&undertaker);
    cr_expect(site->index->release == 1, "a response may still use it");
    cr_expect(atomic_load(&undertaker.dead) == NULL);
    site_unref(site);
    cr_expect(atomic_load(&undertaker.dead) == site);
    site_unref(NULL);
    site_list_free(NULL);
    undertaker_fini(&undertaker);
}

Test(site_list, body_must_lie_inside_what_is_committed)
{
    static const struct {
        uint64_t offset, bytes;
        bool is_inside;
    } bodies[] = {
        {64, 192, true},
        {0, 256, true},
        {256, 0, true},
        {64, 193, false},
        {257, 0, false},
        {UINT64_MAX, 1, false},
        {64, UINT64_MAX, false},
        {255, 1, true},
        {255, 2, false},
        {UINT64_MAX, 0, false},
        {192, UINT64_MAX - 191, false},
    };
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    struct site *site = make_site(&undertaker, "S", 1);
    for (size_t i = 0; i < ARRAY_COUNT(bodies); i++) {
        struct index_representation form = {.payload_offset = bodies[i].offset,
                                            .stored_bytes = bodies[i].bytes};
        const uint8_t *body = site_body(site, &form);
        const uint8_t *wanted = bodies[i].is_inside ? site->archive->map + bodies[i].offset : NULL;
        cr_expect(body == wanted, "row %zu", i);
    }
    site_unref(site);
    undertaker_fini(&undertaker);
}

/* ---- hosts and prefixes ---- */

enum { MOUNTS_MAX = 5 };

static const struct {
    const char *mounts[MOUNTS_MAX]; /* "hosts prefix", the oldest first; release 1, 2, ... */
    const char *host;
    const char *path;
    const char *releases; /* of the stack that answers; "421": no host; "404": no prefix */
} choices[] = {
    {{"* /"}, "a.example", "/x", "1"},
    {{"* /"}, "", "/x", "1"},
    {{"* /", "* /"}, "", "/x", "21"},
    {{"a.example /"}, "a.example", "/x", "1"},
    {{"a.example /"}, "b.example", "/x", "421"},
    {{"a.example /"}, "", "/x", "421"},
    {{"a.example /"}, "example", "/x", "421"},
    {{"a.example,* /"}, "b.example", "/x", "1"},
    {{"A.Example. /"}, "a.example", "/x", "1"},
    /* the name before the pattern, the longest pattern, then the default, however old */
    {{"a.b.example /", "*.b.example /", "*.example /", "* /"}, "a.b.example", "/", "1"},
    {{"a.b.example /", "*.b.example /", "*.example /", "* /"}, "c.b.example", "/", "2"},
    {{"a.b.example /", "*.b.example /", "*.example /", "* /"}, "x.c.b.example", "/", "2"},
    {{"a.b.example /", "*.b.example /", "*.example /", "* /"}, "b.example", "/", "3"},
    {{"a.b.example /", "*.b.example /", "*.example /", "* /"}, "example", "/", "4"},
    {{"a.b.example /", "*.b.example /", "*.example /", "* /"}, "xb.example", "/", "3"},
    /* the longest prefix of that host */
    {{"* /", "* /docs", "* /docs/api"}, "", "/", "1"},
    {{"* /", "* /docs", "* /docs/api"}, "", "/docs", "2"},
    {{"* /", "* /docs", "* /docs/api"}, "", "/docs/", "2"},
    {{"* /", "* /docs", "* /docs/api"}, "", "/docs/x", "2"},
    {{"* /", "* /docs", "* /docs/api"}, "", "/docsify", "1"},
    {{"* /", "* /docs", "* /docs/api"}, "", "/docs/api", "3"},
    {{"* /", "* /docs", "* /docs/api"}, "", "/docs/api/x", "3"},
    {{"* /docs"}, "", "/", "404"},
    {{"* /docs"}, "", "", "404"},
    {{"* /", "* /docs"}, "", "", "1"},
    /* a host that has no such prefix leaves it to the next that matches */
    {{"a.example /docs", "* /"}, "a.example", "/x", "2"},
    {{"a.example /docs", "*.example /x"}, "a.example", "/x/y", "2"},
    {{"a.example /docs"}, "a.example", "/x", "404"},
    /* one release in several stacks */
    {{"a.example,b.example /", "b.example /"}, "a.example", "/", "1"},
    {{"a.example,b.example /", "b.example /"}, "b.example", "/", "21"},
    {{"[::1] /", "* /"}, "[::1]", "/", "1"},
    {{"* /caf%C3%A9"}, "", "/caf\xc3\xa9/x", "1"},
};

static struct site *make_mounted(struct undertaker *undertaker, const char *words, uint64_t release)
{
    struct site *site = make_site(undertaker, "S F/a", release);
    char hosts[64];
    size_t count = strcspn(words, " ");
    memcpy(hosts, words, count);
    hosts[count] = '\0';
    mount_fini(&site->mount);
    cr_assert(mount_parse(hosts, words + count + 1, &site->mount, NULL) == 0, "%s", words);
    return site;
}

static const char *stack_text(const struct site_stack *stack, bool is_host_known)
{
    static char text[16];
    if (stack == NULL) {
        return is_host_known ? "404" : "421";
    }
    for (size_t i = 0; i < stack->count; i++) {
        text[i] = (char)('0' + stack->sites[i]->index->release);
    }
    text[stack->count] = '\0';
    return text;
}

Test(site_list, hosts_and_prefixes)
{
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    for (size_t i = 0; i < ARRAY_COUNT(choices); i++) {
        struct site_list *list = site_list_new();
        for (size_t j = 0; j < MOUNTS_MAX && choices[i].mounts[j] != NULL; j++) {
            struct site *site = make_mounted(&undertaker, choices[i].mounts[j], j + 1);
            struct site_list *next = with(list, site, SITES_MAX);
            cr_expect(site_list_has_on_top(next, site) && !site_list_has_on_top(list, site));
            site_list_free(list);
            list = next;
        }
        bool is_known;
        const struct site_stack *stack = site_list_stack(
            list, slice_of_string(choices[i].host), slice_of_string(choices[i].path), &is_known);
        const char *text = stack_text(stack, is_known);
        cr_expect(strcmp(text, choices[i].releases) == 0, "row %zu: %s", i, text);
        cr_expect(list->only == NULL || list->only == stack, "row %zu", i);
        site_list_free(list);
    }
    undertaker_fini(&undertaker);
}

/* What one host has too many of may still be needed for another. */
Test(site_list, retained_per_host_and_prefix)
{
    static const char *const loads[] = {"a.example,b.example /", "a.example /", "a.example /",
                                        "a.example /docs"};
    struct undertaker undertaker;
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    struct site_list *list = site_list_new();
    for (size_t i = 0; i < ARRAY_COUNT(loads); i++) {
        struct site_list *next = with(list, make_mounted(&undertaker, loads[i], i + 1), 2);
        site_list_free(list);
        list = next;
    }
    bool is_known;
    cr_expect(strcmp(releases(list), "4321") == 0, "%s", releases(list));
    const struct site_stack *stack =
        site_list_stack(list, SLICE("a.example"), SLICE("/"), &is_known);
    cr_expect(strcmp(stack_text(stack, is_known), "32") == 0);
    stack = site_list_stack(list, SLICE("b.example"), SLICE("/"), &is_known);
    cr_expect(strcmp(stack_text(stack, is_known), "1") == 0);
    site_list_free(list);
    undertaker_fini(&undertaker);
}
