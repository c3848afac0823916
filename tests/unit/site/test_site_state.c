/* What a host serves, in 16 digits, and since when. */
#include "site/site_state.h"

#include "sites.h"

#include <criterion/criterion.h>

static const char *const hosts[] = {"a.example", "b.example", "deep.b.example", "other.test", ""};

static struct site_state state_of(const struct sites *sites, size_t host)
{
    return site_list_state(sites->list, slice_of_string(hosts[host]));
}

/* Adds or removes a release, at `at_ms`, and checks for which hosts (a digit each) that is news. */
static void change(struct sites *sites, struct site_change what, int64_t at_ms, const char *news)
{
    struct site_state before[ARRAY_COUNT(hosts)];
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        before[i] = state_of(sites, i);
    }
    site_list_free(sites_change(sites, what, 8, at_ms));
    for (size_t i = 0; i < ARRAY_COUNT(hosts); i++) {
        bool is_news = strchr(news, (int)('0' + i)) != NULL;
        struct site_state after = state_of(sites, i);
        cr_expect_eq(strcmp(before[i].text, after.text) != 0, is_news, "%lld: host %zu",
                     (long long)at_ms, i);
        cr_expect(!is_news || after.changed_ms == at_ms, "%lld: host %zu", (long long)at_ms, i);
        cr_expect_eq(strlen(after.text), 16U);
    }
}

static void add(struct sites *sites, const char *words, const char *names, const char *prefix,
                int64_t at_ms, const char *news)
{
    struct site *site = sites_make(sites, words, names, prefix);
    change(sites, (struct site_change){.added = site}, at_ms, news);
}

/* It changes with what answers under the host, and with nothing else. */
Test(site_state, follows_what_answers)
{
    struct sites sites;
    sites_init(&sites);
    cr_expect_str_eq(state_of(&sites, 0).text, "0000000000000000");
    add(&sites, "S F/x", "*", NULL, 1, "01234");
    add(&sites, "S F/x", "a.example", NULL, 2, "0");
    add(&sites, "S F/x", "*", "/docs", 3, "1234"); /* a.example has its root */
    add(&sites, "S F/x", "*.example", "/docs/api", 4, "12");
    add(&sites, "S F/x", "*", "/docs/api", 5, "34");
    add(&sites, "O F/y", "a.example", NULL, 6, "0");
    add(&sites, "O F/y", "a.example", NULL, 7, "0");
    change(&sites, (struct site_change){.removed = sites_release(&sites, 6)}, 8, "0"); /* below */
    change(&sites, (struct site_change){.retired = sites_release(&sites, 7)}, 9, "0");
    change(&sites, (struct site_change){.added = NULL}, 10, "");
    change(&sites, (struct site_change){.removed = sites_release(&sites, 4)}, 11, "12");
    cr_expect_eq(state_of(&sites, 0).changed_ms, 11); /* no later than what it was */
    change(&sites, (struct site_change){.removed = sites_release(&sites, 2)}, 12, "0");
    cr_expect_str_eq(state_of(&sites, 0).text, state_of(&sites, 3).text);
    sites_fini(&sites);
}

/* What a newer snapshot hides is no part of it: after a restart it is not there. */
Test(site_state, is_the_same_in_another_process)
{
    struct sites old, new;
    sites_init(&old);
    sites_init(&new);
    sites_add(&old, "S F/x", "*", NULL);
    sites_add(&old, "S F/x", "*", "/aa");
    sites_add(&old, "S F/x", "*", "/bb");
    sites_add(&old, "S F/y", "*", NULL);
    new.last_release = 1;
    sites_add(&new, "S F/x", "*", "/aa");
    sites_add(&new, "S F/x", "*", "/bb");
    sites_add(&new, "S F/y", "*", NULL);
    cr_expect_str_eq(state_of(&old, 0).text, state_of(&new, 0).text);
    sites_fini(&old);
    sites_fini(&new);
}

/* A load of the same release, as HUP does it, changes nothing. */
Test(site_state, the_same_release_again_is_no_news)
{
    struct sites sites;
    sites_init(&sites);
    sites_add(&sites, "S F/x", "*", NULL);
    sites.last_release = 0;
    struct site *again = sites_make(&sites, "S F/x", "*", NULL);
    change(&sites, (struct site_change){.added = again}, 7, "");
    cr_expect_eq(sites.list->count, 1U);
    cr_expect_eq(state_of(&sites, 0).changed_ms, 0);
    sites_fini(&sites);
}
