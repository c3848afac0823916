/* Which paths a site answers, and with what: URL policies, and what rules do to them. */
#include "packer/site/routes.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAMES_MAX = 12 };

struct fixture {
    struct slice names[NAMES_MAX];
    size_t count;
    struct site_options options;
    struct redirects_file redirects;
    struct site_notes notes;
    struct routes routes;
};

/* `names` are separated by spaces, and sorted. */
static void fixture_init(struct fixture *fixture, const char *names, const char *options,
                         enum dialect dialect, const char *redirects)
{
    struct error error = {""};
    *fixture = (struct fixture){.count = 0};
    while (*names != '\0') {
        size_t bytes = strcspn(names, " ");
        fixture->names[fixture->count++] = (struct slice){names, bytes};
        names += bytes + (names[bytes] == ' ');
    }
    site_options_init(&fixture->options);
    cr_assert(site_options_read(&fixture->options, slice_of_string(options), &error) == 0);
    redirects_file_parse(slice_of_string(redirects), dialect, &fixture->redirects);
    cr_assert(fixture->redirects.problems.count == 0, "%s",
              fixture->redirects.problems.rows[0].text);
    routes_init(&fixture->routes, fixture->names, fixture->count, &fixture->options,
                &fixture->redirects, &fixture->notes);
}

static void fixture_fini(struct fixture *fixture)
{
    routes_fini(&fixture->routes);
    redirects_file_fini(&fixture->redirects);
    site_notes_fini(&fixture->notes);
    site_options_fini(&fixture->options);
}

/* "200 name", "301 target", "410", "404" for none; '?' behind it if rules are asked first. */
static const char *answer(const struct fixture *fixture, const char *path)
{
    static char text[256];
    const struct route *route = routes_find(&fixture->routes, slice_of_string(path));
    if (route == NULL) {
        return "404";
    }
    if (route->kind == ROUTE_FILE) {
        struct slice name = fixture->names[route->file];
        snprintf(text, sizeof text, "%u %.*s", route->status, (int)name.count, name.bytes);
    } else if (route->kind == ROUTE_REDIRECT) {
        snprintf(text, sizeof text, "%u %s", route->status, route->target);
    } else {
        snprintf(text, sizeof text, "%u", route->status);
    }
    strcat(text, route->asks_rules ? "?" : "");
    return text;
}

/* ---- URL policies ---- */

#define SITE "both.html both/index.html file.html folder/index.html"

static const char *const spellings[] = {"/file",   "/file/",   "/file.html",
                                        "/folder", "/folder/", "/folder/index.html",
                                        "/both",   "/both/",   "/both.html"};

static const struct {
    const char *option;
    const char *answers[ARRAY_COUNT(spellings)];
} policies[] = {
    {"urls=auto",
     {"200 file.html", "301 /file", "200 file.html", "301 /folder/", "200 folder/index.html",
      "200 folder/index.html", "200 both.html", "200 both/index.html", "200 both.html"}},
    {"urls=drop-html",
     {"200 file.html", "301 /file", "301 /file", "301 /folder/", "200 folder/index.html",
      "301 /folder/", "200 both.html", "200 both/index.html", "301 /both"}},
    {"urls=slash",
     {"301 /file/", "200 file.html", "301 /file/", "301 /folder/", "200 folder/index.html",
      "301 /folder/", "301 /both/", "200 both/index.html", "200 both.html"}},
    {"urls=exact",
     {"404", "404", "200 file.html", "301 /folder/", "200 folder/index.html",
      "200 folder/index.html", "301 /both/", "200 both/index.html", "200 both.html"}},
};

Test(routes, url_policies)
{
    for (size_t i = 0; i < ARRAY_COUNT(policies); i++) {
        struct fixture fixture;
        fixture_init(&fixture, SITE, policies[i].option, DIALECT_NETLIFY, "");
        for (size_t j = 0; j < ARRAY_COUNT(spellings); j++) {
            const char *got = answer(&fixture, spellings[j]);
            cr_expect(strcmp(got, policies[i].answers[j]) == 0, "%s %s: %s", policies[i].option,
                      spellings[j], got);
        }
        fixture_fini(&fixture);
    }
}

/* A redirect exists only where its target answers, and a file's own name is never taken. */
Test(routes, files_come_first)
{
    static const char *const options[] = {"urls=auto", "urls=drop-html", "urls=slash"};
    for (size_t i = 0; i < ARRAY_COUNT(options); i++) {
        struct fixture fixture;
        fixture_init(&fixture, "a a.html 404.html docs/404.html sub/page.txt", options[i],
                     DIALECT_NETLIFY, "");
        cr_expect(strcmp(answer(&fixture, "/a"), "200 a") == 0);
        cr_expect(strcmp(answer(&fixture, "/404.html"), "200 404.html") == 0);
        cr_expect(strcmp(answer(&fixture, "/404"), "404") == 0, "a page for what is missing");
        cr_expect(strcmp(answer(&fixture, "/sub"), "404") == 0);
        cr_expect(strcmp(answer(&fixture, "/sub/"), "404") == 0);
        cr_expect(fixture.routes.not_found == 3 && fixture.routes.not_found_depth == 1);
        fixture_fini(&fixture);
    }
}

Test(routes, odd_names_are_encoded)
{
    struct fixture fixture;
    fixture_init(&fixture, "a%b/index.html caf\xc3\xa9.html", "urls=slash", DIALECT_NETLIFY, "");
    cr_expect(strcmp(answer(&fixture, "/a%b"), "301 /a%25b/") == 0);
    cr_expect(strcmp(answer(&fixture, "/caf\xc3\xa9"), "301 /caf%C3%A9/") == 0);
    fixture_fini(&fixture);
}

/* ---- rules ---- */

#define PAGES "404.html docs/a.html docs/index.html index.html new.html"

static const struct {
    enum dialect dialect;
    const char *redirects;
    const char *path;
    const char *answer;
    size_t rule_count; /* that are left to the server */
} rules[] = {
    {DIALECT_NETLIFY, "/old /new.html\n", "/old", "301 /new.html", 0},
    {DIALECT_NETLIFY, "/old /new.html\n", "/old/", "301 /new.html", 0},
    {DIALECT_CLOUDFLARE, "/old /new.html\n", "/old", "302 /new.html", 0},
    {DIALECT_CLOUDFLARE, "/old /new.html\n", "/old/", "404", 0},
    /* a file is there */
    {DIALECT_NETLIFY, "/new.html /docs/\n", "/new.html", "200 new.html", 0},
    {DIALECT_NETLIFY, "/new.html /docs/ 301!\n", "/new.html", "301 /docs/", 0},
    {DIALECT_CLOUDFLARE, "/new.html /docs/\n", "/new.html", "302 /docs/", 0},
    /* so is what follows from a file */
    {DIALECT_NETLIFY, "/docs /x\n", "/docs", "301 /docs/", 0},
    /* rewrites and pages with a status */
    {DIALECT_NETLIFY, "/x /new.html 200\n", "/x", "200 new.html", 0},
    {DIALECT_NETLIFY, "/x /new 200\n", "/x", "200 new.html", 0},
    {DIALECT_NETLIFY, "/x /docs 200\n", "/x", "200 docs/index.html", 0},
    {DIALECT_NETLIFY, "/x /nothing 200\n", "/x", "404", 0},
    {DIALECT_NETLIFY, "/x /404.html 404\n", "/x", "404 404.html", 0},
    {DIALECT_NETLIFY, "/x /404.html 410\n", "/x", "410 404.html", 0},
    {DIALECT_NETLIFY, "/x 410\n", "/x", "410", 0},
    /* patterns: for the paths that exist they are resolved here */
    {DIALECT_NETLIFY, "/docs/* /new/:splat\n", "/docs/a.html", "200 docs/a.html", 1},
    {DIALECT_NETLIFY, "/docs/* /new/:splat 301!\n", "/docs/a.html", "301 /new/a.html", 1},
    {DIALECT_CLOUDFLARE, "/docs/* /new/:splat\n", "/docs/a.html", "302 /new/a.html", 1},
    {DIALECT_CLOUDFLARE, "/docs/* /new/:splat\n", "/docs/", "302 /new/", 1},
    {DIALECT_CLOUDFLARE, "/docs/* /new/:splat\n", "/new.html", "200 new.html", 1},
    {DIALECT_CLOUDFLARE, "/* /index.html 200\n", "/new.html", "200 new.html", 1},
    /* the first that matches decides */
    {DIALECT_NETLIFY, "/x/* /docs/\n/x/a /new.html\n", "/x/a", "404", 1},
    {DIALECT_NETLIFY, "/x/a /new.html\n/x/* /docs/\n", "/x/a", "301 /new.html", 1},
    {DIALECT_NETLIFY, "/new.html /y\n/* /z 301!\n", "/new.html", "200 new.html", 1},
    {DIALECT_NETLIFY, "/* /y\n/new.html /z 301!\n", "/new.html", "200 new.html", 1},
    {DIALECT_CLOUDFLARE, "/docs/* /y\n/docs/a.html /z\n", "/docs/a.html", "302 /y", 1},
    /* conditions are for the server to see */
    {DIALECT_NETLIFY, "/new.html id=:id /y/:id 301!\n", "/new.html", "200 new.html?", 1},
    {DIALECT_NETLIFY, "/x id=:id /y/:id\n/x /new.html\n", "/x", "301 /new.html?", 1},
    {DIALECT_NETLIFY, "http://a.example/* https://b.example/:splat 301!\n", "/new.html",
     "200 new.html?", 1},
    /* never to another host */
    {DIALECT_CLOUDFLARE, "/docs/* /:splat\n", "/docs/a.html", "302 /a.html", 1},
};

Test(routes, rules)
{
    for (size_t i = 0; i < ARRAY_COUNT(rules); i++) {
        struct fixture fixture;
        fixture_init(&fixture, PAGES, "urls=auto", rules[i].dialect, rules[i].redirects);
        const char *got = answer(&fixture, rules[i].path);
        cr_expect(strcmp(got, rules[i].answer) == 0, "row %zu (%s): %s", i, rules[i].redirects,
                  got);
        cr_expect(fixture.routes.rule_count == rules[i].rule_count, "row %zu: %zu", i,
                  fixture.routes.rule_count);
        fixture_fini(&fixture);
    }
}

static const struct {
    enum dialect dialect;
    const char *redirects;
    uint32_t line;
    bool is_error, is_remark;
    const char *says;
} notes[] = {
    {DIALECT_NETLIFY, "/new.html /docs/\n", 1, false, true, "a file of the site is there"},
    {DIALECT_NETLIFY, "/x/* /y\n/x/a /new\n", 2, false, true, "line 1 decides before"},
    {DIALECT_NETLIFY, "/x /nothing 200\n", 1, false, false, "its target is no file of the site"},
    {DIALECT_NETLIFY, "/a /b\n/b /a\n", 1, true, false, "it leads back to itself"},
    {DIALECT_CLOUDFLARE, "/a /b\n/b /c\n/c /a\n", 1, true, false, "it leads back to itself"},
};

Test(routes, notes)
{
    for (size_t i = 0; i < ARRAY_COUNT(notes); i++) {
        struct fixture fixture;
        fixture_init(&fixture, PAGES, "", notes[i].dialect, notes[i].redirects);
        cr_assert(fixture.notes.count >= 1, "row %zu", i);
        const struct site_note *note = &fixture.notes.rows[0];
        cr_expect(note->line == notes[i].line && note->is_error == notes[i].is_error &&
                      note->is_remark == notes[i].is_remark,
                  "row %zu: line %u", i, note->line);
        cr_expect(strstr(note->text, notes[i].says) != NULL, "row %zu: %s", i, note->text);
        fixture_fini(&fixture);
    }
}

Test(routes, many_rules)
{
    enum { RULES = 45000 };
    char *text = mem_zeroed(RULES, 40);
    size_t count = 0;
    for (int i = 0; i < RULES; i++) {
        count += (size_t)sprintf(text + count, "/old/%d /new/%d 301\n", i, i);
    }
    struct fixture fixture;
    fixture_init(&fixture, PAGES, "", DIALECT_CLOUDFLARE, text);
    cr_expect(strcmp(answer(&fixture, "/old/44999"), "301 /new/44999") == 0);
    cr_expect(fixture.routes.rule_count == 0 && fixture.notes.count == 0);
    fixture_fini(&fixture);
    free(text);
}
