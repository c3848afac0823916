/* Tables of flags: what words, files of words and variables say. */
#include "common/options.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

enum colour { RED, GREEN, BLUE };

struct subject {
    bool is_loud;
    size_t count;
    const char *name;
    enum colour colour;
    uint64_t time_s;
    char list[256]; /* what was added, each with a ; behind it */
};

static int add_item(const struct setting *setting, void *subject, struct error *error)
{
    struct subject *given = subject;
    if (strcmp(setting->value, "bad") == 0) {
        return error_set(error, ERR_USAGE, "--item: it is bad");
    }
    size_t used = strlen(given->list);
    snprintf(given->list + used, sizeof given->list - used, "%s;", setting->value);
    return 0;
}

#define IN(member) .offset = offsetof(struct subject, member)

static const struct option options[] = {
    {.name = "loud", .letter = 'l', .variable = "T_LOUD", .apply = option_set_flag, IN(is_loud)},
    {.name = "count",
     .letter = 'c',
     .argument = "N",
     .variable = "T_COUNT",
     .initial = "7",
     .help = "how many",
     .apply = option_set_number,
     IN(count),
     .least = 1,
     .most = 100},
    {.name = "name", .argument = "NAME", .variable = "T_NAME", .apply = option_set_text, IN(name)},
    {.name = "colour",
     .argument = "COLOUR",
     .choices = "red|green|blue",
     .variable = "T_COLOUR",
     .apply = option_set_choice,
     IN(colour)},
    {.name = "colours", .about = OPTION_OTHER, .help = "lists them"},
    {.name = "time", .argument = "TIME", .apply = option_set_time, IN(time_s)},
    {.name = "item",
     .argument = "ITEM",
     .variable = "T_ITEM",
     .separators = ",",
     .is_repeatable = true,
     .is_added_to = true,
     .apply = add_item},
    {.name = "thing",
     .argument = "[ITEM]",
     .variable = "T_THING",
     .separators = ",",
     .is_repeatable = true,
     .refuses_none = true,
     .apply = add_item},
};

static const struct option_group group = {"All", options, ARRAY_COUNT(options), false};

static const struct option_table table = {
    .program = "program",
    .usage = "[OPTIONS]",
    .about = "Does something.\n",
    .groups = (const struct option_group *const[]){&group, &option_about_group, NULL},
};

enum { WORDS_MAX = 12 };

static int count_of(const char *const *words)
{
    int count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return count;
}

/* What the words come to, as text: the subject and the operands, or the error. */
static void tell(const struct option_table *given, const char *const *words, char *out,
                 size_t capacity)
{
    static const char *const colours[] = {"red", "green", "blue"};
    struct settings settings;
    struct subject subject = {.count = 7};
    struct error error = {""};
    char *copies[WORDS_MAX];
    int count = count_of(words);
    cr_assert(count <= WORDS_MAX);
    for (int i = 0; i < count; i++) {
        copies[i] = strdup(words[i]);
    }
    int status = settings_read(&settings, given, count, copies, &error);
    for (int i = 0; i < count; i++) {
        free(copies[i]); /* nothing points into them */
    }
    for (size_t i = 0; i < settings.count && status == 0; i++) {
        status = setting_apply(&settings.at[i], &subject, &error);
    }
    if (status != 0) {
        cr_expect(status == ERR_USAGE);
        snprintf(out, capacity, "error %s", error.text);
    } else if (settings.about != NULL) {
        snprintf(out, capacity, "about %s%s%s", settings.about->name,
                 settings.about_value == NULL ? "" : " ",
                 settings.about_value == NULL ? "" : settings.about_value);
    } else {
        int used =
            snprintf(out, capacity, "%s%zu %s %s %llu %s|", subject.is_loud ? "loud " : "",
                     subject.count, subject.name == NULL ? "-" : subject.name,
                     colours[subject.colour], (unsigned long long)subject.time_s, subject.list);
        for (size_t i = 0; i < settings.operand_count; i++) {
            used +=
                snprintf(out + used, capacity - (size_t)used, " [%s]", settings.operands[i].text);
        }
    }
    settings_fini(&settings);
}

struct row {
    const char *words[WORDS_MAX];
    const char *wanted;
};

static void check_rows(const struct option_table *given, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char told[2048];
        tell(given, rows[i].words, told, sizeof told);
        cr_expect(strcmp(told, rows[i].wanted) == 0, "row %zu: %s, not %s", i, told,
                  rows[i].wanted);
    }
}

#define NONE "7 - red 0 |"

Test(options, words)
{
    static const struct row rows[] = {
        {{NULL}, NONE},
        {{"a", "b c", "-", "", NULL}, NONE " [a] [b c] [-] []"},
        {{"--count=3", NULL}, "3 - red 0 |"},
        {{"--count", "3", NULL}, "3 - red 0 |"},
        {{"-c3", NULL}, "3 - red 0 |"},
        {{"-c", "3", NULL}, "3 - red 0 |"},
        {{"-lc3", NULL}, "loud 3 - red 0 |"},
        {{"-lc", "3", "x", NULL}, "loud 3 - red 0 | [x]"},
        {{"--count", "3", "--count", "4", NULL}, "4 - red 0 |"},
        {{"a", "--loud", "b", NULL}, "loud 7 - red 0 | [a] [b]"},
        {{"--loud", "--loud=no", NULL}, NONE},
        {{"--loud=true", NULL}, "loud " NONE},
        {{"--name=", NULL}, "error --name: an empty NAME"},
        {{"--name==x=y", NULL}, "7 =x=y red 0 |"},
        {{"--name", "--loud", NULL}, "7 --loud red 0 |"},
        {{"--name", "@none", NULL}, "7 @none red 0 |"},
        {{"--", "--loud", "@none", "--", NULL}, NONE " [--loud] [@none] [--]"},
        {{"--item", "a", "x", "--item=b", NULL}, "7 - red 0 a;b;| [x]"},
        {{"--thing=a", "b", NULL}, "7 - red 0 a;| [b]"},
        {{"--colour=blue", "--time=2h", NULL}, "7 - blue 7200 |"},
        {{"--time=90", NULL}, "7 - red 90 |"},
        /* beginnings of names */
        {{"--cou=3", NULL}, "3 - red 0 |"},
        {{"--l", NULL}, "loud " NONE},
        {{"--co", "3", NULL}, "error --co: it may be --count or --colour"},
        {{"--colour", "green", NULL}, "7 - green 0 |"},
        /* flags that only print */
        {{"--help", NULL}, "about help"},
        {{"-h", "--nonsense", NULL}, "about help"},
        {{"--help", "all", NULL}, "about help all"},
        {{"--help=all", NULL}, "about help all"},
        {{"--colours", NULL}, "about colours"},
        {{"-lV", NULL}, "about version"},
        {{"--options", NULL}, "about options"},
    };
    check_rows(&table, rows, ARRAY_COUNT(rows));
}

Test(options, what_is_refused)
{
    static const struct row rows[] = {
        {{"--cuont", "3", NULL}, "error there is no flag --cuont; did you mean --count?"},
        {{"--nam=x", NULL}, "7 x red 0 |"},
        {{"--nmae=x", NULL}, "error there is no flag --nmae; did you mean --name?"},
        {{"--zebra", NULL}, "error there is no flag --zebra (--help all lists them)"},
        {{"--opt", NULL}, "error there is no flag --opt (--help all lists them)"},
        {{"--=x", NULL}, "error there is no flag -- (--help all lists them)"},
        {{"-x", NULL}, "error there is no flag -x (--help all lists them)"},
        {{"-lx", NULL}, "error there is no flag -x (--help all lists them)"},
        {{"--count", NULL}, "error --count needs a value: N"},
        {{"-c", NULL}, "error --count needs a value: N"},
        {{"--count=", NULL}, "error --count: not a number from 1 to 100: "},
        {{"--count=0", NULL}, "error --count: not a number from 1 to 100: 0"},
        {{"--count=101", NULL}, "error --count: not a number from 1 to 100: 101"},
        {{"--count=-1", NULL}, "error --count: not a number from 1 to 100: -1"},
        {{"--count=99999999999999999999", NULL},
         "error --count: not a number from 1 to 100: 99999999999999999999"},
        {{"--count=1 ", NULL}, "error --count: not a number from 1 to 100: 1 "},
        {{"--loud=maybe", NULL}, "error --loud: not yes or no: maybe"},
        {{"--colour=gren", NULL},
         "error --colour: not red, green or blue: gren; did you mean green?"},
        {{"--colour=7", NULL}, "error --colour: not red, green or blue: 7"},
        {{"--colour=", NULL}, "error --colour: not red, green or blue: "},
        {{"--time=0", NULL}, "error --time: not a time such as 90s, 30m, 12h or 7d: 0"},
        {{"--time=5x", NULL}, "error --time: not a time such as 90s, 30m, 12h or 7d: 5x"},
        {{"--time=40000d", NULL}, "error --time: not a time such as 90s, 30m, 12h or 7d: 40000d"},
        {{"--item=bad", NULL}, "error --item: it is bad"},
    };
    check_rows(&table, rows, ARRAY_COUNT(rows));
}

Test(options, stops_at_the_first_other_word)
{
    static const struct row rows[] = {
        {{"-l", "load", "--loud", "@x", "-x", NULL}, "loud " NONE " [load] [--loud] [@x] [-x]"},
        {{"--", "-l", NULL}, NONE " [-l]"},
    };
    struct option_table stopping = table;
    stopping.stops_at_operand = true;
    check_rows(&stopping, rows, ARRAY_COUNT(rows));
}

Test(options, environment)
{
    static const struct {
        const char *name, *value;
        struct row row;
    } rows[] = {
        {"T_COUNT", "3", {{NULL}, "3 - red 0 |"}},
        {"T_COUNT", "3", {{"--count=4", NULL}, "4 - red 0 |"}},
        {"T_COUNT", "", {{NULL}, NONE}},
        {"T_COUNT", "many", {{NULL}, "error T_COUNT: --count: not a number from 1 to 100: many"}},
        {"T_COUNT", "many", {{"--count=4", NULL}, "4 - red 0 |"}},
        {"T_COUNT", "many", {{"--help", NULL}, "about help"}},
        {"T_LOUD", "1", {{NULL}, "loud " NONE}},
        {"T_LOUD", "0", {{NULL}, NONE}},
        {"T_LOUD", "yes", {{"--loud=off", NULL}, NONE}},
        {"T_COLOUR", "blue", {{NULL}, "7 - blue 0 |"}},
        {"T_NAME", "a,b", {{NULL}, "7 a,b red 0 |"}},
        {"T_ITEM", "a,,b", {{NULL}, "7 - red 0 a;b;|"}},
        {"T_ITEM", "a,b", {{"--item=c", NULL}, "7 - red 0 a;b;c;|"}},
        {"T_ITEM", "a,bad", {{NULL}, "error T_ITEM: --item: it is bad"}},
        {"T_THING", "a,b", {{"--thing=c", NULL}, "7 - red 0 c;|"}},
        {"T_THING", "", {{NULL}, "error T_THING: set, but it says nothing"}},
        {"T_THING", ",", {{NULL}, "error T_THING: set, but it says nothing"}},
        {"T_THING", "", {{"--thing=c", NULL}, "7 - red 0 c;|"}},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        setenv(rows[i].name, rows[i].value, 1);
        check_rows(&table, &rows[i].row, 1);
        unsetenv(rows[i].name);
    }
}

Test(options, where_it_was_said)
{
    struct settings settings;
    struct error error = {""};
    char *words[] = {"--count=3"};
    char origin[64];
    setenv("T_NAME", "x", 1);
    cr_assert(settings_read(&settings, &table, 1, words, &error) == 0);
    settings_add(&settings, option_find(&table, "time"), "5s", "serve.conf:3");
    cr_assert(settings.count == 3);
    cr_expect(settings_find(&settings, "loud") == NULL);
    const struct {
        const char *name, *wanted;
    } rows[] = {{"count", "the command line"},
                {"name", "the environment, T_NAME"},
                {"time", "serve.conf:3"}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        const struct setting *setting = settings_find(&settings, rows[i].name);
        cr_assert(setting != NULL);
        const char *said = setting_origin(setting, origin, sizeof origin);
        cr_expect(strcmp(said, rows[i].wanted) == 0, "%s", said);
    }
    unsetenv("T_NAME");
    settings_fini(&settings);
}
