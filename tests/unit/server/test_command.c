/* The control commands: how a line is taken apart, and what each answers. */
#include "server/control/command.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

/* A server without sites and workers. */
struct fixture {
    struct publication publication;
    struct undertaker undertaker;
    struct loader loader;
    struct command_context context;
};

static void fixture_init(struct fixture *fixture)
{
    publication_init(&fixture->publication);
    cr_assert(undertaker_init(&fixture->undertaker, NULL) == 0);
    fixture->loader = (struct loader){.publication = &fixture->publication,
                                      .undertaker = &fixture->undertaker,
                                      .retention = {4, 0}};
    fixture->context = (struct command_context){.loader = &fixture->loader};
}

static void fixture_fini(struct fixture *fixture)
{
    publication_fini(&fixture->publication);
    undertaker_fini(&fixture->undertaker);
}

/* The whole reply to one line; the caller frees. */
static char *run(struct fixture *fixture, struct slice line)
{
    struct reply reply = {0};
    command_run(&fixture->context, line, &reply);
    cr_assert(reply.count > 0 && reply.text[reply.count - 1] == '\n', "no reply");
    cr_assert(strlen(reply.text) == reply.count);
    return reply.text;
}

#define MISSING  ": No such file or directory\n"
#define UNQUOTED "error load index: the quoted path does not end\n"
#define FOLLOWED                                                                                   \
    "error load index: something else than host=, at= and traceparent= follows the quoted path\n"

static const struct {
    const char *line;
    const char *reply;
} rows[] = {
    /* words, with any space between and around them */
    {"list", "ok list sites=0\n"},
    {"  list \t ", "ok list sites=0\n"},
    {"quit", "ok quit\n"},
    {"load index", "error load index: PATH is missing\n"},
    {"load \t index  ", "error load index: PATH is missing\n"},
    {"list x", "error list: it takes --json or nothing\n"},
    {"status  now", "error status: it takes --json or nothing\n"},
    {"help list", "error help: it takes no argument\n"},
    {"announce error ", "error announce error: TEXT is missing\n"},
    {"announce  mended x", "error announce mended: it takes no argument\n"},
    {"announce mended", "error announce mended: nobody can listen: started without --events\n"},
    {"announce error x", "error announce error: nobody can listen: started without --events\n"},
    {"announce", "error announce: unknown command; help lists them\n"},
    {"quit quit", "error quit: it takes no argument\n"},
    /* no command */
    {"", "error : unknown command; help lists them\n"},
    {"lists", "error lists: unknown command; help lists them\n"},
    {"lis", "error lis: unknown command; help lists them\n"},
    {"LIST", "error LIST: unknown command; help lists them\n"},
    {"load", "error load: unknown command; help lists them\n"},
    {"load indexes /x", "error load: unknown command; help lists them\n"},
    {"loadindex /x", "error loadindex: unknown command; help lists them\n"},
    {"  nonsense here", "error nonsense: unknown command; help lists them\n"},
    {"caf\xc3\xa9 x", "error caf??: unknown command; help lists them\n"},
    {"a\x01\x7f", "error a??: unknown command; help lists them\n"},
    {"123456789012345678901234567890123456789", "error 12345678901234567890123456789012: unknown "
                                                "command; help lists them\n"},
    /* the path runs to the end of the line */
    {"load index /nonexistent/a.idx", "error load index: /nonexistent/a.idx" MISSING},
    {"load index /nonexistent/a b  c.idx", "error load index: /nonexistent/a b  c.idx" MISSING},
    {"load index   /nonexistent/a.idx \t", "error load index: /nonexistent/a.idx" MISSING},
    {"load index /nonexistent/\"a", "error load index: /nonexistent/\"a" MISSING},
    {"load index /nonexistent/\\x", "error load index: /nonexistent/\\x" MISSING},
    {"load index /nonexistent/caf\xc3\xa9", "error load index: /nonexistent/caf\xc3\xa9" MISSING},
    /* or to its closing quote */
    {"load index \"/nonexistent/a b\"", "error load index: /nonexistent/a b" MISSING},
    {"load index \"/nonexistent/ \"", "error load index: /nonexistent/ " MISSING},
    {"load index \"/nonexistent/\\\"q\\\"\"", "error load index: /nonexistent/\"q\"" MISSING},
    {"load index \"/nonexistent/a\\\\b\"", "error load index: /nonexistent/a\\b" MISSING},
    {"load index \"/nonexistent/a", UNQUOTED},
    {"load index \"/nonexistent/a\\\"", UNQUOTED},
    {"load index \"/nonexistent/a\" x", FOLLOWED},
    {"load index \"/nonexistent/a\"x", FOLLOWED},
    /* or to the words that belong to it */
    {"load index /nonexistent/a b host=a.example", "error load index: /nonexistent/a b" MISSING},
    {"load index /nonexistent/a at=/b  host=*", "error load index: /nonexistent/a" MISSING},
    {"load index \"/nonexistent/a at=/b\" at=/c", "error load index: /nonexistent/a at=/b" MISSING},
    {"load index /nonexistent/a at=/b c", "error load index: /nonexistent/a at=/b c" MISSING},
    {"load index /nonexistent/a at=/b at=/c", "error load index: /nonexistent/a at=/b" MISSING},
    {"load index host=a.example", "error load index: PATH is missing\n"},
    {"load index \"\"", UNQUOTED},
    {"load index \"", UNQUOTED},
    {"load index \"\\", UNQUOTED},
    /* what is no index */
    {"load index /dev/null", "error load index: /dev/null: not a regular file\n"},
};

Test(command, lines_and_replies)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct fixture fixture;
        fixture_init(&fixture);
        char *reply = run(&fixture, slice_of_string(rows[i].line));
        cr_expect(strcmp(reply, rows[i].reply) == 0, "\"%s\": %s", rows[i].line, reply);
        cr_expect(fixture.context.wants_quit == (strcmp(rows[i].reply, "ok quit\n") == 0));
        cr_expect(loader_sites(&fixture.loader)->count == 0);
        free(reply);
        fixture_fini(&fixture);
    }
}

Test(command, help_has_a_row_per_command)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *reply = run(&fixture, SLICE("help"));
    static const char *const parts[] = {
        "command load index PATH [host=NAME,...] [at=/PREFIX] [traceparent=...]: ",
        "\ncommand list [--json]: ",
        "\ncommand status [--json]: ",
        "\ncommand quit: ",
        "\ncommand help: ",
        "\nok help commands="};
    size_t lines = 0;
    for (const char *at = reply; *at != '\0'; at++) {
        lines += *at == '\n';
    }
    for (size_t i = 0; i < ARRAY_COUNT(parts); i++) {
        cr_expect(strstr(reply, parts[i]) != NULL, "%s", parts[i]);
    }
    char end[64];
    snprintf(end, sizeof end, "\nok help commands=%zu\n", lines - 1);
    cr_expect(strstr(reply, end) != NULL, "%s", reply);
    free(reply);
    fixture_fini(&fixture);
}

Test(command, status_is_one_line)
{
    struct fixture fixture;
    fixture_init(&fixture);
    char *reply = run(&fixture, SLICE("status"));
    cr_expect(strncmp(reply, "ok status version=" CAIRN_VERSION " pid=", 20) == 0, "%s", reply);
    cr_expect(strstr(reply, " workers=0 sites=0 ") != NULL, "%s", reply);
    cr_expect(strchr(reply, '\n') == reply + strlen(reply) - 1);
    free(reply);
    fixture_fini(&fixture);
}

/* As long as a line can be: the path does not fit into the error's sentence, which stays a line. */
Test(command, longest_lines)
{
    static char line[CONTROL_LINE_BYTES_MAX];
    struct fixture fixture;
    fixture_init(&fixture);
    static const char *const starts[] = {"load index /", "load index \"/", "x"};
    for (size_t i = 0; i < ARRAY_COUNT(starts); i++) {
        memset(line, 'a', sizeof line);
        memcpy(line, starts[i], strlen(starts[i]));
        char *reply = run(&fixture, (struct slice){line, sizeof line});
        cr_expect(strncmp(reply, "error ", 6) == 0, "%s", reply);
        cr_expect(strchr(reply, '\n') == reply + strlen(reply) - 1);
        free(reply);
    }
    fixture_fini(&fixture);
}

Test(command, what_is_no_line_is_told)
{
    static const struct {
        enum line_event event;
        const char *reply;
    } events[] = {
        {LINE_TOO_LONG, "error line: longer than 16384 bytes\n"},
        {LINE_BINARY, "error line: it has control characters\n"},
        {LINE_UNFINISHED, "error line: it ended without a newline and was not carried out\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(events); i++) {
        struct reply reply = {0};
        command_reject(events[i].event, &reply);
        cr_expect(strcmp(reply.text, events[i].reply) == 0, "%s", reply.text);
        free(reply.text);
    }
}

Test(command, reply_grows)
{
    struct reply reply = {0};
    size_t count = 0;
    for (int i = 0; i < 3000; i++) {
        reply_format(&reply, "%d %s\n", i, "some text");
        count += (size_t)snprintf(NULL, 0, "%d %s\n", i, "some text");
    }
    cr_expect(reply.count == count && strlen(reply.text) == count);
    cr_expect(strncmp(reply.text, "0 some text\n1 some text\n", 24) == 0);
    free(reply.text);
}
