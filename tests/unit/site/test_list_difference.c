/* For which hosts, below which prefixes, two lists may give different answers. */
#include "site/list_difference.h"

#include "common/mem.h"
#include "sites.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* "host/prefix(hole,hole) ..." with the number of the release on top before and after. */
static char *text_of(const struct list_difference *difference)
{
    char *text = mem_format("%s", "");
    for (size_t i = 0; i < difference->change_count; i++) {
        const struct region_change *change = &difference->changes[i];
        const struct site_stack *stacks[] = {change->before.stack, change->after.stack};
        unsigned tops[2];
        for (int j = 0; j < 2; j++) {
            tops[j] = stacks[j] == NULL ? 0 : (unsigned)stacks[j]->sites[0]->index->release;
        }
        char *holes = mem_format("%s", "");
        for (size_t j = 0; j < change->region.hole_count; j++) {
            char *longer = mem_format("%s-%.*s", holes, (int)change->region.holes[j].count,
                                      change->region.holes[j].bytes);
            free(holes);
            holes = longer;
        }
        char *longer = mem_format("%s%s%.*s%.*s/%s %u>%u", text, *text == '\0' ? "" : "; ",
                                  (int)change->host.count, change->host.bytes,
                                  (int)change->region.prefix.count, change->region.prefix.bytes,
                                  holes, tops[0], tops[1]);
        free(text);
        free(holes);
        text = longer;
    }
    return text;
}

static void expect(struct sites *sites, struct site_change change, const char *expected)
{
    struct site_list *before = sites_change(sites, change, 8, 0);
    struct list_difference difference;
    list_difference_init(&difference, before, sites->list);
    char *text = text_of(&difference);
    cr_expect_str_eq(text, expected, "\"%s\", not \"%s\"", text, expected);
    free(text);
    list_difference_fini(&difference);
    site_list_free(before);
}

static void add(struct sites *sites, const char *hosts, const char *prefix, const char *expected)
{
    struct site *site = sites_make(sites, "S F/x", hosts, prefix);
    expect(sites, (struct site_change){.added = site}, expected);
}

static void drop(struct sites *sites, uint64_t release, const char *expected)
{
    expect(sites, (struct site_change){.removed = sites_release(sites, release)}, expected);
}

Test(list_difference, of_one_host)
{
    struct sites sites;
    sites_init(&sites);
    expect(&sites, (struct site_change){.added = NULL}, "");
    add(&sites, "*", NULL, "/ 0>1");
    add(&sites, "*", NULL, "/ 1>2");
    add(&sites, "*", "/docs", "/docs/ 2>3"); /* which the root answered for */
    add(&sites, "*", NULL, "/-/docs 2>4");
    add(&sites, "*", "/docs/api", "/docs/api/ 3>5");
    add(&sites, "*", "/docs", "/docs/-/docs/api 3>6");
    drop(&sites, 5, "/docs/api/ 5>6");
    drop(&sites, 2, "/-/docs 4>4"); /* below the top, where what is immutable answers */
    expect(&sites, (struct site_change){.added = NULL}, "");
    sites_fini(&sites);
}

Test(list_difference, of_several_hosts)
{
    struct sites sites;
    sites_init(&sites);
    add(&sites, "*", NULL, "/ 0>1");
    add(&sites, "*", "/docs", "/docs/ 1>2");
    add(&sites, "a.test", "/docs/api", "a.test/docs/api/ 2>3");
    add(&sites, "*", "/docs", "/docs/ 2>4; a.test/docs/-/docs/api 2>4");
    /* a root of its own hides what the others have below it, and is one more pattern */
    add(&sites, "*.b.test", NULL, ".b.test/-/docs 1>5; .b.test/docs/ 4>5");
    add(&sites, "x.b.test,a.test", NULL,
        "a.test/-/docs/api-/docs 1>6; a.test/docs/-/docs/api 4>6; x.b.test/ 5>6");
    add(&sites, "*", "/docs", "/docs/ 4>7");
    add(&sites, "*", NULL, "/-/docs 1>8");
    drop(&sites, 5, ".b.test/-/docs 5>8; .b.test/docs/ 5>7");
    sites_fini(&sites);
}
