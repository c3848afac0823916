/* Patterns of gitignore: rows of one file's text and a path, then what rows cannot show. */
#include "packer/site/ignore.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* Paths end in '/' if they are folders. '-' before a path: it is packed; '+': left out. */
static const struct {
    const char *text;
    const char *path;
} rows[] = {
    /* a name, anywhere */
    {"a", "+a"},
    {"a", "+a/"},
    {"a", "+x/y/a"},
    {"a", "-ab"},
    {"a", "-ba"},
    {"a", "-A"},
    {"a", "-a/b"}, /* the caller does not come here: "a/" is left out */
    {"a.html", "+docs/a.html"},
    {"\xc3\xa9.txt", "+\xc3\xa9.txt"},
    /* lines */
    {"", "-a"},
    {"\n\n \n", "-a"},
    {"\n \n", "- "},
    {"a\nb\n", "+b"},
    {"a\nb", "+b"},
    {"a\r\nb\r\n", "+a"},
    {"a\r\nb\r", "+b"},
    {"a\r\nb\r\n", "-a\r"},
    {"\xef\xbb\xbf"
     "a\n",
     "+a"},
    {"b\n\xef\xbb\xbf"
     "a\n",
     "-a"},
    /* comments */
    {"#a", "-#a"},
    {"#a", "-a"},
    {"\\#a", "+#a"},
    {" #a", "+ #a"},
    {"a#b", "+a#b"},
    /* spaces at the end */
    {"a  ", "+a"},
    {"a  ", "-a  "},
    {"a\\ ", "+a "},
    {"a\\  ", "+a "},
    {"a\\ ", "-a"},
    {"a\\\\ ", "+a\\"},
    {" a", "+ a"},
    {"a b ", "+a b"},
    {"a \r\n", "+a"},
    {"a\t", "+a\t"},
    {"a\t", "-a"},
    /* negation: the last one decides */
    {"a\n!a", "-a"},
    {"!a\na", "+a"},
    {"*.html\n!index.html", "+a.html"},
    {"*.html\n!index.html", "-x/index.html"},
    {"a\n!a\na", "+a"},
    {"!a", "-a"},
    {"\\!a", "+!a"},
    {"!!a", "-!a"},
    {"*\n!!a", "-!a"},
    {"*\n!#a", "-#a"},
    {"a\n!a/", "+a"},
    {"a\n!a/", "-a/"},
    /* a '/' before the end: from the folder of the file */
    {"/a", "+a"},
    {"/a", "-x/a"},
    {"x/a", "+x/a"},
    {"x/a", "-y/x/a"},
    {"/x/a", "+x/a"},
    {"x/a", "-x/ab"},
    {"x/a", "-xx/a"},
    {"//a", "-a"},
    {"x/", "-y"},
    /* a '/' at the end: folders only, anywhere */
    {"a/", "+a/"},
    {"a/", "-a"},
    {"a/", "+x/a/"},
    {"/a/", "-x/a/"},
    {"x/a/", "+x/a/"},
    {"x/a/", "-x/a"},
    {"a//", "-a/"},
    /* '*' and '?' stop at a '/' */
    {"*", "+a"},
    {"*", "+.a"},
    {"*", "+x/a"},
    {"/*", "+a"},
    {"/*", "-x/a"},
    {"*.js", "+a.js"},
    {"*.js", "+.js"},
    {"*.js", "-a.json"},
    {"a*", "+a"},
    {"a*c", "+abc"},
    {"a*c", "+ac"},
    {"a*c", "-acb"},
    {"x*y", "-x/y"},
    {"x/*", "+x/a"},
    {"x/*", "-x/y/a"},
    {"x/*/a", "+x/y/a"},
    {"x/*/a", "-x/a"},
    {"x/*/a", "-x/y/z/a"},
    {"x/*.js", "-x/y/a.js"},
    {"*/a", "+x/a"},
    {"*/a", "-a"},
    {"*a*b*a*", "+xaxbxax"},
    {"*a*b*a*", "-xaxbx"},
    {"?", "+a"},
    {"?", "-ab"},
    {"?", "-\xc3\xa9"},
    {"??", "+\xc3\xa9"},
    {"x?y", "-x/y"},
    {"x/?", "-x/"},
    {"a?", "-a"},
    {"\\*", "+*"},
    {"\\*", "-a"},
    {"\\?", "-a"},
    {"\\a", "+a"},
    {"a\\\\b", "+a\\b"},
    /* "**" is folders at the start, the middle and the end of a path, else stars */
    {"**", "+x/a"},
    {"**/a", "+a"},
    {"**/a", "+x/a"},
    {"**/a", "+x/y/a"},
    {"**/a", "-x/ba"},
    {"**/x/a", "+x/a"},
    {"**/x/a", "+y/z/x/a"},
    {"**/x/a", "-y/zx/a"},
    {"/**/a", "+x/y/a"},
    {"x/**", "+x/a"},
    {"x/**", "+x/y/a"},
    {"x/**", "-x/"},
    {"x/**", "-y/x/a"},
    {"/**", "+x/a"},
    {"x/**/a", "+x/a"},
    {"x/**/a", "+x/y/a"},
    {"x/**/a", "+x/y/z/a"},
    {"x/**/a", "-xa"},
    {"x/**/a", "-x/ya"},
    {"x/**/", "+x/y/"},
    {"x/**/", "-x/y"},
    {"x/***/a", "+x/y/z/a"},
    {"x/**/**/a", "+x/a"},
    {"x/**/*.js", "+x/y/z/a.js"},
    {"x/**/*.js", "-x/y/z/a.css"},
    {"**/x/**/a", "+q/x/q/x/q/a"},
    {"**/x*/y/**/z", "+xa/b/xc/y/d/z"},
    {"**/x*/y/z", "-xa/b/xc/y/d/z"},
    {"x**y", "+xaay"},
    {"x**/y", "+xa/y"},
    {"x**/y", "-xa/b/y"},
    {"a/x**", "-a/x/y"},
    {"a/**x", "+a/bx"},
    {"a/**x", "-a/b/x"},
    {"x/**\n!x/**/\n!x/**/*.js", "+x/y/a"},
    {"x/**\n!x/**/\n!x/**/*.js", "-x/y/a.js"},
    {"x/**\n!x/**/\n!x/**/*.js", "-x/y/"},
    /* sets */
    {"[ab]", "+b"},
    {"[ab]", "-c"},
    {"[ab]", "-ab"},
    {"[a-c]x", "+bx"},
    {"[a-c]x", "-dx"},
    {"[a-c]", "-B"},
    {"[!a-c]", "+d"},
    {"[!a-c]", "-b"},
    {"[^a]", "+b"},
    {"[^a]", "-a"},
    {"[a^]", "+^"},
    {"[]a]", "+]"},
    {"[!]a]", "-]"},
    {"[!]a]", "+b"},
    {"[-a]", "+-"},
    {"[a-]", "+-"},
    {"[a-]", "-b"},
    {"[--0]", "+."},
    {"[a-c-e]", "+-"},
    {"[a-c-e]", "-d"},
    {"[c-a]", "-b"},
    {"[\\]]", "+]"},
    {"[a\\-c]", "+-"},
    {"[a\\-c]", "-b"},
    {"[a-\\c]", "+b"},
    {"[[]", "+["},
    {"[[:alpha:]]", "+Q"},
    {"[[:alpha:]]", "-1"},
    {"[![:alpha:]]", "+1"},
    {"[[:digit:]_]", "+_"},
    {"[[:upper:][:digit:]]", "+7"},
    {"[[:lower:]]", "-Q"},
    {"[[:alnum:]]", "-_"},
    {"[[:punct:]]", "+_"},
    {"[[:space:]]x", "+ x"},
    {"[[:blank:]]x", "+\tx"},
    {"[[:xdigit:]]", "+F"},
    {"[[:xdigit:]]", "-g"},
    {"[[:cntrl:]]", "+\x7f"},
    {"[[:graph:]]", "- "},
    {"[[:print:]]x", "+ x"},
    {"[[:alpha:]-z]", "+-"},
    {"[[:alpha]", "+:"},
    {"x[!a]y", "-x/y"},
    {"x[/]y", "-x/y"},
    {"*[0-9].js", "+a7.js"},
    {"*[ab]*[cd]", "+xaxbxd"},
};

static bool matches(const struct ignore *ignore, const char *path)
{
    struct slice name = slice_of_string(path);
    bool is_folder = name.bytes[name.count - 1] == '/';
    name.count -= is_folder ? 1 : 0;
    return ignore_matches(ignore, name, is_folder);
}

static void add(struct ignore *ignore, const char *folder, const char *text)
{
    struct ignore_problems problems = {0};
    ignore_add(ignore, slice_of_string(folder), slice_of_string(text), &problems);
    cr_assert_eq(problems.count, 0, "\"%s\": line %u: %s", text, problems.rows[0].line,
                 problems.rows[0].why);
}

Test(ignore, rows)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct ignore *ignore = ignore_new();
        add(ignore, "", rows[i].text);
        cr_expect_eq(matches(ignore, rows[i].path + 1), rows[i].path[0] == '+', "\"%s\": %s",
                     rows[i].text, rows[i].path);
        ignore_free(ignore);
    }
}

Test(ignore, a_file_holds_below_its_folder_only)
{
    struct ignore *ignore = ignore_new();
    cr_expect(!matches(ignore, "a"));
    add(ignore, "docs", "a\n/b\nx/c\n*.js\n");
    cr_expect(matches(ignore, "docs/a"));
    cr_expect(matches(ignore, "docs/x/a"));
    cr_expect(matches(ignore, "docs/b"));
    cr_expect(matches(ignore, "docs/x/c"));
    cr_expect(!matches(ignore, "docs/x/b"));
    cr_expect(!matches(ignore, "docs/y/x/c"));
    cr_expect(!matches(ignore, "a"));
    cr_expect(!matches(ignore, "x/c"));
    cr_expect(!matches(ignore, "docsx/a"));
    cr_expect(!matches(ignore, "docs"));
    cr_expect(!matches(ignore, "x/docs/a"));
    ignore_free(ignore);
}

Test(ignore, what_is_added_later_decides)
{
    struct ignore *ignore = ignore_new();
    add(ignore, "", "*.js\n*.css\n");
    add(ignore, "docs", "!a.js\n");
    add(ignore, "docs/api", "*.js\n!*.css\n");
    cr_expect(matches(ignore, "a.js"));
    cr_expect(!matches(ignore, "docs/a.js"));
    cr_expect(matches(ignore, "docs/b.js"));
    cr_expect(matches(ignore, "docs/api/a.js"));
    cr_expect(!matches(ignore, "docs/api/v1/a.css"));
    cr_expect(matches(ignore, "docs/a.css"));
    ignore_free(ignore);
}

Test(ignore, the_text_is_copied)
{
    char text[] = "abc\n";
    char folder[] = "x";
    struct ignore *ignore = ignore_new();
    add(ignore, folder, text);
    memset(text, '*', sizeof text - 1);
    folder[0] = 'y';
    cr_expect(matches(ignore, "x/abc"));
    cr_expect(!matches(ignore, "x/abd"));
    ignore_free(ignore);
    ignore_free(NULL);
}

static const struct {
    const char *line;
    const char *why_part;
} broken[] = {
    {"[", "without its ']'"},          {"a[bc", "without its ']'"},
    {"[]", "without its ']'"},         {"[!]", "without its ']'"},
    {"[a-", "without its ']'"},        {"[a\\]", "without its ']'"},
    {"[a/", "without its ']'"},        {"[[:alpha:]", "without its ']'"},
    {"[[:alpha:", "without its ']'"},  {"[a]b[c", "without its ']'"},
    {"[[:vowel:]]", "unknown class"},  {"[[::]]", "unknown class"},
    {"[![:Alpha:]]", "unknown class"}, {"a\\", "nothing behind it"},
    {"!a\\\\\\", "nothing behind it"}, {"a\\/", "nothing behind it"},
    {"/", "without a name"},           {"!", "without a name"},
    {"!/", "without a name"},
};

Test(ignore, a_broken_line_is_told_and_passed_over)
{
    for (size_t i = 0; i < ARRAY_COUNT(broken); i++) {
        char text[64];
        snprintf(text, sizeof text, "# first\nx\n\n%s\ny\n", broken[i].line);
        struct ignore *ignore = ignore_new();
        struct ignore_problems problems = {0};
        ignore_add(ignore, SLICE(""), slice_of_string(text), &problems);
        cr_assert_eq(problems.count, 1, "%s: %zu problems", broken[i].line, problems.count);
        cr_expect_eq(problems.rows[0].line, 4);
        cr_expect(strstr(problems.rows[0].why, broken[i].why_part) != NULL, "%s: %s",
                  broken[i].line, problems.rows[0].why);
        cr_expect(matches(ignore, "x") && matches(ignore, "y"));
        cr_expect(!matches(ignore, broken[i].line) && !matches(ignore, "a"));
        free(problems.rows);
        ignore_free(ignore);
    }
}

Test(ignore, problems_are_appended)
{
    struct ignore *ignore = ignore_new();
    struct ignore_problems problems = {0};
    for (unsigned i = 0; i < 100; i++) {
        ignore_add(ignore, SLICE(""), SLICE("[\nb\n\r\n/\r\n"), &problems);
    }
    cr_assert_eq(problems.count, 200);
    cr_expect_eq(problems.rows[198].line, 1);
    cr_expect_eq(problems.rows[199].line, 4);
    free(problems.rows);
    ignore_free(ignore);
}

Test(ignore, many_patterns)
{
    struct ignore *ignore = ignore_new();
    char line[32];
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(line, sizeof line, "%sname%u\n", i % 3 == 0 ? "!" : "", i);
        add(ignore, "", line);
    }
    cr_expect(matches(ignore, "x/name4999"));
    cr_expect(!matches(ignore, "x/name4998"));
    cr_expect(!matches(ignore, "x/name5000"));
    ignore_free(ignore);
}

/* Each of these takes longer than anybody waits if every star tries every length of every other. */
Test(ignore, many_stars_take_no_exponential_time, .timeout = 60)
{
    static const struct {
        const char *pattern;
        const char *unit; /* the name is this, many times */
        char last;
        bool matches;
    } slow[] = {
        {"a*a*a*a*a*a*a*a*a*a*a*a*b", "a", 'a', false},
        {"a*a*a*a*a*a*a*a*a*a*a*a*b", "a", 'b', true},
        {"*a*a*a*a*a*a*a*a*[!a]*c", "a", 'b', false},
        {"**/a/**/a/**/a/**/a/**/a/**/a/**/b", "a/", 'a', false},
        {"**/a/**/a/**/a/**/a/**/a/**/a/**/b", "a/", 'b', true},
        {"**/*a*a*/**/*a*a*/**/*a*a*/**/b", "aaaaaaaa/", 'a', false},
        {"?*?*?*?*?*?*?*?*?*?*?*?*b", "a", 'a', false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(slow); i++) {
        char name[4096];
        size_t count = 0;
        while (count + strlen(slow[i].unit) < sizeof name) {
            memcpy(name + count, slow[i].unit, strlen(slow[i].unit));
            count += strlen(slow[i].unit);
        }
        name[count++] = slow[i].last;
        cr_expect_eq(glob_matches(slice_of_string(slow[i].pattern), (struct slice){name, count}),
                     slow[i].matches, "%s", slow[i].pattern);
    }
}

static const struct {
    const char *pattern;
    const char *name;
    bool matches;
} globs[] = {
    {"*.js", "a/b.js", true},
    {"*.js", "a/b.js/c.css", true}, /* as in gitignore, what is below it too */
    {"*.js", "a/b.json", false},
    {"assets/", "assets/js/a.js", true},
    {"assets/", "x/assets/a.js", true},
    {"assets/", "assets", false},
    {"/assets/", "x/assets/a.js", false},
    {"/assets/**", "assets/js/a.js", true},
    {"assets/*.js", "assets/a.js", true},
    {"assets/*.js", "assets/js/a.js", false},
    {"js/*", "js/x/y/z", true},
    {"#a", "#a", true},
    {"a ", "a ", true},
    {"a ", "a", false},
    {"!a", "!a", false},
    {"!a", "b", false},
    {"\\!a", "!a", true},
    {"[", "[", false},
    {"", "a", false},
    {"/", "a", false},
    {"*", "", false},
};

Test(ignore, one_pattern)
{
    for (size_t i = 0; i < ARRAY_COUNT(globs); i++) {
        cr_expect_eq(
            glob_matches(slice_of_string(globs[i].pattern), slice_of_string(globs[i].name)),
            globs[i].matches, "%s: %s", globs[i].pattern, globs[i].name);
    }
    cr_expect_null(glob_problem(SLICE("assets/**")));
    cr_expect_null(glob_problem(SLICE("#a")));
    cr_expect_not_null(glob_problem(SLICE("!a")));
    cr_expect_not_null(glob_problem(SLICE("[a")));
    cr_expect_not_null(glob_problem(SLICE("a\\")));
    cr_expect_not_null(glob_problem(SLICE("")));
}
