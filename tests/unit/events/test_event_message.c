#include "events/event_message.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct event_message *release_for(struct event_hosts *hosts, const char *name)
{
    return event_message_release(hosts, slice_of_string(name), "0123456789abcdef", strdup("{}"), 2);
}

/* Who hears what is for the pattern: of those that match a host, the most specific one counts. */
Test(event_message, concerns_the_most_specific_pattern_alone)
{
    static const struct {
        const char *pattern;
        const char *host;
        bool hears;
    } rows[] = {
        {"a.example", "a.example", true},
        {".example", "a.example", false},
        {"", "a.example", false},
        {".example", "b.example", true},
        {".example", "deep.b.example", true},
        {"", "b.example", false},
        {".b.test", "x.b.test", true},
        {".b.test", "b.test", false}, /* a pattern is of the names below */
        {"", "b.test", true},
        {"", "example", true},
        {"", "xa.exampl", true},
        {"", "", true}, /* no host at all */
        {"a.example", "", false},
        {"", "127.0.0.1", true},
    };
    const struct slice names[] = {SLICE("a.example"), SLICE(""), SLICE(".example"),
                                  SLICE(".b.test")};
    struct event_hosts *hosts = event_hosts_new(names, ARRAY_COUNT(names));
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct event_message *message = release_for(hosts, rows[i].pattern);
        cr_expect_eq(event_message_concerns(message, slice_of_string(rows[i].host)), rows[i].hears,
                     "row %zu: \"%s\" for \"%s\"", i, rows[i].pattern, rows[i].host);
        event_message_unref(message);
    }
    event_hosts_unref(hosts);
}

Test(event_message, without_a_pattern_for_every_host_a_stranger_hears_nothing)
{
    const struct slice names[] = {SLICE("a.example")};
    struct event_hosts *hosts = event_hosts_new(names, 1);
    struct event_message *message = release_for(hosts, "a.example");
    event_hosts_unref(hosts); /* the message has its own reference */
    cr_expect_not(event_message_concerns(message, SLICE("b.example")));
    cr_expect(event_message_concerns(message, SLICE("a.example")));
    event_message_unref(message);
}

Test(event_message, errors_are_for_everybody_and_are_escaped)
{
    struct event_message *error = event_message_error(SLICE("a \"b\"\nc\x01 \xff"));
    cr_expect(event_message_concerns(error, SLICE("a.example")));
    cr_expect(event_message_concerns(error, SLICE("")));
    cr_expect_str_eq(error->type, "error");
    cr_expect_str_eq(error->state, "");
    cr_expect_str_eq(error->text,
                     "{\"type\":\"error\",\"text\":\"a \\\"b\\\"\\nc\\u0001 \xef\xbf\xbd\"}");
    cr_expect_eq(error->text_bytes, strlen(error->text));
    struct event_message *again = event_message_ref(error);
    event_message_unref(error);
    size_t bytes;
    char *hello = event_hello("0123456789abcdef", 12, again, &bytes);
    cr_expect_str_eq(hello, "{\"type\":\"hello\",\"state\":\"0123456789abcdef\",\"age_ms\":12,"
                            "\"error\":\"a \\\"b\\\"\\nc\\u0001 \xef\xbf\xbd\"}");
    cr_expect_eq(bytes, strlen(hello));
    free(hello);
    event_message_unref(again);
}

Test(event_message, mended_and_hello_are_short)
{
    struct event_message *mended = event_message_mended();
    cr_expect_str_eq(mended->text, "{\"type\":\"mended\"}");
    size_t bytes;
    char *hello = event_hello("0000000000000000", 0, NULL, &bytes);
    cr_expect_str_eq(hello, "{\"type\":\"hello\",\"state\":\"0000000000000000\",\"age_ms\":0}");
    free(hello);
    event_message_unref(mended);
    event_message_unref(NULL);
    event_hosts_unref(NULL);
}
