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

static const char *const long_week_days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                             "Thursday", "Friday", "Saturday"};

struct date_parts {
    int64_t year, month, day, hour, minute, second; /* the month from 0 */
    int64_t week_day;                               /* 0: Sunday */
};

/* The position of three letters among others; -1: not there. */
static int64_t position_in(const char *names, int64_t count, const char *text)
{
    for (int64_t i = 0; i < count; i++) {
        if (memcmp(names + i * 3, text, 3) == 0) {
            return i;
        }
    }
    return -1;
}

static bool take_time(const char *at, struct date_parts *parts)
{
    return at[2] == ':' && at[5] == ':' && take_digits(at, 2, &parts->hour) &&
           take_digits(at + 3, 2, &parts->minute) && take_digits(at + 6, 2, &parts->second);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT" */
static bool take_imf_fixdate(struct slice text, struct date_parts *parts)
{
    const char *at = text.bytes;
    if (text.count != HTTP_DATE_BYTES || memcmp(at + 3, ", ", 2) != 0 || at[7] != ' ' ||
        at[11] != ' ' || at[16] != ' ' || memcmp(at + 25, " GMT", 4) != 0) {
        return false;
    }
    parts->week_day = position_in(week_days, 7, at);
    parts->month = position_in(months, 12, at + 8);
    return take_digits(at + 5, 2, &parts->day) && take_digits(at + 12, 4, &parts->year) &&
           take_time(at + 17, parts);
}

/* "Sunday, 06-Nov-94 08:49:37 GMT". A year that would be more than 50 years ahead is the last one
 * that ended in these digits. */
static bool take_rfc850_date(struct slice text, int64_t now_s, struct date_parts *parts)
{
    enum { BYTES_BEHIND_NAME = 24, FIFTY_YEARS_DAYS = 18262 };
    parts->week_day = -1;
    for (int64_t i = 0; i < 7; i++) {
        if (slice_starts_with(text, slice_of_string(long_week_days[i]))) {
            parts->week_day = i;
            text = slice_after(text, strlen(long_week_days[i]));
            break;
        }
    }
    const char *at = text.bytes;
    if (parts->week_day < 0 || text.count != BYTES_BEHIND_NAME || memcmp(at, ", ", 2) != 0 ||
        at[4] != '-' || at[8] != '-' || at[11] != ' ' || memcmp(at + 20, " GMT", 4) != 0) {
        return false;
    }
    parts->month = position_in(months, 12, at + 5);
    if (!take_digits(at + 2, 2, &parts->day) || !take_digits(at + 9, 2, &parts->year) ||
        !take_time(at + 12, parts)) {
        return false;
    }
    parts->year += civil_from_days(now_s / 86400).year / 100 * 100;
    if (parts->month >= 0 &&
        days_from_civil(parts->year, parts->month, parts->day) > now_s / 86400 + FIFTY_YEARS_DAYS) {
        parts->year -= 100;
    }
    return true;
}

/* "Sun Nov  6 08:49:37 1994" */
static bool take_asctime_date(struct slice text, struct date_parts *parts)
{
    enum { ASCTIME_BYTES = 24 };
    const char *at = text.bytes;
    if (text.count != ASCTIME_BYTES || at[3] != ' ' || at[7] != ' ' || at[10] != ' ' ||
        at[19] != ' ') {
        return false;
    }
    parts->week_day = position_in(week_days, 7, at);
    parts->month = position_in(months, 12, at + 4);
    bool is_short = at[8] == ' ';
    return take_digits(at + 8 + is_short, 2 - is_short, &parts->day) && take_time(at + 11, parts) &&
           take_digits(at + 20, 4, &parts->year);
}

/* False: there was no such day, or it was another day of the week. */
static bool to_seconds(const struct date_parts *parts, int64_t *out_seconds)
{
    if (parts->month < 0 || parts->year < 1 || parts->day < 1 || parts->hour > 23 ||
        parts->minute > 59 || parts->second > 60) { /* 60: a leap second */
        return false;
    }
    int64_t days = days_from_civil(parts->year, parts->month, parts->day);
    int64_t next_month = parts->month == 11 ? days_from_civil(parts->year + 1, 0, 1)
                                            : days_from_civil(parts->year, parts->month + 1, 1);
    if (days >= next_month || ((days + 4) % 7 + 7) % 7 != parts->week_day) {
        return false;
    }
    *out_seconds = days * 86400 + parts->hour * 3600 + parts->minute * 60 + parts->second;
    return true;
}

bool http_date_parse(struct slice text, int64_t now_s, int64_t *out_seconds)
{
    struct date_parts parts;
    return (take_imf_fixdate(text, &parts) || take_rfc850_date(text, now_s, &parts) ||
            take_asctime_date(text, &parts)) &&
           to_seconds(&parts, out_seconds);
}
