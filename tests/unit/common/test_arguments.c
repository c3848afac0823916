/* @FILE: the words of a file in the place of one word. */
#include "common/arguments.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(arguments, .init = scratch_enter, .fini = scratch_leave);

/* The words, each in brackets, with where they stand: "[--loud]a.conf:1 ". Those that begin with @
 * are expanded where they stand; the error is put behind. */
static void tell(const char *const *words, int count, char *out, size_t capacity)
{
    struct arguments arguments;
    struct error error = {""};
    char *copies[4];
    int status = 0;
    for (int i = 0; i < count; i++) {
        copies[i] = strdup(words[i]);
    }
    arguments_init(&arguments, count, copies);
    for (size_t i = 0; i < arguments.count && status == 0;) {
        if (arguments.at[i].text[0] == '@') {
            status = arguments_expand(&arguments, i, &error);
        } else {
            i++;
        }
    }
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < arguments.count && status == 0; i++) {
        const struct argument *argument = &arguments.at[i];
        used += (size_t)snprintf(out + used, capacity - used, "[%s]%s ", argument->text,
                                 argument->where == NULL ? "" : argument->where);
    }
    if (status != 0) {
        cr_expect(status == ERR_USAGE);
        snprintf(out, capacity, "error %s", error.text);
    }
    for (int i = 0; i < count; i++) {
        free(copies[i]);
    }
    arguments_fini(&arguments);
}

static void check(const char *word, const char *wanted)
{
    const char *const words[] = {"first", word, "last"};
    char told[4096];
    tell(words, 3, told, sizeof told);
    cr_expect(strcmp(told, wanted) == 0, "%s, not %s", told, wanted);
}

Test(arguments, lines)
{
    static const struct {
        const char *line, *words;
    } rows[] = {
        {"--loud", "[--loud]"},
        {"  --loud\t\r\n", "[--loud]"},
        {"--listen :80", "[--listen=:80]"},
        {"--listen  \t :80", "[--listen=:80]"},
        {"--listen=:80", "[--listen=:80]"},
        {"--header X: a  b \"c\"", "[--header=X: a  b \"c\"]"},
        {"--header=X: a b", "[--header=X: a b]"},
        {"--limit a=b", "[--limit=a=b]"},
        {"-p 8080", "[-p8080]"},
        {"-p8080", "[-p8080]"},
        {"-q", "[-q]"},
        {"--", "[--]"},
        {"", ""},
        {" \t", ""},
        {"# --loud", ""},
        {"  # --loud", ""},
        {"--name a # b", "[--name=a # b]"},
        {"site.idx", "[site.idx]"},
        {"a\r\rb \r", "[a][b]"},
        {"site.idx host=a,b at=/docs", "[site.idx][host=a,b][at=/docs]"},
        {"\"my site.idx\"  host=a", "[my site.idx][host=a]"},
        {"at=\"/a b\"", "[at=/a b]"},
        {"\"a\\\"b\\\\c\\d\"", "[a\"b\\c\\d]"},
        {"a\\b", "[a\\b]"},
        {"\"\"", "[]"},
        {"\"a", "the quotes do not end"},
        {"\"a\\\"", "the quotes do not end"},
        {"@other file", "[@other file]"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct arguments arguments = {0};
        char told[256] = "";
        char *line = strdup(rows[i].line);
        const char *why = arguments_add_line(&arguments, line);
        for (size_t j = 0; j < arguments.count; j++) {
            size_t used = strlen(told);
            snprintf(told + used, sizeof told - used, "[%s]", arguments.at[j].text);
        }
        snprintf(told, why == NULL ? 0 : sizeof told, "%s", why);
        cr_expect(strcmp(told, rows[i].words) == 0, "%s: %s", rows[i].line, told);
        arguments_fini(&arguments);
        free(line);
    }
}

Test(arguments, files)
{
    scratch_file("a.conf", "# first\n--loud\n\n--name a b\nx.idx host=a\n");
    check("@a.conf", "[first] [--loud]a.conf:2 [--name=a b]a.conf:4 [x.idx]a.conf:5 "
                     "[host=a]a.conf:5 [last] ");
    scratch_file("empty", "");
    check("@empty", "[first] [last] ");
    scratch_file("unfinished", "--loud");
    check("@unfinished", "[first] [--loud]unfinished:1 [last] ");
}

/* From the folder of the file that names it, not from the working directory. */
Test(arguments, files_in_files)
{
    scratch_folder("etc");
    scratch_folder("etc/more");
    scratch_file("etc/a.conf", "-a\n@b.conf\n@more/c.conf\n-z\n");
    scratch_file("etc/b.conf", "-b\n");
    scratch_file("etc/more/c.conf", "@../b.conf\n-c\n");
    check("@etc/a.conf", "[first] [-a]etc/a.conf:1 [-b]etc/b.conf:1 [-b]etc/more/../b.conf:1 "
                         "[-c]etc/more/c.conf:2 [-z]etc/a.conf:4 [last] ");
    char *absolute;
    cr_assert(asprintf(&absolute, "@%s/etc/b.conf\n", scratch_root()) > 0);
    scratch_file("etc/d.conf", absolute);
    char told[4096];
    tell((const char *const[]){"@etc/d.conf"}, 1, told, sizeof told);
    cr_expect(strncmp(told, "[-b]/", 5) == 0, "%s", told);
    free(absolute);
}

Test(arguments, what_is_refused)
{
    check("@none", "error @none: No such file or directory");
    check("@", "error @: No such file or directory");
    scratch_folder("folder");
    check("@folder", "error @folder: Is a directory");
    scratch_file("a", "-a\n@none\n");
    check("@a", "error a:2: @./none: No such file or directory");
    scratch_file("quotes", "\n\"a\n");
    check("@quotes", "error quotes:2: the quotes do not end");
    scratch_bytes("zero", "-a\0b\n", 5);
    check("@zero", "error zero:1: a byte that is zero");
}

Test(arguments, a_file_in_itself)
{
    char told[4096];
    scratch_file("loop", "-a\n@loop\n");
    tell((const char *const[]){"@loop"}, 1, told, sizeof told);
    cr_expect(strstr(told, "files in files, more than 16 deep") != NULL, "%s", told);
}

/* No size is given anywhere. */
Test(arguments, long_lines_and_many)
{
    enum { LINES = 3000, LINE_BYTES = 100000 };
    char *text = malloc(LINE_BYTES + LINES * 3 + 2);
    cr_assert(text != NULL);
    memset(text, 'x', LINE_BYTES);
    for (size_t i = 0; i < LINES; i++) {
        memcpy(text + LINE_BYTES + i * 3, "\n-a", 3);
    }
    scratch_bytes("big", text, LINE_BYTES + (size_t)LINES * 3);
    struct arguments arguments;
    struct error error = {""};
    char word[] = "@big";
    char *words[] = {word};
    arguments_init(&arguments, 1, words);
    cr_assert(arguments_expand(&arguments, 0, &error) == 0, "%s", error.text);
    cr_expect(arguments.count == LINES + 1);
    cr_expect(strlen(arguments.at[0].text) == LINE_BYTES);
    cr_expect(strcmp(arguments.at[LINES].where, "big:3001") == 0);
    arguments_fini(&arguments);
    free(text);
}
