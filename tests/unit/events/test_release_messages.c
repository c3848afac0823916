/* What browsers are told of a new list of sites. */
#include "events/release_messages.h"

#include "common/mem.h"
#include "site/site_state.h"
#include "sites.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static void change(struct sites *sites, struct site_change what,
                   struct release_messages *out_messages)
{
    struct site_list *before = sites_change(sites, what, 8, 0);
    release_messages_init(out_messages, before, sites->list);
    site_list_free(before);
}

static void add(struct sites *sites, const char *words, const char *hosts, const char *prefix,
                struct release_messages *out_messages)
{
    struct site *site = sites_make(sites, words, hosts, prefix);
    change(sites, (struct site_change){.added = site}, out_messages);
}

/* Exactly one message, with this text behind the state of the host. */
static void expect_one(const struct sites *sites, struct release_messages *messages,
                       const char *host, const char *expected)
{
    cr_assert_eq(messages->count, 1U, "%zu", messages->count);
    const struct event_message *message = messages->at[0];
    const char *state = site_list_state(sites->list, slice_of_string(host)).text;
    char *text = mem_format("{\"type\":\"release\",\"state\":\"%s\",%s}", state, expected);
    cr_expect_str_eq(message->text, text);
    cr_expect_str_eq(message->state, state);
    cr_expect_str_eq(message->type, "release");
    cr_expect_eq(message->text_bytes, strlen(message->text));
    cr_expect(event_message_concerns(message, slice_of_string(host)));
    free(text);
    release_messages_fini(messages);
}

Test(release_messages, name_what_differs)
{
    struct sites sites;
    struct release_messages messages;
    sites_init(&sites);
    add(&sites, "S F/b F/a", "*", NULL, &messages);
    expect_one(&sites, &messages, "",
               "\"site\":\"*/\",\"release\":1,\"changed\":[],\"added\":[\"/a\",\"/b\"],"
               "\"removed\":[],\"truncated\":false,"
               "\"counts\":{\"changed\":0,\"added\":2,\"removed\":0}");
    add(&sites, "O F/a:1 T/b F/\xc3\xa4", "*", NULL, &messages);
    expect_one(&sites, &messages, "",
               "\"site\":\"*/\",\"release\":2,\"changed\":[\"/a\"],\"added\":[\"/%C3%A4\"],"
               "\"removed\":[\"/b\"],\"truncated\":false,"
               "\"counts\":{\"changed\":1,\"added\":1,\"removed\":1}");
    add(&sites, "O F/a:1", "*", NULL, &messages); /* another release, and the same site */
    expect_one(&sites, &messages, "",
               "\"site\":\"*/\",\"release\":3,\"changed\":[],\"added\":[],\"removed\":[],"
               "\"truncated\":false,\"counts\":{\"changed\":0,\"added\":0,\"removed\":0}");
    add(&sites, "S F/x", "docs.test", "/a b", &messages);
    expect_one(&sites, &messages, "docs.test",
               "\"site\":\"docs.test/a%20b/\",\"release\":4,\"changed\":[],"
               "\"added\":[\"/a%20b/x\"],\"removed\":[],\"truncated\":false,"
               "\"counts\":{\"changed\":0,\"added\":1,\"removed\":0}");
    change(&sites, (struct site_change){.removed = sites_release(&sites, 4)}, &messages);
    expect_one(&sites, &messages, "docs.test", /* where the root's site answers again */
               "\"site\":\"*/\",\"release\":3,\"changed\":[],\"added\":[],"
               "\"removed\":[\"/a%20b/x\"],\"truncated\":false,"
               "\"counts\":{\"changed\":0,\"added\":0,\"removed\":1}");
    change(&sites, (struct site_change){.added = NULL}, &messages);
    cr_expect_eq(messages.count, 0U);
    release_messages_fini(&messages);
    sites_fini(&sites);
}

Test(release_messages, of_a_site_that_is_gone)
{
    struct sites sites;
    struct release_messages messages;
    sites_init(&sites);
    sites_add(&sites, "S F/x", "docs.test", NULL);
    change(&sites, (struct site_change){.removed = sites_release(&sites, 1)}, &messages);
    expect_one(&sites, &messages, "docs.test",
               "\"site\":\"docs.test/\",\"release\":null,\"changed\":[],\"added\":[],"
               "\"removed\":[\"/x\"],\"truncated\":false,"
               "\"counts\":{\"changed\":0,\"added\":0,\"removed\":1}");
    sites_fini(&sites);
}

/* Each host is told of what it sees, with its own state, once. */
Test(release_messages, are_for_the_hosts_that_see_a_difference)
{
    static const struct {
        const char *host;
        const char *site; /* NULL: it hears nothing */
    } rows[] = {
        {"own.test", NULL}, {"part.test", "*/"}, {"a.wide.test", "*/"},
        {"", "*/"},         {"anything", "*/"},
    };
    struct sites sites;
    struct release_messages messages;
    sites_init(&sites);
    sites_add(&sites, "S F/a F/docs/a", "*", NULL);
    sites_add(&sites, "S F/a", "own.test", NULL);
    sites_add(&sites, "S F/a", "part.test", "/docs");
    sites_add(&sites, "S F/x", "*.wide.test", "/other");
    add(&sites, "S F/a:1 F/docs/a:1", "*", NULL, &messages);
    cr_expect_eq(messages.count, 3U);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct slice host = slice_of_string(rows[i].host);
        size_t heard = 0;
        for (size_t j = 0; j < messages.count; j++) {
            const struct event_message *message = messages.at[j];
            if (!event_message_concerns(message, host)) {
                continue;
            }
            heard++;
            cr_expect_str_eq(message->state, site_list_state(sites.list, host).text, "%s",
                             rows[i].host);
            bool has_docs = strstr(message->text, "\"/docs/a\"") != NULL;
            cr_expect_eq(has_docs, strcmp(rows[i].host, "part.test") != 0, "%s", rows[i].host);
            cr_expect_not_null(strstr(message->text, "\"site\":\"*/\""));
        }
        cr_expect_eq(heard, rows[i].site == NULL ? 0U : 1U, "%s", rows[i].host);
    }
    release_messages_fini(&messages);
    sites_fini(&sites);
}

/* Messages have a bound, and so have all of one change. */
Test(release_messages, are_bounded)
{
    enum { PATHS = 4000, HOSTS = 100 };
    char *words = NULL;
    char *hosts = NULL;
    size_t bytes;
    struct sites sites;
    struct release_messages messages;
    sites_init(&sites);
    FILE *stream = open_memstream(&words, &bytes);
    fputc('S', stream);
    for (int i = 0; i < PATHS; i++) {
        fprintf(stream, " F/%0100d", i);
    }
    fclose(stream);
    add(&sites, words, "*", NULL, &messages);
    cr_assert_eq(messages.count, 1U);
    cr_expect_leq(messages.at[0]->text_bytes, (size_t)EVENT_PATH_BYTES_MAX + 4096);
    cr_expect_geq(messages.at[0]->text_bytes, (size_t)EVENT_PATH_BYTES_MAX / 2);
    cr_expect_not_null(strstr(messages.at[0]->text, "\"truncated\":true"));
    cr_expect_not_null(strstr(messages.at[0]->text, "\"added\":4000"));
    release_messages_fini(&messages);
    stream = open_memstream(&hosts, &bytes);
    for (int i = 0; i < HOSTS; i++) {
        fprintf(stream, "%sh%d.test", i > 0 ? "," : "", i);
    }
    fclose(stream);
    add(&sites, words, hosts, "/p", &messages);
    cr_expect_eq(messages.count, (size_t)HOSTS);
    size_t all = 0;
    for (size_t i = 0; i < messages.count; i++) {
        all += messages.at[i]->text_bytes;
        cr_expect_not_null(strstr(messages.at[i]->text, "\"added\":4000"));
    }
    cr_expect_leq(all, (size_t)EVENT_CHANGE_BYTES_MAX + HOSTS * 4096U);
    release_messages_fini(&messages);
    free(words);
    free(hosts);
    sites_fini(&sites);
}
