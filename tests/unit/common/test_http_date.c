/* IMF-fixdate: known dates, a round trip over every day, and what is refused. */
#include "common/http_date.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <time.h>

static const struct {
    int64_t seconds;
    const char *text;
} known[] = {
    {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {1, "Thu, 01 Jan 1970 00:00:01 GMT"},
    {86399, "Thu, 01 Jan 1970 23:59:59 GMT"},
    {86400, "Fri, 02 Jan 1970 00:00:00 GMT"},
    {68169600, "Tue, 29 Feb 1972 00:00:00 GMT"},
    {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110 section 5.6.7 */
    {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
    {951868800, "Wed, 01 Mar 2000 00:00:00 GMT"},
    {1000000000, "Sun, 09 Sep 2001 01:46:40 GMT"},
    {2147483647, "Tue, 19 Jan 2038 03:14:07 GMT"},
    {2147483648, "Tue, 19 Jan 2038 03:14:08 GMT"},
    {4107542399, "Sun, 28 Feb 2100 23:59:59 GMT"}, /* 2100 is no leap year */
    {4107542400, "Mon, 01 Mar 2100 00:00:00 GMT"},
    {4294967296, "Sun, 07 Feb 2106 06:28:16 GMT"},
    {HTTP_DATE_SECONDS_MAX, "Fri, 31 Dec 9999 23:59:59 GMT"},
};

static struct slice format(int64_t seconds, char buffer[HTTP_DATE_BYTES + 1])
{
    memset(buffer, '~', HTTP_DATE_BYTES + 1);
    http_date_format(seconds, buffer);
    cr_assert(buffer[HTTP_DATE_BYTES] == '~', "it wrote too much");
    return (struct slice){buffer, HTTP_DATE_BYTES};
}

Test(http_date, known_dates)
{
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        char buffer[HTTP_DATE_BYTES + 1];
        struct slice text = format(known[i].seconds, buffer);
        cr_expect(slice_equal(text, slice_of_string(known[i].text)), "%.*s, not %s",
                  (int)text.count, text.bytes, known[i].text);
        int64_t seconds = -1;
        cr_expect(http_date_parse(slice_of_string(known[i].text), 0, &seconds));
        cr_expect(seconds == known[i].seconds, "%s: %lld", known[i].text, (long long)seconds);
    }
}

Test(http_date, format_clamps)
{
    static const struct {
        int64_t seconds, shown;
    } rows[] = {
        {-1, 0},
        {INT64_MIN, 0},
        {HTTP_DATE_SECONDS_MAX + 1, HTTP_DATE_SECONDS_MAX},
        {INT64_MAX, HTTP_DATE_SECONDS_MAX},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char a[HTTP_DATE_BYTES + 1];
        char b[HTTP_DATE_BYTES + 1];
        cr_expect(slice_equal(format(rows[i].seconds, a), format(rows[i].shown, b)), "row %zu", i);
    }
}

static void check_against_library(int64_t seconds)
{
    char buffer[HTTP_DATE_BYTES + 1];
    struct slice text = format(seconds, buffer);
    time_t time = seconds;
    struct tm parts;
    cr_assert(gmtime_r(&time, &parts) != NULL);
    char wanted[64];
    strftime(wanted, sizeof wanted, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    cr_assert(slice_equal(text, slice_of_string(wanted)), "%s", wanted);
    int64_t again = -1;
    cr_assert(http_date_parse(text, 0, &again) && again == seconds, "%s", wanted);
}

/* Every day of 1970 to 2400, which is more than one whole cycle of leap years. */
Test(http_date, every_day_of_430_years)
{
    for (int64_t day = 0; day < 157054; day++) {
        check_against_library(day * 86400 + day % 86400);
    }
}

Test(http_date, far_years_and_every_second_of_a_day)
{
    for (int64_t second = 0; second < 86400; second++) {
        check_against_library(1709164800 + second); /* 29 February 2024 */
    }
    for (int64_t seconds = 0; seconds <= HTTP_DATE_SECONDS_MAX; seconds += 86400 * 97 + 12345) {
        check_against_library(seconds);
    }
}

static const char *const refused[] = {
    "",
    "Sun",
    "Sun, 06 Nov 1994 08:49:37 GM",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    " Sun, 06 Nov 1994 08:49:37 GMT",
    "Mon, 06 Nov 1994 08:49:37 GMT", /* it was a Sunday */
    "Sun, 31 Feb 1994 08:49:37 GMT",
    "Wed, 29 Feb 1995 00:00:00 GMT",
    "Mon, 29 Feb 2100 00:00:00 GMT",
    "Thu, 31 Nov 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 32 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "sun, 06 nov 1994 08:49:37 gmt",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 06 NOV 1994 08:49:37 GMT",
    "SUN, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 gmt",
    "Sun, 06-Nov-1994 08:49:37 GMT",
    "Sun, 6  Nov 1994 08:49:37 GMT",
    "Sun,  6 Nov 1994 08:49:37 GMT",
    "Sun. 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08.49.37 GMT",
    "Sun, 06 Nov +994 08:49:37 GMT",
    "Sun, 06 ovN 1994 08:49:37 GMT",
    "Sat, 01 Jan 0000 00:00:00 GMT",
    /* the form of RFC 850 */
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Monday, 06-Nov-94 08:49:37 GMT",
    "Sunday, 06 Nov 94 08:49:37 GMT",
    "Sunday, 6-Nov-94 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 UTC",
    "Sunday,06-Nov-94 08:49:37 GMT",
    "Sunday, 31-Nov-94 08:49:37 GMT",
    "Sunday",
    /* that of asctime() */
    "Sun Nov 06 08:49:37 94",
    "Sun Nov  6 08:49:37 1994 ",
    "Sun Nov 6 08:49:37 1994",
    "Mon Nov  6 08:49:37 1994",
    "Sun Nov  0 08:49:37 1994",
    "Sun Nov  6 8:49:37 1994",
    "Sun nov  6 08:49:37 1994",
    "Sun Nov  6 08:49:37 GMT",
};

/* 1 July 2026 */
enum { NOW_S = 1782864000 };

static const struct {
    const char *text;
    int64_t now_s, seconds;
} others[] = {
    {"Sunday, 06-Nov-94 08:49:37 GMT", NOW_S, 784111777},
    {"Sun Nov  6 08:49:37 1994", NOW_S, 784111777},
    {"Wednesday, 06-Nov-74 08:49:37 GMT", NOW_S - 2 * 31557600,
     152959777},                                            /* 2074 is too far off */
    {"Tuesday, 06-Nov-74 08:49:37 GMT", NOW_S, 3308719777}, /* 48 years ahead */
    {"Saturday, 01-Jan-00 00:00:00 GMT", NOW_S, 946684800},
    {"Friday, 31-Dec-76 23:59:59 GMT", NOW_S, 220924799}, /* 2076 is too far off */
    {"Sat Nov 12 08:49:37 1994", NOW_S, 784630177},
    {"Wed Dec 31 23:59:59 1969", NOW_S, -1},
    {"Wed, 31 Dec 1969 23:59:59 GMT", NOW_S, -1},
    {"Sat, 31 Dec 2016 23:59:60 GMT", NOW_S, 1483228800}, /* a leap second */
    {"Mon, 01 Jan 0001 00:00:00 GMT", NOW_S, -62135596800},
};

Test(http_date, other_forms_and_times)
{
    for (size_t i = 0; i < ARRAY_COUNT(others); i++) {
        int64_t seconds = 42;
        bool is_date = http_date_parse(slice_of_string(others[i].text), others[i].now_s, &seconds);
        cr_expect(is_date && seconds == others[i].seconds, "%s: %d, %lld", others[i].text, is_date,
                  (long long)seconds);
    }
}

Test(http_date, refused)
{
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        int64_t seconds = 42;
        cr_expect(!http_date_parse(slice_of_string(refused[i]), NOW_S, &seconds), "%s", refused[i]);
        cr_expect(seconds == 42, "%s: touched", refused[i]);
    }
}

Test(http_date, every_other_byte_is_refused)
{
    static const char right[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    int accepted = 0;
    for (size_t at = 0; at < HTTP_DATE_BYTES; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[HTTP_DATE_BYTES];
            char again[HTTP_DATE_BYTES];
            memcpy(text, right, sizeof text);
            text[at] = (char)byte;
            int64_t seconds;
            if (!http_date_parse((struct slice){text, sizeof text}, 0, &seconds)) {
                continue;
            }
            http_date_format(seconds, again);
            cr_expect(seconds < 0 || memcmp(again, text, sizeof text) == 0, "%.29s", text);
            accepted++;
        }
    }
    cr_expect(accepted > HTTP_DATE_BYTES, "other times of that day are dates too: %d", accepted);
}
