/* `_redirects` in both dialects: a table of lines and the rules that come out. */
#include "packer/site/redirects_file.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define NETLIFY    DIALECT_NETLIFY
#define CLOUDFLARE DIALECT_CLOUDFLARE

/* A compiled text as one can read it: operators as <1>, <2>, <3>, references as $0, $1. */
static void readable(const char *text, bool is_template, char *out, size_t capacity)
{
    size_t count = 0;
    for (; text != NULL && *text != '\0' && count + 4 < capacity; text++) {
        if (is_template && *text == PATTERN_PLACEHOLDER) {
            out[count++] = '$';
            out[count++] = (char)('0' + (*++text - 0x20));
        } else if ((unsigned char)*text < 4) {
            out[count++] = '<';
            out[count++] = (char)('0' + *text);
            out[count++] = '>';
        } else {
            out[count++] = *text;
        }
    }
    out[count] = '\0';
}

/* "host /pattern key=value -> target 301! fallback query": the first rule of a file. */
static const char *first_rule(const char *text, enum dialect dialect)
{
    static char out[1024];
    struct redirects_file file;
    redirects_file_parse(slice_of_string(text), dialect, &file);
    out[0] = '\0';
    if (file.rule_count > 0) {
        const struct redirect_rule *rule = &file.rules[0];
        char pattern[256], target[256], host[256];
        readable(rule->pattern, false, pattern, sizeof pattern);
        readable(rule->target, true, target, sizeof target);
        readable(rule->host, false, host, sizeof host);
        int count =
            snprintf(out, sizeof out, "%s%s%s", host, rule->host != NULL ? " " : "", pattern);
        for (size_t i = 0; i < rule->query_count; i++) {
            count += snprintf(out + count, sizeof out - (size_t)count, " %s=%s",
                              rule->queries[i].key, rule->queries[i].value);
        }
        snprintf(out + count, sizeof out - (size_t)count, " -> %s %u%s%s%s", target, rule->status,
                 rule->is_forced ? "!" : "", rule->is_fallback ? " fallback" : "",
                 rule->target_has_query ? " query" : "");
    } else if (file.problems.count > 0) {
        snprintf(out, sizeof out, "%u%s: %s", file.problems.rows[0].line,
                 file.problems.rows[0].is_error ? "!" : "", file.problems.rows[0].text);
    }
    redirects_file_fini(&file);
    return out;
}

static const struct {
    enum dialect dialect;
    const char *text;
    const char *rule;
} rows[] = {
    /* the status, and who wins over a file */
    {NETLIFY, "/a /b\n", "/a -> /b 301"},
    {CLOUDFLARE, "/a /b\n", "/a -> /b 302!"},
    {NETLIFY, "/a /b 302\n", "/a -> /b 302"},
    {NETLIFY, "/a /b 200!\n", "/a -> /b 200!"},
    {NETLIFY, "/a /b 301!\n", "/a -> /b 301!"},
    {CLOUDFLARE, "/a /b 308\n", "/a -> /b 308!"},
    {NETLIFY, "/a /b 307\n", "/a -> /b 307"},
    {NETLIFY, "/a /404.html 404\n", "/a -> /404.html 404"},
    {NETLIFY, "/a /gone.html 410\n", "/a -> /gone.html 410"},
    {NETLIFY, "/a 410\n", "/a ->  410"},
    /* white space, comments, CRLF */
    {NETLIFY, "\xef\xbb\xbf# c\r\n\r\n \t/a \t /b  303 # c\r\n", "/a -> /b 303"},
    {CLOUDFLARE, "/a /b # c 5\n", "/a -> /b 302!"},
    {CLOUDFLARE, "/a /b#frag 301\n", "/a -> /b#frag 301!"},
    {CLOUDFLARE, "a /b\n", "/a -> /b 302!"},
    {CLOUDFLARE, "/a?x=1#y /b\n", "/a -> /b 302!"},
    /* wildcards */
    {NETLIFY, "/a/* /b/:splat\n", "/a<3> -> /b/$0 301"},
    {CLOUDFLARE, "/a/* /b/:splat\n", "/a/<1> -> /b/$0 302!"},
    {NETLIFY, "/* /b/:splat 302\n", "/<1> -> /b/$0 302"},
    {CLOUDFLARE, "/a/*/c /b/:splat\n", "/a/<1>/c -> /b/$0 302!"},
    {NETLIFY, "/:y/:m /p/:m/:y\n", "/<2>/<2> -> /p/$1/$0 301"},
    {CLOUDFLARE, "/:y-:m /p/:m/:y\n", "/<2>-<2> -> /p/$1/$0 302!"},
    {NETLIFY, "/:id /x/:idx/:id\n", "/<2> -> /x/:idx/$0 301"},
    {NETLIFY, "/proxy/* 200\n", "/proxy<3> -> /proxy/$0 200"},
    {NETLIFY, "https://a.example/p/* 200\n", "a.example /p<3> -> /p/$0 200"},
    {NETLIFY, "//p/* 200\n", "/p<3> -> /p/$0 200"},
    {NETLIFY, "/p/*?x=y 200\n", "/p<3> -> /p/$0 200"},
    {NETLIFY, "/caf%C3%A9 /caf\xc3\xa9\n", "/caf\xc3\xa9 -> /caf%C3%A9 301"},
    {NETLIFY, "/a /b?x=1\n", "/a -> /b?x=1 301 query"},
    {CLOUDFLARE, "/a /b?x=:splat\n", "/a -> /b?x=:splat 302! query"},
    /* the query */
    {NETLIFY, "/store id=:id /blog/:id 301\n", "/store id=:id -> /blog/$0 301"},
    {NETLIFY, "/:a id=7 key=:k /b/:k/:a\n", "/<2> id=7 key=:k -> /b/$1/$0 301"},
    /* hosts */
    {NETLIFY, "http://a.example/x /y\n", "a.example /x -> /y 301"},
    {NETLIFY, "https://a.example/* https://b.example/:splat 301!\n",
     "a.example /<1> -> https://b.example/$0 301!"},
    {NETLIFY, "https://a.example /y\n", "a.example / -> /y 301"},
    /* never to another host by accident */
    {NETLIFY, "/a //evil.example\n", "/a -> /evil.example 301"},
    {CLOUDFLARE, "/a ///evil.example\n", "/a -> /evil.example 302!"},
    /* the line of every tutorial */
    {NETLIFY, "/* /index.html 200\n", "/<1> -> /index.html 200 fallback"},
    {CLOUDFLARE, "/* /index.html 200\n", "/<1> -> /index.html 200 fallback"},
    {CLOUDFLARE, "/* /index 200\n", "/<1> -> /index 200 fallback"},
    {NETLIFY, "/app/* /app/index.html 200\n", "/app<3> -> /app/index.html 200 fallback"},
    {NETLIFY, "/api/* /data/:splat 200\n", "/api<3> -> /data/$0 200"},
    {NETLIFY, "/img/* /logo.svg 200\n", "/img<3> -> /logo.svg 200"},
    /* what cannot be honoured */
    {NETLIFY, "/a /b 302 Country=de,at\n", "1!: /a: the condition Country=de,at cannot"},
    {NETLIFY, "/a /b 302 country=de\n", "1!: /a: the condition country=de cannot"},
    {NETLIFY, "/a /b Language=en\n", "1!: /a: the condition Language=en cannot"},
    {NETLIFY, "/a k%00l=v /b\n", "1: /a: a query condition with a NUL"},
    {NETLIFY, "/a /b 200! Role=admin\n", "1!: /a: the condition Role=admin cannot"},
    {NETLIFY, "/a /b Cookie=x\n", "1!: /a: the condition Cookie=x cannot"},
    {NETLIFY, "/api/* https://api.example/:splat 200\n", "1!: /api/*: a rewrite to another host"},
    {CLOUDFLARE, "/api/* https://api.example/:splat 200\n", "1!: /api/*: a rewrite to another"},
    /* what is not understood */
    {NETLIFY, "/a\n", "1: /a: there is no target"},
    {CLOUDFLARE, "/a\n", "1: /a: a line needs a path and a target"},
    {CLOUDFLARE, "/a /b 301 x\n", "1: /a: more than a path, a target and a status"},
    {CLOUDFLARE, "/a /b 301!\n", "1: /a: a status that is no number"},
    {CLOUDFLARE, "/a /b 404\n", "1: /a: a status that is not served"},
    {NETLIFY, "/a /b 299\n", "1: /a: a status that is not served"},
    {NETLIFY, "/a /b 99999999999\n", "1: /a: a status that is not served"},
    {NETLIFY, "/a nonsense /b\n", "1: /a: a word that is neither"},
    {NETLIFY, "a /b\n", "1: a: a path has to start with '/'"},
    {CLOUDFLARE, "https://a.example/x /y\n", "1: https://a.example/x: only a path"},
    {CLOUDFLARE, "/a b\n", "1: /a: a target has to start"},
    {NETLIFY, "/.netlify/x /y\n", "1: /.netlify/x: paths below /.netlify"},
    {NETLIFY, "/%g /y\n", "1: /%g: a '%' that two"},
    {CLOUDFLARE, "/*/* /y\n", "1: /*/*: more than one '*'"},
    {NETLIFY, "/a /a\n", "1: /a: it leads to itself"},
    {NETLIFY, "/a /a/\n", "1: /a: it leads to itself"}, /* the slash does not matter there */
    {CLOUDFLARE, "/a /a/\n", "/a -> /a/ 302!"},
    {CLOUDFLARE, "/a /a\n", "1: /a: it leads to itself"},
};

Test(redirects_file, one_line)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const char *rule = first_rule(rows[i].text, rows[i].dialect);
        bool is_problem = rows[i].rule[0] >= '0' && rows[i].rule[0] <= '9';
        bool is_right = is_problem ? strncmp(rule, rows[i].rule, strlen(rows[i].rule)) == 0
                                   : strcmp(rule, rows[i].rule) == 0;
        cr_expect(is_right, "row %zu (%s): %s", i, rows[i].text, rule);
    }
}

Test(redirects_file, how_a_slash_matters)
{
    struct redirects_file file;
    redirects_file_parse(SLICE("/a /b\n"), NETLIFY, &file);
    cr_expect(file.rules[0].pattern_flags == PATTERN_OPTIONAL_SLASH);
    redirects_file_fini(&file);
    redirects_file_parse(SLICE("/a /b\n"), CLOUDFLARE, &file);
    cr_expect(file.rules[0].pattern_flags == 0);
    redirects_file_fini(&file);
}

/* Netlify keeps the last of two, Cloudflare the first; either way it is told. */
Test(redirects_file, the_same_path_twice)
{
    static const char text[] = "/a /one\n/b /x\n/a /two\n/a id=1 /three\n";
    static const char cloudflare[] = "/a /one\n/b /x\n/a /two\n";
    struct redirects_file file;
    redirects_file_parse(SLICE(text), NETLIFY, &file);
    cr_assert(file.rule_count == 3 && file.problems.count == 1);
    cr_expect(strcmp(file.rules[0].source, "/b") == 0 && strcmp(file.rules[1].target, "/two") == 0);
    cr_expect(file.rules[2].query_count == 1, "another condition is another rule");
    cr_expect(file.problems.rows[0].line == 1 && !file.problems.rows[0].is_error);
    redirects_file_fini(&file);
    redirects_file_parse(SLICE(cloudflare), CLOUDFLARE, &file);
    cr_assert(file.rule_count == 2 && file.problems.count == 1);
    cr_expect(strcmp(file.rules[0].target, "/one") == 0 && file.problems.rows[0].line == 3);
    redirects_file_fini(&file);
}

Test(redirects_file, forty_five_thousand_rules)
{
    enum { RULES = 45000 };
    size_t capacity = RULES * 40;
    char *text = malloc(capacity);
    size_t count = 0;
    for (int i = 0; i < RULES; i++) {
        count += (size_t)snprintf(text + count, capacity - count, "/old/%d /new/%d 301\n", i, i);
    }
    for (int dialect = NETLIFY; dialect <= CLOUDFLARE; dialect++) {
        struct redirects_file file;
        redirects_file_parse((struct slice){text, count}, (enum dialect)dialect, &file);
        cr_expect(file.rule_count == RULES && file.problems.count == 0);
        cr_expect(strcmp(file.rules[RULES - 1].target, "/new/44999") == 0);
        cr_expect(file.rules[RULES - 1].line == RULES);
        redirects_file_fini(&file);
    }
    free(text);
}
