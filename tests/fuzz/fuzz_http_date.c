/* Dates: what is written is read back, in all three forms, and nothing else is read. The C
 * library's calendar writes them a second time. Input: seconds, the current time, and on the next
 * line a text. */
#include "fuzz.h"

#include "common/http_date.h"

#include <time.h>

enum { FORM_BYTES = 64, DAY_S = 86400 };

/* The forms of RFC 9110 §5.6.7, and asctime's with a zero for the space. */
enum form { IMF_FIXDATE, RFC850, ASCTIME, ASCTIME_ZERO, FORMS };

static size_t write_form(int64_t seconds, enum form form, char out[FORM_BYTES])
{
    static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                       "Thursday", "Friday", "Saturday"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm at;
    time_t time = seconds;
    FUZZ_CHECK(gmtime_r(&time, &at) != NULL);
    const char *day = days[at.tm_wday];
    const char *month = months[at.tm_mon];
    int year = at.tm_year + 1900;
    char clock[16];
    snprintf(clock, sizeof clock, "%02d:%02d:%02d", at.tm_hour % 24, at.tm_min % 60,
             at.tm_sec % 61);
    int count = 0;
    switch (form) {
    case IMF_FIXDATE:
        count = snprintf(out, FORM_BYTES, "%.3s, %02d %s %04d %s GMT", day, at.tm_mday, month, year,
                         clock);
        break;
    case RFC850:
        count = snprintf(out, FORM_BYTES, "%s, %02d-%s-%02d %s GMT", day, at.tm_mday, month,
                         year % 100, clock);
        break;
    case ASCTIME:
        count =
            snprintf(out, FORM_BYTES, "%.3s %s %2d %s %04d", day, month, at.tm_mday, clock, year);
        break;
    default:
        count =
            snprintf(out, FORM_BYTES, "%.3s %s %02d %s %04d", day, month, at.tm_mday, clock, year);
        break;
    }
    return (size_t)count;
}

static int century(int64_t seconds)
{
    struct tm parts;
    time_t time = seconds;
    FUZZ_CHECK(gmtime_r(&time, &parts) != NULL);
    return (parts.tm_year + 1900) / 100;
}

static bool parse(struct slice text, int64_t now_s, int64_t *out_seconds)
{
    char *copy = fuzz_copy(text);
    bool is_date = http_date_parse((struct slice){copy, text.count}, now_s, out_seconds);
    free(copy);
    return is_date;
}

static void check_written(int64_t seconds, int64_t now_s)
{
    char *written = malloc(HTTP_DATE_BYTES);
    http_date_format(seconds, written);
    seconds = seconds < 0 ? 0 : seconds > HTTP_DATE_SECONDS_MAX ? HTTP_DATE_SECONDS_MAX : seconds;
    for (enum form form = IMF_FIXDATE; form < FORMS; form++) {
        char text[FORM_BYTES];
        struct slice whole = {text, write_form(seconds, form, text)};
        int64_t found;
        if (form == IMF_FIXDATE) {
            FUZZ_CHECK(slice_equal(whole, (struct slice){written, HTTP_DATE_BYTES}));
        }
        if (form != RFC850) {
            FUZZ_CHECK(parse(whole, now_s, &found) && found == seconds);
        } else if (century(seconds) == century(now_s) && seconds / DAY_S <= now_s / DAY_S + 18262) {
            FUZZ_CHECK(parse(whole, now_s, &found) && found == seconds);
        }
    }
    free(written);
}

/* What is read as a date is one of its forms, to the byte. A leap second has those of the second
 * before, but for two digits. */
static void check_read(struct slice text, int64_t now_s)
{
    int64_t seconds = INT64_MIN;
    if (!parse(text, now_s, &seconds)) {
        FUZZ_CHECK(seconds == INT64_MIN);
        return;
    }
    bool is_any = false;
    for (enum form form = IMF_FIXDATE; form < FORMS; form++) {
        char form_text[FORM_BYTES];
        struct slice whole = {form_text, write_form(seconds, form, form_text)};
        bool is_same = slice_equal(text, whole);
        whole.count = write_form(seconds - 1, form, form_text);
        char *fifty_nine = strstr(form_text, ":59 ");
        if (fifty_nine != NULL) {
            memcpy(fifty_nine, ":60 ", 4);
            is_same |= slice_equal(text, whole);
        }
        if (is_same && form == RFC850) { /* at most 50 years ahead, less than 100 behind */
            FUZZ_CHECK(seconds / DAY_S <= now_s / DAY_S + 18263);
            FUZZ_CHECK(seconds / DAY_S >= now_s / DAY_S - 36526);
        }
        is_any |= is_same;
    }
    FUZZ_CHECK(is_any);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice input = fuzz_input(bytes, count);
    int64_t seconds = (int64_t)fuzz_take_number(&input);
    int64_t now_s = (int64_t)(fuzz_take_number(&input) % (HTTP_DATE_SECONDS_MAX + 1));
    check_written(seconds, now_s);
    check_read(input, now_s);
    return 0;
}
