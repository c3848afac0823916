/* Whose pages may listen: hosts and ports with and without the scheme's own, lists, this machine.
 */
#include "http/origin.h"

#include <criterion/criterion.h>

static struct request request;

/* A request with this Host, and these values of Origin; NULL: no more. */
static void set_request(const char *host, const char *first, const char *second)
{
    const char *values[] = {first, second};
    request.host = slice_of_string(host);
    request.field_count = 0;
    for (size_t i = 0; i < 2 && values[i] != NULL; i++) {
        request.fields[request.field_count++] = (struct http_field){
            .name = SLICE("origin"),
            .value = slice_of_string(values[i]),
        };
    }
}

static const struct origin_list nobody;

static const struct {
    const char *host, *origin;
    bool is_allowed;
} own[] = {
    {"example.com", NULL, true}, /* no browser */
    {"example.com", "http://example.com", true},
    {"example.com", "https://example.com", true},
    {"example.com", "HTTP://Example.COM", true},
    {"EXAMPLE.com", "http://example.com", true},
    {"example.com:80", "http://example.com", true},
    {"example.com:443", "https://example.com", true},
    {"example.com", "http://example.com:80", true},
    {"example.com", "https://example.com:443", true},
    {"example.com:", "http://example.com", true}, /* an empty port is none (RFC 3986 §3.2.3) */
    {"example.com:8080", "http://example.com:8080", true},
    {"example.com:8080", "https://example.com:8080", true},
    {"192.0.2.1:8080", "http://192.0.2.1:8080", true},
    {"[2001:db8::1]", "http://[2001:db8::1]", true},
    {"[2001:db8::1]:8080", "https://[2001:db8::1]:8080", true},
    {"[2001:DB8::1]", "http://[2001:db8::1]", true},
    {"example.com.", "http://example.com.", true},
    /* other ports */
    {"example.com", "http://example.com:8080", false},
    {"example.com:8080", "http://example.com", false},
    {"example.com:8080", "http://example.com:8081", false},
    {"example.com:443", "http://example.com", false},
    {"example.com:80", "https://example.com", false},
    {"example.com", "http://example.com:443", false},
    {"[2001:db8::1]:80", "http://[2001:db8::1]:81", false},
    /* other hosts */
    {"example.com", "http://evil.example", false},
    {"example.com", "http://example.com.evil.example", false},
    {"example.com", "http://evilexample.com", false},
    {"example.com", "http://www.example.com", false},
    {"www.example.com", "http://example.com", false},
    {"example.com", "http://example.co", false},
    {"example.com", "http://example.com.", false},
    {"[2001:db8::1]", "http://[2001:db8::2]", false},
    {"[2001:db8::1]", "http://2001", false},
    {"", "http://example.com", false},
    {"", "http://", false},
    {"localhost", "http://127.0.0.1", false},
    {"localhost:8080", "http://localhost:5173", false},
    /* no origins of pages */
    {"example.com", "null", false},
    {"example.com", "", false},
    {"example.com", "example.com", false},
    {"example.com", "//example.com", false},
    {"example.com", "ftp://example.com", false},
    {"example.com", "ws://example.com", false},
    {"example.com", "file://", false},
    {"example.com", "moz-extension://example.com", false},
    {"example.com", "http://example.com/", false},
    {"example.com", "http://example.com/page", false},
    {"example.com", "http://example.com#", false},
    {"example.com", "http://example.com?", false},
    {"example.com", "http://user@example.com", false},
    {"example.com", "http://example.com http://example.com", false},
    {"example.com", "http://example.com http://evil.example", false},
    {"example.com", "http://example.com:", true},
    {"example.com", "http://example.com:80x", false},
    {"example.com", "http://example.com:080", true},
    {"example.com", "http://example.com:65616", false}, /* 80, if 16 bits were all */
    {"example.com", "http://example.com:4294967376", false},
    {"example.com", "http://example.com:-80", false},
    {"example.com", "http:/example.com", false},
    {"example.com", "http//example.com", false},
    {"[2001:db8::1]", "http://[2001:db8::1", false},
    {"[2001:db8::1]", "http://[2001:db8::1]x", false},
    {"[2001:db8::1]", "http://[2001:db8::1]8080", false},
};

Test(origin, of_the_server_itself)
{
    for (size_t i = 0; i < ARRAY_COUNT(own); i++) {
        set_request(own[i].host, own[i].origin, NULL);
        cr_expect_eq(origin_is_allowed(&request, &nobody), own[i].is_allowed, "%s at %s",
                     own[i].origin, own[i].host);
    }
}

Test(origin, of_two_lines_is_none)
{
    set_request("example.com", "http://example.com", "http://example.com");
    cr_expect_not(origin_is_allowed(&request, &nobody));
}

static const struct {
    const char *origin;
    bool is_allowed;
} loopbacks[] = {
    {"http://localhost", true},
    {"https://localhost", true},
    {"http://localhost:5173", true},
    {"http://LOCALHOST:5173", true},
    {"http://localhost.:5173", true},
    {"http://app.localhost:5173", true},
    {"http://a.b.localhost", true},
    {"http://127.0.0.1:5173", true},
    {"http://127.255.255.254", true},
    {"http://[::1]:5173", true},
    {"https://[::1]", true},
    {"null", false},
    {"file://localhost", false},
    {"http://.localhost", false},
    {"http://notlocalhost", false},
    {"http://localhost.example.com", false},
    {"http://127.0.0.1.example.com", false},
    {"http://128.0.0.1", false},
    {"http://127.0.0.1.", true},
    {"http://10.0.0.1", false},
    {"http://[::2]", false},
    {"http://[::127.0.0.1]", false},
    {"http://[::ffff:10.0.0.1]", false},
    {"http://.", false},
    {"http://127.1", false}, /* browsers say 127.0.0.1 */
    {"http://evil.example", false},
    {"http://evil.example:80/localhost", false},
    {"http://evil.example@localhost", false},
    {"http://evil.example@app.localhost", false},
    {"http://evil.example/.localhost", false},
    {"http://evil.example\\.localhost", false},
    {"http://[127.0.0.1]", false},
    {"http://*.localhost", false},
};

Test(origin, of_this_machine)
{
    static const struct origin_list machine = {.is_loopback = true};
    for (size_t i = 0; i < ARRAY_COUNT(loopbacks); i++) {
        set_request("192.0.2.1", loopbacks[i].origin, NULL);
        cr_expect_eq(origin_is_allowed(&request, &machine), loopbacks[i].is_allowed, "%s",
                     loopbacks[i].origin);
        cr_expect_not(origin_is_allowed(&request, &nobody), "%s", loopbacks[i].origin);
    }
}

static const struct {
    const char *origin;
    bool is_allowed;
} listed[] = {
    {"https://app.example.com", true},
    {"https://APP.example.com:443", true},
    {"http://10.0.0.7:3000", true},
    {"http://[2001:db8::7]", true},
    {"https://second.example", true},
    {"http://app.example.com", false}, /* in a list, the scheme counts */
    {"http://app.example.com:443", false},
    {"https://app.example.com:8443", false},
    {"https://example.com", false},
    {"https://x.app.example.com", false},
    {"http://10.0.0.7", false},
    {"http://[2001:db8::7]:81", false},
    {"null", false},
};

Test(origin, of_a_list)
{
    struct origin_list list = {0};
    struct error error = {""};
    cr_assert_eq(origin_list_add(&list, "https://app.example.com, http://10.0.0.7:3000", &error),
                 0);
    cr_assert_eq(origin_list_add(&list, "http://[2001:db8::7]", &error), 0);
    cr_assert_eq(origin_list_add(&list, "HTTPS://Second.example:443", &error), 0);
    cr_assert_eq(list.count, 4);
    for (size_t i = 0; i < ARRAY_COUNT(listed); i++) {
        set_request("example.net", listed[i].origin, NULL);
        cr_expect_eq(origin_is_allowed(&request, &list), listed[i].is_allowed, "%s",
                     listed[i].origin);
    }
    set_request("example.net", "http://example.net", NULL);
    cr_expect(origin_is_allowed(&request, &list), "its own is let in beside the list");
    origin_list_fini(&list);
    cr_expect_eq(list.count, 0);
}

static const char *const no_origins[] = {
    "example.com",
    "null",
    "*",
    "http://*",
    "http://*.example.com",
    "http://",
    "http://example.com/",
    "http://example.com/page",
    "http://user@example.com",
    "ws://example.com",
    "http://example.com:x",
    "http://example.com:65536",
    "http://exa mple.com",
    "http://[::1",
    "http://[::g]",
    "http://[]",
    "http://[10.0.0.1]",
    "http://:80",
    "http://\xc3\xa4.example", /* browsers say xn--4ca.example */
    "http://a.example,,http://b.example",
};

Test(origin, lists_that_are_refused)
{
    for (size_t i = 0; i < ARRAY_COUNT(no_origins); i++) {
        struct origin_list list = {0};
        struct error error = {""};
        cr_expect_eq(origin_list_add(&list, no_origins[i], &error), ERR_USAGE, "%s", no_origins[i]);
        cr_expect_neq(strlen(error.text), 0, "%s", no_origins[i]);
        origin_list_fini(&list);
    }
}
