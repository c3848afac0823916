/* From what a page asks for to the line of a command: nothing of a value becomes another word. */
#include "admin/change.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(admin_change, lines)
{
    static const struct {
        enum admin_change change;
        const char *body;
        const char *line;
    } rows[] = {
        {ADMIN_LOAD, "{\"index\":\"/srv/site.000042.idx\"}", "load index \"/srv/site.000042.idx\""},
        {ADMIN_LOAD, "{\"index\":\"/a b\\\"c\\\\d\"}", "load index \"/a b\\\"c\\\\d\""},
        {ADMIN_LOAD, "{\"index\":\"/x host=evil\"}", "load index \"/x host=evil\""},
        {ADMIN_LOAD, "{\"at\":\"/docs\",\"index\":\"/x\",\"host\":\"a,*.b\"}",
         "load index \"/x\" host=a,*.b at=/docs"},
        {ADMIN_ROLLBACK, "{}", "rollback"},
        {ADMIN_ROLLBACK, " { \"host\" : \"*\", \"at\" : \"/\" } ", "rollback host=* at=/"},
        {ADMIN_ROLLBACK, "{\"id\":12,\"at\":\"/d\"}", "rollback at=/d id=12"},
        {ADMIN_PROMOTE, "{\"id\":7}", "promote 7"},
        {ADMIN_PROMOTE, "{\"id\":7,\"host\":\"a\",\"at\":\"/d\"}", "promote 7 host=a at=/d"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *line = NULL;
        struct error error = {""};
        int status =
            admin_change_line(rows[i].change, slice_of_string(rows[i].body), &line, &error);
        cr_assert_eq(status, 0, "%s: %s", rows[i].body, error.text);
        cr_expect_str_eq(line, rows[i].line);
        free(line);
    }
}

Test(admin_change, what_is_none)
{
    static const struct {
        enum admin_change change;
        const char *body;
    } rows[] = {
        {ADMIN_LOAD, ""},
        {ADMIN_LOAD, "[]"},
        {ADMIN_LOAD, "\"/x\""},
        {ADMIN_LOAD, "{}"},
        {ADMIN_LOAD, "{\"index\":\"\"}"},
        {ADMIN_LOAD, "{\"index\":7}"},
        {ADMIN_LOAD, "{\"index\":null}"},
        {ADMIN_LOAD, "{\"index\":\"/x\\nquit\"}"},
        {ADMIN_LOAD, "{\"index\":\"/x\\u007f\"}"},
        {ADMIN_LOAD, "{\"index\":\"/x\\u0000y\"}"},
        {ADMIN_LOAD, "{\"index\":\"/x\",\"index\":\"/y\"}"},
        {ADMIN_LOAD, "{\"index\":\"/x\",\"more\":1}"},
        {ADMIN_LOAD, "{\"index\":\"/x\"} {}"},
        {ADMIN_LOAD, "{\"index\":\"\xff\"}"},
        {ADMIN_LOAD, "{\"index\":\"/x\",\"host\":\"a at=/b\"}"},
        {ADMIN_ROLLBACK, "{\"host\":\"\"}"},
        {ADMIN_ROLLBACK, "{\"host\":\"a\\tb\"}"},
        {ADMIN_ROLLBACK, "{\"id\":\"1\"}"},
        {ADMIN_PROMOTE, "{}"},
        {ADMIN_PROMOTE, "{\"id\":\"7\"}"},
        {ADMIN_PROMOTE, "{\"id\":-7}"},
        {ADMIN_PROMOTE, "{\"id\":7.5}"},
        {ADMIN_PROMOTE, "{\"id\":99999999999999999999}"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *line = NULL;
        struct error error = {""};
        int status =
            admin_change_line(rows[i].change, slice_of_string(rows[i].body), &line, &error);
        cr_expect_eq(status, ERR_USAGE, "%s", rows[i].body);
        cr_expect_null(line);
        cr_expect(error.text[0] != '\0');
    }
}

Test(admin_change, longer_than_a_line)
{
    enum { BYTES = 20000 };
    static char body[BYTES] = "{\"index\":\"/";
    size_t start = strlen(body);
    memset(body + start, 'x', BYTES - start);
    memcpy(body + BYTES - 2, "\"}", 2);
    char *line = NULL;
    struct error error = {""};
    cr_expect_eq(admin_change_line(ADMIN_LOAD, (struct slice){body, BYTES}, &line, &error),
                 ERR_USAGE);
}
