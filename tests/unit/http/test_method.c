/* Names of methods as counters and spans tell them. */
#include "http/method.h"

#include <criterion/criterion.h>

Test(method, names)
{
    static const struct {
        const char *line, *name;
    } rows[] = {
        {"GET / HTTP/1.1\r\n", "GET"},
        {"HEAD / HTTP/1.1\r\n", "HEAD"},
        {"QUERY /a HTTP/1.1", "QUERY"},
        {"\r\n\r\nPUT / HTTP/1.1\r\n", "PUT"},
        {"DELETE", "DELETE"},
        {"GETS / HTTP/1.1", "_OTHER"},
        {"get / HTTP/1.1", "_OTHER"},
        {"", "_OTHER"},
        {"\r\n", "_OTHER"},
        {"GE", "_OTHER"},
        {"_OTHER / HTTP/1.1", "_OTHER"},
        {"OPTIONS * HTTP/1.1", "OPTIONS"},
        {"CONNECT a:1 HTTP/1.1", "CONNECT"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t found = method_name_of(slice_of_string(rows[i].line));
        cr_assert(found < METHOD_NAMES);
        cr_expect_str_eq(method_names[found].bytes, rows[i].name, "%s", rows[i].line);
    }
}
