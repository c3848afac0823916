/* The tables, for people and for programs. */
#include "common/mem.h"
#include "common/options.h"

#include <stdlib.h>
#include <string.h>

static const struct option about_options[] = {
    {.name = "help",
     .letter = 'h',
     .argument = "[all]",
     .is_common = true,
     .about = OPTION_HELP,
     .help = "this text; --help all: every flag"},
    {.name = "version",
     .letter = 'V',
     .is_common = true,
     .about = OPTION_VERSION,
     .help = "the version, of its formats and libraries too"},
    {.name = "options",
     .is_hidden = true,
     .about = OPTION_ROWS,
     .help = "the flags as lines of fields, separated by tabs"},
};

const struct option_group option_about_group = {"About it", about_options,
                                                ARRAY_COUNT(about_options), false};

enum { WIDTH = 80, INDENT = 26, WORD_BYTES = 64 };

/* "  -p, --listen ADDRESS". */
static void format_name(const struct option *option, char out[WORD_BYTES])
{
    char letter[] = {'-', option->letter, ',', ' ', '\0'};
    const char *argument = option->argument == NULL ? "" : option->argument;
    bool is_optional = *argument == '[';
    const char *between = is_optional ? "[=" : *argument == '\0' ? "" : " ";
    snprintf(out, WORD_BYTES, "  %s--%s%s%s", option->letter == '\0' ? "" : letter, option->name,
             between, argument + is_optional);
}

/* Words from column `column` on, lines at most WIDTH wide; those after the first are indented. */
static void print_wrapped(const char *text, size_t column, FILE *file)
{
    size_t count;
    for (; *text != '\0'; text += count + strspn(text + count, " ")) {
        count = strcspn(text, " ");
        if (column > INDENT && column + 1 + count > WIDTH) {
            fprintf(file, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            fputc(' ', file);
            column++;
        }
        fprintf(file, "%.*s", (int)count, text);
        column += count;
    }
    fputc('\n', file);
}

/* The name, up to where its text begins: on the next line if it is too long. */
static void print_name(const struct option *option, FILE *file)
{
    char name[WORD_BYTES];
    format_name(option, name);
    if (strlen(name) + 2 > INDENT) {
        fprintf(file, "%s\n%*s", name, INDENT, "");
    } else {
        fprintf(file, "%-*s", INDENT, name);
    }
}

/* "(CAIRN_WORKERS; one per processor)" */
static char *sources_of(const struct option *option)
{
    bool has_both = option->variable != NULL && option->initial != NULL;
    if (option->variable == NULL && option->initial == NULL) {
        return mem_string("", 0);
    }
    return mem_format(" (%s%s%s)", option->variable == NULL ? "" : option->variable,
                      has_both ? "; " : "", option->initial == NULL ? "" : option->initial);
}

static void print_option(const struct option *option, bool is_full, FILE *file)
{
    print_name(option, file);
    if (!is_full) {
        print_wrapped(option->help, INDENT, file);
        return;
    }
    char *sources = sources_of(option);
    bool has_more = option->more != NULL;
    char *text = mem_format("%s%s%s%s%s", option->help, option->is_repeatable ? "; repeatable" : "",
                            has_more ? ". " : "", has_more ? option->more : "", sources);
    print_wrapped(text, INDENT, file);
    free(text);
    free(sources);
}

static void print_group(const struct option_group *group, FILE *file)
{
    fprintf(file, "\n%s:\n", group->title);
    for (size_t i = 0; i < group->count; i++) {
        if (!group->options[i].is_hidden) {
            print_option(&group->options[i], true, file);
        }
    }
}

static void print_common(const struct option_group *group, FILE *file)
{
    for (size_t i = 0; i < group->count; i++) {
        if (group->options[i].is_common) {
            print_option(&group->options[i], false, file);
        }
    }
}

void options_print_help(const struct option_table *table, bool is_full, FILE *file)
{
    fprintf(file, "usage: %s %s\n\n%s", table->program, table->usage, table->about);
    if (is_full && table->operands != NULL) {
        fprintf(file, "\n%s", table->operands);
    }
    if (!is_full) {
        fputc('\n', file);
    }
    for (size_t i = 0; table->groups[i] != NULL; i++) {
        const struct option_group *group = table->groups[i];
        if (!group->is_hidden) {
            (is_full ? print_group : print_common)(group, file);
        }
    }
    if (is_full && table->ending != NULL) {
        fprintf(file, "\n%s", table->ending);
    }
}

void options_print_head(FILE *file)
{
    fputs("#command\tname\tletter\targument\tchoices\tvariable\tseparators\trepeatable\tgroup\t"
          "default\thelp\tmore\n",
          file);
}

static void print_field(const char *text, FILE *file)
{
    fputc('\t', file);
    for (; text != NULL && *text != '\0'; text++) {
        fputs(*text == '\n' ? "\\n" : (char[]){*text, '\0'}, file);
    }
}

static void print_row(const struct option_table *table, const struct option_group *group,
                      const struct option *option, FILE *file)
{
    const char letter[] = {option->letter, '\0'};
    const char *const fields[] = {
        option->name,
        letter,
        option->argument,
        option->choices,
        option->variable,
        option->separators,
        option->is_repeatable ? "yes" : "no",
        group->title,
        option->initial,
        option->help,
        option->more,
    };
    fputs(table->program, file);
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        print_field(fields[i], file);
    }
    fputc('\n', file);
}

void options_print_rows(const struct option_table *table, FILE *file)
{
    for (size_t i = 0; table->groups[i] != NULL; i++) {
        const struct option_group *group = table->groups[i];
        for (size_t j = 0; j < group->count && !group->is_hidden; j++) {
            if (!group->options[j].is_hidden) {
                print_row(table, group, &group->options[j], file);
            }
        }
    }
}
