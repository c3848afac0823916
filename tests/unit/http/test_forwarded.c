/* The client behind proxies: tables of peers, fields and the address that comes out. */
#include "http/forwarded.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 3 };

/* Trusted in all tables: 10.0.0.0/8, 2001:db8:aaaa::/48, and what is on a Unix socket. */
#define TRUSTED "10.0.0.0/8,2001:db8:aaaa::/48,unix"

/* Field lines in order; their values in memory of their own, so that a read behind one is found. */
static struct request *request_of(const char *const lines[LINES_MAX])
{
    struct request *request = calloc(1, sizeof *request);
    for (size_t i = 0; i < LINES_MAX && lines[i] != NULL; i++) {
        struct slice value = slice_of_string(lines[i]);
        struct slice name = slice_take(&value, ':');
        value = slice_trim(value);
        struct http_field *field = &request->fields[request->field_count++];
        char *bytes = malloc(value.count + (value.count == 0));
        memcpy(bytes, value.bytes, value.count);
        field->name = name;
        field->value = (struct slice){bytes, value.count};
        field->id = slice_equal(name, SLICE("Forwarded"))         ? FIELD_FORWARDED
                    : slice_equal(name, SLICE("X-Forwarded-For")) ? FIELD_X_FORWARDED_FOR
                                                                  : FIELD_OTHER;
        request->known |= UINT32_C(1) << field->id;
    }
    return request;
}

/* The field lines of `request`, whose values are mallocs of request_of. */
static void request_free(struct request *request)
{
    for (size_t i = 0; i < request->field_count; i++) {
        char *bytes;
        memcpy(&bytes, &request->fields[i].value.bytes, sizeof bytes);
        free(bytes);
    }
    free(request);
}

static struct ip_address address_of(const char *text)
{
    struct ip_address address = {0};
    cr_assert(strcmp(text, "unix") == 0 || ip_address_parse(slice_of_string(text), &address), "%s",
              text);
    return address;
}

struct row {
    const char *peer;
    const char *lines[LINES_MAX]; /* NULL: no more */
    const char *client;
};

static void check(const struct row *rows, size_t count)
{
    struct address_list trusted = {0};
    struct error error;
    cr_assert(address_list_add(&trusted, TRUSTED, &error) == 0);
    for (size_t i = 0; i < count; i++) {
        struct request *request = request_of(rows[i].lines);
        struct ip_address peer = address_of(rows[i].peer);
        struct ip_address client = forwarded_client(request, &peer, &trusted);
        char text[IP_ADDRESS_TEXT_BYTES];
        ip_address_format(&client, text);
        cr_expect_str_eq(text, rows[i].client, "row %zu: %s: %s, not %s", i,
                         rows[i].lines[0] == NULL ? "none" : rows[i].lines[0], text,
                         rows[i].client);
        request_free(request);
    }
    address_list_fini(&trusted);
}

#define XFF "X-Forwarded-For: "

static const struct row x_forwarded_for[] = {
    /* nothing is said */
    {"10.0.0.1", {NULL}, "10.0.0.1"},
    {"10.0.0.1", {"X-Other: 192.0.2.1"}, "10.0.0.1"},
    {"10.0.0.1", {XFF}, "10.0.0.1"},
    {"unix", {NULL}, "unix"},
    /* a peer that is not trusted may say what it likes */
    {"198.51.100.1", {XFF "192.0.2.1"}, "198.51.100.1"},
    {"2001:db8::1", {XFF "192.0.2.1"}, "2001:db8::1"},
    {"11.0.0.1", {XFF "10.0.0.1"}, "11.0.0.1"},
    /* one entry, in every form */
    {"10.0.0.1", {XFF "192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1:4711"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "2001:db8::1"}, "2001:db8::1"},
    {"10.0.0.1", {XFF "[2001:db8::1]"}, "2001:db8::1"},
    {"10.0.0.1", {XFF "[2001:db8::1]:4711"}, "2001:db8::1"},
    {"10.0.0.1", {XFF "::ffff:192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "\"192.0.2.1\""}, "192.0.2.1"},
    {"10.0.0.1", {XFF "\"[2001:db8::1]:4711\""}, "2001:db8::1"},
    {"2001:db8:aaaa::1", {XFF "192.0.2.1"}, "192.0.2.1"},
    {"unix", {XFF "192.0.2.1"}, "192.0.2.1"},
    {"unix", {XFF "2001:db8::1, 10.1.1.1"}, "2001:db8::1"},
    /* from the last to the first, as long as hops are trusted */
    {"10.0.0.1", {XFF "192.0.2.1, 198.51.100.1"}, "198.51.100.1"},
    {"10.0.0.1", {XFF "192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1,10.0.0.2,10.0.0.3"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "203.0.113.9, 192.0.2.1 ,\t10.0.0.3 "}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1, 2001:db8:aaaa::7, 10.0.0.3"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "10.0.0.4, 198.51.100.1, 10.0.0.3"}, "198.51.100.1"},
    /* all of them trusted: the first */
    {"10.0.0.1", {XFF "10.0.0.4, 10.0.0.3"}, "10.0.0.4"},
    /* what is no address ends the walk: the hop that wrote it */
    {"10.0.0.1", {XFF "unknown"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "192.0.2.1, unknown"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
    {"10.0.0.1", {XFF "192.0.2.1, _hidden:80, 10.0.0.2"}, "10.0.0.2"},
    {"10.0.0.1", {XFF "192.0.2.1, 10.0.0"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "192.0.2.1 10.0.0.2"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "192.0.2.256"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "[2001:db8::1"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "["}, "10.0.0.1"},
    {"10.0.0.1", {XFF "[]"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "\""}, "10.0.0.1"},
    {"10.0.0.1", {XFF "\"\""}, "10.0.0.1"},
    {"10.0.0.1", {XFF ":80"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "for=192.0.2.1"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "unix"}, "10.0.0.1"},
    {"10.0.0.1", {XFF "192.0.2.1%eth0"}, "10.0.0.1"},
    /* several lines are one list (RFC 9110 section 5.3) */
    {"10.0.0.1", {XFF "192.0.2.1", XFF "198.51.100.1"}, "198.51.100.1"},
    {"10.0.0.1", {XFF "192.0.2.1", XFF "10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1", "X-Other: 198.51.100.1", XFF "10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "203.0.113.9, 192.0.2.1", XFF "10.0.0.3, 10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1", XFF, XFF "10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1", XFF "unknown", XFF "10.0.0.2"}, "10.0.0.2"},
    /* empty members are none (RFC 9110 section 5.6.1.2) */
    {"10.0.0.1", {XFF ", 192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1,"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "192.0.2.1, ,10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {XFF ","}, "10.0.0.1"},
    /* a quotation mark that a client sent does not hide what the proxy appended to its line */
    {"10.0.0.1", {XFF "\", 192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {XFF "\"203.0.113.9, 192.0.2.1"}, "192.0.2.1"},
};

Test(forwarded, x_forwarded_for)
{
    check(x_forwarded_for, ARRAY_COUNT(x_forwarded_for));
}

#define FWD "Forwarded: "

static const struct row forwarded[] = {
    {"10.0.0.1", {FWD}, "10.0.0.1"},
    {"198.51.100.1", {FWD "for=192.0.2.1"}, "198.51.100.1"},
    /* one element, in every form (RFC 7239 sections 4 and 6) */
    {"10.0.0.1", {FWD "for=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "For=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "FOR=\"192.0.2.1\""}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=\"192.0.2.1:47011\""}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=\"192.0.2.1:_port\""}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=\"[2001:db8::1]\""}, "2001:db8::1"},
    {"10.0.0.1", {FWD "for=\"[2001:db8::1]:47011\""}, "2001:db8::1"},
    {"10.0.0.1", {FWD "for=192.0.2.1;proto=http;by=203.0.113.43"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "by=203.0.113.43;for=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "host=a.example;proto=https;for=192.0.2.1;by=_x"}, "192.0.2.1"},
    /* from the last to the first */
    {"10.0.0.1", {FWD "for=192.0.2.1, for=198.51.100.1"}, "198.51.100.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1, for=10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1;by=10.0.0.3,for=10.0.0.3;by=10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=203.0.113.9, for=192.0.2.1", FWD "for=10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1", FWD "for=\"[2001:db8:aaaa::2]:1\""}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=10.0.0.3, for=10.0.0.2"}, "10.0.0.3"},
    /* what is no address, and elements without a client */
    {"10.0.0.1", {FWD "for=unknown"}, "10.0.0.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1, for=_hidden, for=10.0.0.2"}, "10.0.0.2"},
    {"10.0.0.1", {FWD "for=192.0.2.1, for=\"_SEVKISEK:1\""}, "10.0.0.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1, proto=https"}, "10.0.0.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1, by=203.0.113.9, for=10.0.0.2"}, "10.0.0.2"},
    {"10.0.0.1", {FWD "by=192.0.2.1"}, "10.0.0.1"},
    {"10.0.0.1", {FWD "xfor=192.0.2.1"}, "10.0.0.1"},
    {"10.0.0.1", {FWD "for"}, "10.0.0.1"},
    {"10.0.0.1", {FWD "for="}, "10.0.0.1"},
    {"10.0.0.1", {FWD "for=\""}, "10.0.0.1"},
    {"10.0.0.1", {FWD "for=\"["}, "10.0.0.1"},
    {"10.0.0.1", {FWD "192.0.2.1"}, "10.0.0.1"},
    {"10.0.0.1", {FWD ";"}, "10.0.0.1"},
    /* empty members are none (RFC 9110 section 5.6.1.2) */
    {"10.0.0.1", {FWD "for=192.0.2.1,"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1, , for=10.0.0.2"}, "192.0.2.1"},
    /* what is quoted separates nothing: a Host that a client chose cannot name another client */
    {"10.0.0.1", {FWD "by=\"a,b\";for=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1;host=\"x, for=203.0.113.9\""}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1;host=\"x\\\", for=203.0.113.9\""}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1;host=\"x\\\\\", for=10.0.0.2"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "host=\"a;b\";for=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "host=\"a;for=203.0.113.9\";for=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "host=\"a;for=203.0.113.9;b\";for=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "host=\"a\\\";for=203.0.113.9;b\";for=192.0.2.1"}, "192.0.2.1"},
    /* Forwarded goes before X-Forwarded-For, wherever it stands and whatever it says */
    {"10.0.0.1", {XFF "198.51.100.1", FWD "for=192.0.2.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=192.0.2.1", XFF "198.51.100.1"}, "192.0.2.1"},
    {"10.0.0.1", {FWD "for=10.0.0.2", XFF "198.51.100.1"}, "10.0.0.2"},
    {"10.0.0.1", {FWD "for=unknown", XFF "198.51.100.1"}, "10.0.0.1"},
    {"10.0.0.1", {FWD, XFF "198.51.100.1"}, "10.0.0.1"},
};

Test(forwarded, forwarded)
{
    check(forwarded, ARRAY_COUNT(forwarded));
}

/* A trusted proxy appends one entry, with a comma or as another line: whatever the client sent
 * before that, the client's own address is what comes out. */
Test(forwarded, what_the_client_sends_does_not_count)
{
    static const char *const sent[] = {"203.0.113.9",
                                       "10.0.0.9",
                                       "unknown",
                                       "10.0.0.9, 203.0.113.9",
                                       ",",
                                       "x",
                                       "for=203.0.113.9",
                                       "[::",
                                       "]",
                                       ":",
                                       "\\",
                                       ";",
                                       "=",
                                       "for=10.0.0.9"};
    for (size_t i = 0; i < ARRAY_COUNT(sent); i++) {
        char before[64], whole[128], whole_forwarded[128], forwarded_before[64];
        snprintf(before, sizeof before, XFF "%s", sent[i]);
        snprintf(whole, sizeof whole, XFF "%s, 192.0.2.1", sent[i]);
        snprintf(forwarded_before, sizeof forwarded_before, FWD "%s", sent[i]);
        snprintf(whole_forwarded, sizeof whole_forwarded, FWD "%s, for=192.0.2.1", sent[i]);
        const struct row rows[] = {
            {"10.0.0.1", {before, XFF "192.0.2.1"}, "192.0.2.1"},
            {"10.0.0.1", {whole}, "192.0.2.1"},
            {"10.0.0.1", {forwarded_before, FWD "for=192.0.2.1"}, "192.0.2.1"},
            {"10.0.0.1", {whole_forwarded}, "192.0.2.1"},
        };
        check(rows, ARRAY_COUNT(rows));
    }
}

/* Long lists, of members that a walk might confuse, have the client in front. */
Test(forwarded, long_lists)
{
    static const char *const members[] = {",10.0.0.2", ", \"10.0.0.2:1\"", ",[2001:db8:aaaa::1]"};
    enum { COUNT = 2000 };
    for (size_t i = 0; i < ARRAY_COUNT(members); i++) {
        size_t bytes = strlen(members[i]);
        char *line = malloc(sizeof XFF "192.0.2.1" + COUNT * bytes);
        strcpy(line, XFF "192.0.2.1");
        char *end = line + strlen(line);
        for (size_t j = 0; j < COUNT; j++, end += bytes) {
            memcpy(end, members[i], bytes + 1);
        }
        const struct row row = {"10.0.0.1", {line}, "192.0.2.1"};
        check(&row, 1);
        free(line);
    }
}
