#include "admin/hosts.h"

#include <criterion/criterion.h>

Test(admin_hosts, numbers_and_localhost_need_no_leave)
{
    static const char *const allowed[] = {
        "127.0.0.1",   "127.0.0.1:9090",  "192.0.2.7", "192.0.2.7:80",   "[::1]",
        "[::1]:9090",  "[2001:db8::1]",   "localhost", "LocalHost:9090", "localhost.",
        "a.localhost", "a.b.localhost:1", "",
    };
    const struct admin_hosts hosts = {NULL, 0};
    for (size_t i = 0; i < ARRAY_COUNT(allowed); i++) {
        cr_expect(admin_hosts_allow(&hosts, slice_of_string(allowed[i])), "%s", allowed[i]);
    }
}

Test(admin_hosts, other_names_do)
{
    static const char *const refused[] = {
        "example.com",
        "example.com:9090",
        "127.0.0.1.example.com",
        "localhost.example.com",
        "notlocalhost",
        "xlocalhost",
        "1.2.3",
        "1.2.3.4.5",
        ".localhost",
        "256.0.0.1",
        "0x7f000001",
        ":9090",
    };
    const struct admin_hosts hosts = {NULL, 0};
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        cr_expect_not(admin_hosts_allow(&hosts, slice_of_string(refused[i])), "%s", refused[i]);
    }
}

Test(admin_hosts, origins_of_pages_of_this_address)
{
    static const struct {
        const char *origin, *host;
        bool is_own;
    } rows[] = {
        {"http://127.0.0.1:9090", "127.0.0.1:9090", true},
        {"https://admin.example", "Admin.example", true},
        {"http://127.0.0.1:9090", "127.0.0.1", false},
        {"http://127.0.0.1", "127.0.0.1:9090", false},
        {"http://other.example", "127.0.0.1:9090", false},
        {"http://127.0.0.1:9090.other.example", "127.0.0.1:9090", false},
        {"null", "127.0.0.1:9090", false},
        {"null", "null", false},
        {"file://x", "x", false},
        {"", "", false},
        {"http://", "", false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        cr_expect_eq(
            admin_origin_is_own(slice_of_string(rows[i].origin), slice_of_string(rows[i].host)),
            rows[i].is_own, "%s at %s", rows[i].origin, rows[i].host);
    }
}

Test(admin_hosts, given_names_compare_without_case_port_and_last_dot)
{
    static const char *const names[] = {"Admin.Example.com", "web1"};
    const struct admin_hosts hosts = {names, 2};
    cr_expect(admin_hosts_allow(&hosts, SLICE("admin.example.com")));
    cr_expect(admin_hosts_allow(&hosts, SLICE("ADMIN.EXAMPLE.COM:9090")));
    cr_expect(admin_hosts_allow(&hosts, SLICE("admin.example.com.:9090")));
    cr_expect(admin_hosts_allow(&hosts, SLICE("web1:80")));
    cr_expect_not(admin_hosts_allow(&hosts, SLICE("example.com")));
    cr_expect_not(admin_hosts_allow(&hosts, SLICE("x.admin.example.com")));
    cr_expect_not(admin_hosts_allow(&hosts, SLICE("web")));
}
