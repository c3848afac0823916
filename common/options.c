#include "common/options.h"

#include "common/mem.h"
#include "common/nearest.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

const struct option *option_at(const struct option_table *table, size_t position)
{
    for (size_t i = 0; table->groups[i] != NULL; i++) {
        const struct option_group *group = table->groups[i];
        if (position < group->count) {
            return &group->options[position];
        }
        position -= group->count;
    }
    return NULL;
}

static const struct option *find_letter(const struct option_table *table, char letter)
{
    const struct option *option;
    for (size_t i = 0; (option = option_at(table, i)) != NULL; i++) {
        if (option->letter == letter) {
            return option;
        }
    }
    return NULL;
}

const struct option *option_find(const struct option_table *table, const char *name)
{
    const struct option *option;
    for (size_t i = 0; (option = option_at(table, i)) != NULL; i++) {
        if (strcmp(option->name, name) == 0) {
            return option;
        }
    }
    return NULL;
}

static int refuse_name(const struct option_table *table, struct slice name, struct error *error)
{
    struct nearest nearest = nearest_to(name);
    const struct option *option;
    for (size_t i = 0; (option = option_at(table, i)) != NULL; i++) {
        if (!option->is_hidden) {
            nearest_offer(&nearest, slice_of_string(option->name));
        }
    }
    if (nearest.found.count == 0) {
        return error_set(error, ERR_USAGE, "there is no flag --%.*s (--help all lists them)",
                         (int)name.count, name.bytes);
    }
    return error_set(error, ERR_USAGE, "there is no flag --%.*s; did you mean --%.*s?",
                     (int)name.count, name.bytes, (int)nearest.found.count, nearest.found.bytes);
}

/* The whole name, or a beginning that no other flag has. */
static int find_name(const struct option_table *table, struct slice name,
                     const struct option **out_option, struct error *error)
{
    const struct option *found = NULL;
    const struct option *option;
    for (size_t i = 0; (option = option_at(table, i)) != NULL; i++) {
        struct slice candidate = slice_of_string(option->name);
        if (slice_equal(candidate, name)) {
            *out_option = option;
            return 0;
        }
        if (name.count == 0 || option->is_hidden || !slice_starts_with(candidate, name)) {
            continue;
        }
        if (found != NULL) {
            return error_set(error, ERR_USAGE, "--%.*s: it may be --%s or --%s", (int)name.count,
                             name.bytes, found->name, option->name);
        }
        found = option;
    }
    if (found == NULL) {
        return refuse_name(table, name, error);
    }
    *out_option = found;
    return 0;
}

/* ---- what is said ---- */

static const char *keep(struct settings *settings, char *string)
{
    settings->owned =
        mem_resize(settings->owned, settings->owned_count + 1, sizeof *settings->owned);
    settings->owned[settings->owned_count++] = string;
    return string;
}

static void add(struct settings *settings, struct setting setting)
{
    settings->at = mem_resize(settings->at, settings->count + 1, sizeof *settings->at);
    settings->at[settings->count++] = setting;
}

void settings_add(struct settings *settings, const struct option *option, const char *value,
                  const char *where)
{
    add(settings, (struct setting){option, keep(settings, mem_string(value, strlen(value))),
                                   keep(settings, mem_string(where, strlen(where)))});
}

const struct setting *settings_find(const struct settings *settings, const char *name)
{
    for (size_t i = settings->count; i > 0; i--) {
        if (strcmp(settings->at[i - 1].option->name, name) == 0) {
            return &settings->at[i - 1];
        }
    }
    return NULL;
}

void settings_fini(struct settings *settings)
{
    for (size_t i = 0; i < settings->owned_count; i++) {
        free(settings->owned[i]);
    }
    free(settings->owned);
    free(settings->operands);
    free(settings->at);
    arguments_fini(&settings->arguments);
    *settings = (struct settings){0};
}

/* ---- words ---- */

struct reader {
    struct settings *settings;
    const struct option_table *table;
    size_t position; /* of the word that is next */
    bool is_over;    /* behind "--" */
};

static bool takes_value(const struct option *option)
{
    return option->argument != NULL && option->argument[0] != '[';
}

/* The next word as the value of a flag that has none in its own. A line of a file stands for
 * itself. */
static const char *take_value(struct reader *reader, const struct argument *flag)
{
    const struct arguments *arguments = &reader->settings->arguments;
    if (flag->depth > 0 || reader->position == arguments->count) {
        return NULL;
    }
    const struct argument *next = &arguments->at[reader->position];
    reader->position++;
    return next->text;
}

static void print_instead(struct reader *reader, const struct option *option, const char *value)
{
    const struct arguments *arguments = &reader->settings->arguments;
    bool is_all = option->about == OPTION_HELP && value == NULL &&
                  reader->position < arguments->count &&
                  strcmp(arguments->at[reader->position].text, "all") == 0;
    reader->settings->about = option;
    reader->settings->about_value = is_all ? "all" : value;
}

static int blame(const struct argument *argument, int status, struct error *error)
{
    struct error detail = *error;
    return argument->where == NULL
               ? status
               : error_set(error, status, "%s: %s", argument->where, detail.text);
}

/* `value` is what stood behind it in the same word, or NULL. */
static int read_flag(struct reader *reader, const struct argument *argument,
                     const struct option *option, const char *value, struct error *error)
{
    if (option->about != OPTION_SETS) {
        print_instead(reader, option, value);
        return 0;
    }
    if (value == NULL && takes_value(option)) {
        value = take_value(reader, argument);
        if (value == NULL) {
            return error_set(error, ERR_USAGE, "--%s needs a value: %s", option->name,
                             option->argument);
        }
    }
    add(reader->settings, (struct setting){option, value, argument->where});
    return 0;
}

static int read_long(struct reader *reader, const struct argument *argument, struct error *error)
{
    struct slice rest = slice_of_string(argument->text + 2);
    struct slice name = slice_take(&rest, '=');
    bool has_value = argument->text[2 + name.count] == '=';
    const struct option *option = NULL;
    int status = find_name(reader->table, name, &option, error);
    return option == NULL
               ? status
               : read_flag(reader, argument, option, has_value ? rest.bytes : NULL, error);
}

/* Letters that stand together; what follows one that takes a value is its value. */
static int read_letters(struct reader *reader, const struct argument *argument, struct error *error)
{
    int status = 0;
    const char *letter = argument->text + 1;
    while (*letter != '\0' && status == 0 && reader->settings->about == NULL) {
        const struct option *option = find_letter(reader->table, *letter);
        if (option == NULL) {
            return error_set(error, ERR_USAGE, "there is no flag -%c (--help all lists them)",
                             *letter);
        }
        bool is_last = letter[1] == '\0';
        bool has_value = takes_value(option) && !is_last;
        status = read_flag(reader, argument, option, has_value ? letter + 1 : NULL, error);
        letter += has_value ? strlen(letter) : 1;
    }
    return status;
}

static void take_operand(struct reader *reader, const struct argument *argument)
{
    struct settings *settings = reader->settings;
    settings->operands =
        mem_resize(settings->operands, settings->operand_count + 1, sizeof *settings->operands);
    settings->operands[settings->operand_count++] = *argument;
    reader->is_over |= reader->table->stops_at_operand;
}

static int read_word(struct reader *reader, struct error *error)
{
    struct arguments *arguments = &reader->settings->arguments;
    struct argument argument = arguments->at[reader->position];
    bool is_flag = !reader->is_over && argument.text[0] == '-' && argument.text[1] != '\0';
    if (!reader->is_over && argument.text[0] == '@') {
        return arguments_expand(arguments, reader->position, error);
    }
    reader->position++;
    if (!is_flag) {
        take_operand(reader, &argument);
        return 0;
    }
    if (strcmp(argument.text, "--") == 0) {
        reader->is_over = true;
        return 0;
    }
    int status = argument.text[1] == '-' ? read_long(reader, &argument, error)
                                         : read_letters(reader, &argument, error);
    return status == 0 ? 0 : blame(&argument, status, error);
}

/* ---- the environment ---- */

static int read_variable(struct settings *settings, const struct option *option,
                         struct error *error)
{
    const char *value = getenv(option->variable);
    size_t before = settings->count;
    if (value == NULL) {
        return 0;
    }
    if (option->separators == NULL && *value != '\0') {
        settings_add(settings, option, value, option->variable);
    }
    if (option->separators != NULL) {
        char *copy = mem_string(value, strlen(value));
        char *state = NULL;
        for (char *at = strtok_r(copy, option->separators, &state); at != NULL;
             at = strtok_r(NULL, option->separators, &state)) {
            settings_add(settings, option, at, option->variable);
        }
        free(copy);
    }
    return settings->count > before || !option->refuses_none
               ? 0
               : error_set(error, ERR_USAGE, "%s: set, but it says nothing", option->variable);
}

/* What flags left open, before what they say. */
static int read_environment(struct settings *settings, const struct option_table *table,
                            struct error *error)
{
    struct settings flags = *settings;
    const struct option *option;
    int status = 0;
    settings->at = NULL;
    settings->count = 0;
    for (size_t i = 0; status == 0 && (option = option_at(table, i)) != NULL; i++) {
        bool is_open = option->is_added_to || settings_find(&flags, option->name) == NULL;
        if (option->variable != NULL && is_open) {
            status = read_variable(settings, option, error);
        }
    }
    for (size_t i = 0; i < flags.count; i++) {
        add(settings, flags.at[i]);
    }
    free(flags.at);
    return status;
}

int settings_read(struct settings *settings, const struct option_table *table, int count,
                  char *const *words, struct error *error)
{
    *settings = (struct settings){0};
    arguments_init(&settings->arguments, count, words);
    struct reader reader = {.settings = settings, .table = table};
    int status = 0;
    while (status == 0 && settings->about == NULL && reader.position < settings->arguments.count) {
        status = read_word(&reader, error);
    }
    return status != 0 || settings->about != NULL ? status
                                                  : read_environment(settings, table, error);
}

/* ---- what follows from it ---- */

/* "on|off|require": "on, off or require". */
static char *choices_text(const char *choices)
{
    char *text = mem_string("", 0);
    struct slice rest = slice_of_string(choices);
    while (rest.count > 0) {
        struct slice choice = slice_take(&rest, '|');
        const char *between = *text == '\0' ? "" : rest.count > 0 ? ", " : " or ";
        char *longer = mem_format("%s%s%.*s", text, between, (int)choice.count, choice.bytes);
        free(text);
        text = longer;
    }
    return text;
}

static int refuse_choice(const struct setting *setting, struct error *error)
{
    struct nearest nearest = nearest_to(slice_of_string(setting->value));
    struct slice rest = slice_of_string(setting->option->choices);
    while (rest.count > 0) {
        nearest_offer(&nearest, slice_take(&rest, '|'));
    }
    bool is_near = nearest.found.count > 0;
    char *choices = choices_text(setting->option->choices);
    error_set(error, ERR_USAGE, "--%s: not %s: %s%s%.*s%s", setting->option->name, choices,
              setting->value, is_near ? "; did you mean " : "", (int)nearest.found.count,
              is_near ? nearest.found.bytes : "", is_near ? "?" : "");
    free(choices);
    return ERR_USAGE;
}

static bool is_choice(const char *choices, const char *value)
{
    struct slice rest = slice_of_string(choices);
    while (rest.count > 0) {
        if (slice_equal(slice_take(&rest, '|'), slice_of_string(value))) {
            return true;
        }
    }
    return false;
}

int setting_apply(const struct setting *setting, void *subject, struct error *error)
{
    const struct option *option = setting->option;
    struct error detail = {""};
    assert(option->apply != NULL);
    bool is_fitting = option->choices == NULL || setting->value == NULL ||
                      is_choice(option->choices, setting->value);
    int status =
        is_fitting ? option->apply(setting, subject, &detail) : refuse_choice(setting, &detail);
    if (status == 0) {
        return 0;
    }
    return setting->where == NULL ? error_set(error, status, "%s", detail.text)
                                  : error_set(error, status, "%s: %s", setting->where, detail.text);
}

size_t settings_apply(const struct settings *settings, const char *program, void *subject)
{
    size_t problems = 0;
    for (size_t i = 0; i < settings->count; i++) {
        struct error error = {""};
        if (setting_apply(&settings->at[i], subject, &error) != 0) {
            fprintf(stderr, "%s: %s\n", program, error.text);
            problems++;
        }
    }
    return problems;
}

const char *setting_origin(const struct setting *setting, char *out, size_t capacity)
{
    if (setting->where == NULL) {
        return "the command line";
    }
    bool is_file = strchr(setting->where, ':') != NULL;
    snprintf(out, capacity, "%s%s", is_file ? "" : "the environment, ", setting->where);
    return out;
}
