#include "common/http_date.h"

static const char week_days[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* Two digits of each number below 100. */
static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

struct civil_date {
    uint32_t year;
    uint32_t month; /* 0 to 11 */
    uint32_t day;   /* 1 to 31 */
};

/* Days since 1970 to a date. Years are counted from March, so that the leap day ends one; a century
 * is 146,097 quarters of a day long on average, a year in it 1,461, and the months are near a line
 * of 2,141 / 65,536 a day. Numerators and multipliers: C. Neri and L. Schneider, "Euclidean affine
 * functions and their application to calendar algorithms" (2023), figure 12; right for all days up
 * to HTTP_DATE_SECONDS_MAX. */
static struct civil_date civil_from_days(uint32_t days)
{
    uint32_t quarters = 4 * (days + 719468) + 3; /* from 0000-03-01 to 1970-01-01 */
    uint32_t century = quarters / 146097;
    uint32_t quarters_of_century = quarters % 146097 | 3;
    uint64_t scaled = UINT64_C(2939745) * quarters_of_century;
    uint32_t year_of_century = (uint32_t)(scaled >> 32);
    uint32_t day_of_year = (uint32_t)scaled / 2939745 / 4;
    uint32_t scaled_month = 2141 * day_of_year + 197913;
    bool is_next_year = day_of_year >= 306; /* January and February */
    return (struct civil_date){
        .year = 100 * century + year_of_century + is_next_year,
        .month = (scaled_month >> 16) - (is_next_year ? 13 : 1),
        .day = (scaled_month & 0xffff) / 2141 + 1,
    };
}

/* What can be written: times outside count as its ends. */
static uint64_t clamp(int64_t seconds)
{
    return seconds < 0                       ? 0
           : seconds > HTTP_DATE_SECONDS_MAX ? (uint64_t)HTTP_DATE_SECONDS_MAX
                                             : (uint64_t)seconds;
}

static void put_pair(char *at, uint32_t number)
{
    memcpy(at, digit_pairs + (size_t)2 * number, 2);
}

void http_date_format(int64_t seconds, char *buffer)
{
    uint32_t days = (uint32_t)(clamp(seconds) / 86400);
    uint32_t rest = (uint32_t)(clamp(seconds) % 86400);
    struct civil_date date = civil_from_days(days);
    memcpy(buffer, "Sun, 00 Jan 0000 00:00:00 GMT", HTTP_DATE_BYTES);
    memcpy(buffer, week_days + (size_t)((days + 4) % 7) * 3, 3);
    put_pair(buffer + 5, date.day);
    memcpy(buffer + 8, months + (size_t)date.month * 3, 3);
    put_pair(buffer + 12, date.year / 100);
    put_pair(buffer + 14, date.year % 100);
    put_pair(buffer + 17, rest / 3600);
    put_pair(buffer + 20, rest / 60 % 60);
    put_pair(buffer + 23, rest % 60);
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
    parts->year += civil_from_days((uint32_t)(clamp(now_s) / 86400)).year / 100 * 100;
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
