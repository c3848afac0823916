/* What `indexes` says of what it found, whatever that is. */
#include "server/control/report.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* An index may say any time: what has no four digits of a year is none. */
Test(report, times_of_indexes)
{
    static const struct {
        int64_t created_s;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00Z"},
        {INT64_C(1763758204), "2025-11-21T20:50:04Z"},
        {INT64_C(253402300799), "9999-12-31T23:59:59Z"},
        {INT64_C(253402300800), "1970-01-01T00:00:00Z"}, /* the year 10000 */
        {INT64_C(-30610224000), "1000-01-01T00:00:00Z"},
        {INT64_C(-30610224001), "1970-01-01T00:00:00Z"},
        {INT64_MAX, "1970-01-01T00:00:00Z"},
        {INT64_MIN, "1970-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char path[] = "/x.idx";
        struct index_file file = {
            .path = path, .release = 7, .created_s = rows[i].created_s, .paths = 3};
        const struct index_files files = {&file, 1};
        struct reply reply = {0};
        char expected[200];
        report_indexes(&files, false, &reply);
        report_indexes(&files, true, &reply);
        snprintf(expected, sizeof expected,
                 "index release=7 paths=3 created=%s path=/x.idx\nok indexes count=1\n"
                 "{\"release\":7,\"paths\":3,\"created\":\"%s\",\"path\":\"/x.idx\"}\n"
                 "ok indexes count=1\n",
                 rows[i].text, rows[i].text);
        cr_expect_str_eq(reply.text, expected);
        free(reply.text);
    }
}

/* As long as paths get, and as their bytes get in JSON. */
Test(report, rows_in_json_are_bounded)
{
    enum { FILES = 2000, MORE_TEXT = 40 };
    char path[PATH_MAX];
    memset(path, '\x01', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct index_files files = {mem_zeroed(FILES, sizeof *files.at), FILES};
    for (size_t i = 0; i < FILES; i++) {
        files.at[i].path = path;
    }
    struct reply reply = {0};
    report_indexes(&files, true, &reply);
    cr_expect_lt(reply.count, (size_t)REPORT_JSON_BYTES_MAX + REPORT_ROW_BYTES_MAX + MORE_TEXT);
    const char *last = strrchr(reply.text, '}');
    size_t count = 0;
    size_t more = 0;
    cr_assert_not_null(last);
    cr_assert(sscanf(last, "}\nok indexes count=%zu more=%zu\n", &count, &more) == 2);
    cr_expect_eq(count + more, (size_t)FILES);
    cr_expect(count > 0 && more > 0);
    free(reply.text);
    reply = (struct reply){0};
    report_indexes(&files, false, &reply); /* who reads line by line gets all of them */
    cr_expect_str_eq(strrchr(reply.text, '\x01') + 1, "\nok indexes count=2000\n");
    free(reply.text);
    free(files.at);
}
