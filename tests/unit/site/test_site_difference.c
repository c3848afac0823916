/* For which paths two stacks of releases give different answers. */
#include "site/site_difference.h"

#include "common/fault_guard.h"
#include "common/mem.h"
#include "sites.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { ROOM = 4096 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "~/changed +/added -/removed ?": sorted, with a '?' if there is more. The caller frees. */
static char *text_of(const struct site_difference *difference)
{
    static const char marks[] = "~+-";
    const char *rows[256];
    size_t count = 0;
    for (size_t at = 0; at < difference->path_bytes; at += strlen(difference->paths + at) + 1) {
        cr_assert(count < ARRAY_COUNT(rows));
        difference->paths[at] = marks[difference->paths[at] - '0'];
        rows[count++] = difference->paths + at;
    }
    qsort(rows, count, sizeof *rows, by_text);
    char *text = mem_format("%s", "");
    for (size_t i = 0; i < count; i++) {
        char *longer = mem_format("%s%s%s", text, i > 0 ? " " : "", rows[i]);
        free(text);
        text = longer;
    }
    char *whole = mem_format("%s%s", text, !difference->is_partial ? "" : count > 0 ? " ?" : "?");
    free(text);
    return whole;
}

static char *compare_views(struct site_region region, struct site_view before,
                           struct site_view after, size_t room)
{
    struct site_difference difference;
    site_difference_init(&difference, room);
    site_difference_find(&difference, &region, before, after);
    char *text = text_of(&difference);
    cr_expect_eq(site_difference_is_empty(&difference), *text == '\0');
    site_difference_fini(&difference);
    return text;
}

static struct site_view root_view(const struct site_list *list)
{
    const struct site_stack *stack = site_list_stack_of(list, SLICE(""), SLICE(""));
    return (struct site_view){.stack = stack};
}

static char *compare_lists(const struct site_list *before, const struct site_list *after)
{
    return compare_views((struct site_region){.prefix = SLICE("")}, root_view(before),
                         root_view(after), ROOM);
}

enum { LAYERS_MAX = 4 };

/* What is there, oldest first; what comes on top, or "-n" for release n that goes, "<n" for one
 * that is taken back; what that changes. */
static const struct {
    const char *layers[LAYERS_MAX];
    const char *change;
    size_t retain;
    const char *difference;
} rows[] = {
    {{NULL}, "S F/a F/b", 8, "+/a +/b"},
    {{"S F/a"}, "-1", 8, "-/a"},
    {{"S F/a"}, "S F/a", 8, ""},
    {{"S F/a F/b"}, "S F/a:1 F/c", 8, "+/c -/b ~/a"},
    {{"S F/a"}, "S F/a:0t", 8, ""}, /* touched, and nothing else */
    {{"S F/a"}, "S F/a:0o", 8, ""}, /* the same bytes, packed again */
    {{"S F/a"}, "S F/a:0h", 8, "~/a"},
    {{"S F/a R/b"}, "S F/a R/b", 8, ""},
    {{"S F/a R/b"}, "S R/a F/b", 8, "~/a ~/b"},
    {{"S R/b"}, "S", 8, "-/b"},
    /* what is immutable goes on, until it is let go of */
    {{"S I/a F/b"}, "S F/b", 8, ""},
    {{"S I/a F/b", "S F/b"}, "S F/b:1", 2, "-/a ~/b"},
    {{"S I/a F/b", "S F/b"}, "S F/b I/a:1", 2, "~/a"},
    {{"S F/a F/b", "S F/b"}, "S F/b:1", 2, "~/b"},
    {{"S I/a F/b", "S F/b"}, "-1", 8, "-/a"},
    {{"S F/a", "S F/b"}, "-1", 8, ""},
    /* overlays */
    {{"S F/a F/b F/c"}, "O F/a:1 F/b T/c F/d", 8, "+/d -/c ~/a"},
    {{"S F/a"}, "O T/x", 8, ""},
    {{"S F/a"}, "O G/a", 8, "-/a"},
    {{"S F/a", "O T/a"}, "O F/a", 8, "+/a"},
    {{"S F/a", "O T/a"}, "O G/a", 8, ""},
    {{"S F/a", "O F/a:1"}, "O F/a", 8, "~/a"},
    {{"S F/a F/b", "O F/a:1"}, "S F/a F/b", 8, "~/a"},
    {{"S F/a F/b", "O F/a:1 T/b"}, "S F/a:1", 8, ""},
    {{"S F/a F/b", "O F/a:1", "O F/b:1"}, "-2", 8, "~/a"},
    {{"S F/a F/b", "O F/a:1", "O F/b:1"}, "-1", 8, ""},
    {{"S F/a F/b F/c", "O F/a:1", "O F/b:1"}, "-1", 8, "-/c"},
    {{"S I/a", "O T/a"}, "-2", 8, "+/a"},
    {{"S I/a", "O T/a I/x", "S F/b"}, "-2", 8, "+/a -/x"},
    {{"S I/a", "S I/a:1", "S F/b"}, "<2", 8, "~/a"}, /* behind the others from now on */
    /* taken back */
    {{"S F/a", "S F/a:1 F/b"}, "<2", 8, "-/b ~/a"},
    {{"S F/a", "S F/a:1 I/b"}, "<2", 8, "~/a"},
    {{"S F/a", "O F/a:1 F/b"}, "<2", 8, "-/b ~/a"},
    /* pages for missing paths */
    {{"S F/a"}, "O N/404.html", 8, "+/404.html"},
    {{"S N/404.html"}, "O N/404.html:1", 8, "~/404.html"},
    {{"S N/404.html F/200.html"}, "S F/404.html N/200.html", 8, "?"},
    {{"S N/404.html"}, "S F/a", 8, "+/a -/404.html"},
    /* as URLs */
    {{NULL}, "S F/a%b F/\xc3\xa4/ F/c?d", 8, "+/%C3%A4/ +/a%25b +/c%3Fd"},
};

/* Makes a row's change. Returns the list before it. */
static struct site_list *make_change(struct sites *sites, const char *change, size_t retain)
{
    struct site_change what = {.added = NULL};
    if (*change == '-' || *change == '<') {
        struct site *site = sites_release(sites, strtoul(change + 1, NULL, 10));
        cr_assert_not_null(site);
        what.removed = *change == '-' ? site : NULL;
        what.retired = *change == '<' ? site : NULL;
    } else {
        what.added = sites_make(sites, change, "*", NULL);
    }
    /* what the new list lets go of, the old one still has */
    return sites_change(sites, what, retain, 0);
}

Test(site_difference, rows)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sites sites;
        sites_init(&sites);
        for (size_t j = 0; j < LAYERS_MAX && rows[i].layers[j] != NULL; j++) {
            sites_add(&sites, rows[i].layers[j], "*", NULL);
        }
        struct site_list *before = make_change(&sites, rows[i].change, rows[i].retain);
        char *text = compare_lists(before, sites.list);
        cr_expect_str_eq(text, rows[i].difference, "row %zu: \"%s\", not \"%s\"", i, text,
                         rows[i].difference);
        free(text);
        site_list_free(before);
        sites_fini(&sites);
    }
}

/* ---- against asking for every path ---- */

enum { PATHS = 12, ROUNDS = 400 };

static char *random_words(unsigned *seed)
{
    char *words = mem_format("%s", rand_r(seed) % 2 == 0 ? "S" : "O");
    bool is_overlay = *words == 'O';
    for (int i = 0; i < PATHS; i++) {
        static const char kinds[] = "FFIRTG";
        static const char variants[] = "htox";
        if (rand_r(seed) % 3 == 0) {
            continue;
        }
        char kind = kinds[(unsigned)rand_r(seed) % (is_overlay ? 6 : 4)];
        char variant = variants[rand_r(seed) % 4];
        char *longer = mem_format("%s %c/%c:%d%c", words, kind, 'a' + i, rand_r(seed) % 2,
                                  variant == 'x' ? '-' : variant);
        free(words);
        words = longer;
    }
    return words;
}

/* What a response to it would be made of. */
static char *response_of(const struct site_stack *stack, struct slice path)
{
    struct site_match match = {.entry = NULL};
    if (stack != NULL) {
        match = site_stack_find(stack, path);
    }
    if (match.entry == NULL) {
        return mem_format("missing");
    }
    const struct index *index = match.site->index;
    if (match.entry->kind == ENTRY_REDIRECT) {
        return mem_format("redirect");
    }
    struct index_head_text head = index_head(index, match.entry->first.head);
    return mem_format("%d %.*s", index_digest(index, &match.entry->first)[0],
                      (int)head.policy.count, head.policy.bytes);
}

static char *difference_by_asking(const struct site_list *before, const struct site_list *after)
{
    const char *marks[] = {"~", "+", "-"};
    char *text = mem_format("%s", "");
    for (int kind = 1; kind < 4; kind++) { /* in the order of the marks' bytes */
        for (int i = 0; i < PATHS; i++) {
            char path[] = {'/', (char)('a' + i), '\0'};
            char *old = response_of(root_view(before).stack, slice_of_string(path));
            char *new = response_of(root_view(after).stack, slice_of_string(path));
            bool was = strcmp(old, "missing") != 0;
            bool is = strcmp(new, "missing") != 0;
            int found = was && is ? 0 : is ? 1 : 2;
            if (strcmp(old, new) != 0 && found == kind % 3) {
                char *longer =
                    mem_format("%s%s%s%s", text, *text == '\0' ? "" : " ", marks[found], path);
                free(text);
                text = longer;
            }
            free(old);
            free(new);
        }
    }
    return text;
}

static void random_change(struct sites *sites, unsigned *seed, struct site_change *out_change)
{
    *out_change = (struct site_change){.added = NULL};
    size_t count = sites->list->count;
    const struct site *any = count == 0 ? NULL : sites->list->sites[(size_t)rand_r(seed) % count];
    switch (rand_r(seed) % 4) {
    case 0:
        out_change->removed = any;
        break;
    case 1:
        out_change->retired = any;
        break;
    default: {
        char *words = random_words(seed);
        out_change->added = sites_make(sites, words, "*", NULL);
        free(words);
    }
    }
}

Test(site_difference, is_what_asking_for_every_path_finds)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned seed = round;
        struct sites sites;
        sites_init(&sites);
        for (int i = 0; i < 8; i++) {
            struct site_change change;
            random_change(&sites, &seed, &change);
            struct site_list *before = sites_change(&sites, change, 4, 0);
            char *found = compare_lists(before, sites.list);
            char *asked = difference_by_asking(before, sites.list);
            cr_assert_str_eq(found, asked, "round %u, %d: \"%s\", not \"%s\"", round, i, found,
                             asked);
            free(found);
            free(asked);
            site_list_free(before);
        }
        sites_fini(&sites);
    }
}

/* ---- regions ---- */

static struct site_view view_of(const struct site_list *list, const char *prefix, const char *base)
{
    return (struct site_view){site_list_stack_of(list, SLICE(""), slice_of_string(prefix)),
                              slice_of_string(base)};
}

/* A site that answers below a prefix from now on takes the place of what the root's said there. */
Test(site_difference, of_two_prefixes)
{
    struct sites sites;
    sites_init(&sites);
    sites_add(&sites, "S F/docs F/docs/ F/docs/a F/docs/b F/docsify F/docs/api/x F/x", "*", NULL);
    sites_add(&sites, "S F/ F/a:1 F/c F/api/y", "*", "/docs");
    sites_add(&sites, "S F/z", "*", "/docs/api");
    const struct slice holes[] = {SLICE("/docs/api")};
    const struct site_region region = {SLICE("/docs"), holes, 1};
    struct site_view before = view_of(sites.list, "", "/docs");
    struct site_view after = view_of(sites.list, "/docs", "");
    char *text = compare_views(region, before, after, ROOM);
    cr_expect_str_eq(text, "+/docs/c -/docs -/docs/b ~/docs/a");
    free(text);
    text = compare_views(region, after, before, ROOM);
    cr_expect_str_eq(text, "+/docs +/docs/b -/docs/c ~/docs/a");
    free(text);
    text = compare_views(region, before, (struct site_view){.stack = NULL}, ROOM);
    cr_expect_str_eq(text, "-/docs -/docs/ -/docs/a -/docs/b");
    free(text);
    sites_fini(&sites);
}

/* ---- limits ---- */

Test(site_difference, counts_what_does_not_fit)
{
    struct sites sites;
    sites_init(&sites);
    sites_add(&sites, "S F/a F/b F/c F/d", "*", NULL);
    for (size_t room = 0; room < 20; room++) {
        struct site_difference difference;
        site_difference_init(&difference, room);
        const struct site_region region = {.prefix = SLICE("")};
        site_difference_find(&difference, &region, (struct site_view){.stack = NULL},
                             root_view(sites.list));
        cr_expect_eq(difference.counts[SITE_ADDED], 4U);
        cr_expect_eq(difference.is_partial, room < 16, "%zu", room);
        cr_expect_eq(difference.path_bytes, room / 4 * 4 < 16 ? room / 4 * 4 : 16U, "%zu", room);
        site_difference_fini(&difference);
    }
    sites_fini(&sites);
}

static void cut(const struct site *site)
{
    /* as where somebody has cut a file: the pages are not there any more */
    void *map = (void *)(uintptr_t)site->index->map;
    cr_assert(mmap(map, site->index->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                   -1, 0) == map);
    int fd = memfd_create("cut", MFD_CLOEXEC);
    cr_assert(mmap(map, site->index->map_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == map);
}

Test(site_difference, a_file_that_is_cut_makes_it_partial_and_goes_out_of_use)
{
    for (uint64_t which = 1; which <= 2; which++) {
        fault_guard_install();
        struct sites sites;
        sites_init(&sites);
        sites_add(&sites, "S F/a F/b", "*", NULL);
        struct site_list *before = make_change(&sites, "S F/a:1 F/c", 8);
        cut(sites_release(&sites, which));
        for (int again = 0; again < 2; again++) {
            char *text = compare_lists(before, sites.list);
            cr_expect_str_eq(text, "?", "%d of release %lu: %s", again, (unsigned long)which, text);
            free(text);
            cr_expect(site_is_damaged(sites_release(&sites, which)));
            cr_expect_not(site_is_damaged(sites_release(&sites, 3 - which)));
        }
        site_list_free(before);
        sites_fini(&sites);
    }
}
