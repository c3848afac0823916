#include "common/http_date.h"

static const char week_days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

struct civil_date {
    int64_t year;
    unsigned month; /* 0 to 11 */
    unsigned day;   /* 1 to 31 */
};

/* Days since 1970 to a date, by counting from 1 March of year 0 in 400-year eras of 146,097 days:
 * the leap day then ends a year, and month lengths follow (153 m + 2) / 5. */
static struct civil_date civil_from_days(int64_t days)
{
    days += 719468; /* from 0000-03-01 to 1970-01-01 */
    int64_t era = days / 146097;
    int64_t day_of_era = days % 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    int64_t month = (shifted_month + 2) % 12;
    int64_t year = era * 400 + year_of_era + (month < 2);
    return (struct civil_date){year, (unsigned)month, (unsigned)day};
}

static void put_digits(char *at, int count, int64_t value)
{
    while (count > 0) {
        at[--count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void http_date_format(int64_t seconds, char *buffer)
{
    if (seconds < 0) {
        seconds = 0;
    }
    if (seconds > HTTP_DATE_SECONDS_MAX) {
        seconds = HTTP_DATE_SECONDS_MAX;
    }
    int64_t days = seconds / 86400;
    int64_t rest = seconds % 86400;
    struct civil_date date = civil_from_days(days);
    memcpy(buffer, "Sun, 00 Jan 0000 00:00:00 GMT", HTTP_DATE_BYTES);
    memcpy(buffer, week_days + (days + 4) % 7 * 3, 3);
    put_digits(buffer + 5, 2, date.day);
    memcpy(buffer + 8, months + (size_t)date.month * 3, 3);
    put_digits(buffer + 12, 4, date.year);
    put_digits(buffer + 17, 2, rest / 3600);
    put_digits(buffer + 20, 2, rest / 60 % 60);
    put_digits(buffer + 23, 2, rest % 60);
}

static bool take_digits(const char *at, int count, int64_t *out)
{
    *out = 0;
    for (int i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9') {
            return false;
        }
        *out = *out * 10 + (at[i] - '0');
    }
    return true;
}

/* Days from 1970 to the first of a month, the inverse of civil_from_days(). */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    if (month < 2) {
        year--;
    }
    int64_t era = year / 400;
    int64_t year_of_era = year % 400;
    int64_t day_of_year = (153 * ((month + 10) % 12) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year -
           719468;
}

bool http_date_parse(struct slice text, int64_t *out_seconds)
{
    int64_t day, year, hour, minute, second;
    if (text.count != HTTP_DATE_BYTES || !take_digits(text.bytes + 5, 2, &day) ||
        !take_digits(text.bytes + 12, 4, &year) || !take_digits(text.bytes + 17, 2, &hour) ||
        !take_digits(text.bytes + 20, 2, &minute) || !take_digits(text.bytes + 23, 2, &second)) {
        return false;
    }
    int64_t month = 0;
    while (month < 12 && memcmp(months + month * 3, text.bytes + 8, 3) != 0) {
        month++;
    }
    if (month == 12 || year < 1970) {
        return false;
    }
    int64_t seconds =
        days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    char again[HTTP_DATE_BYTES];
    http_date_format(seconds, again);
    if (memcmp(again, text.bytes, HTTP_DATE_BYTES) != 0) {
        return false; /* a day that does not exist, the wrong day of the week, other spelling */
    }
    *out_seconds = seconds;
    return true;
}
