/* The flags of a program as tables, from which everything is made that has to know them: reading of
 * the command line, of files of flags (@FILE) and of the environment; --help; and the rows that
 * completions and manuals are checked against (--options). A flag beats its variable, and both beat
 * the default. Main thread. */
#ifndef CAIRN_COMMON_OPTIONS_H
#define CAIRN_COMMON_OPTIONS_H

#include "common/arguments.h"

#include <stdbool.h>
#include <stdio.h>

struct setting;

/* Does what a setting says to the program's own `subject`. ERR_USAGE with a sentence that names the
 * flag. */
typedef int option_apply(const struct setting *setting, void *subject, struct error *error);

/* What a flag that only prints something is for. */
enum option_about {
    OPTION_SETS, /* it does not: it sets something */
    OPTION_HELP,
    OPTION_VERSION,
    OPTION_ROWS, /* --options */
    OPTION_OTHER,
};

/* One flag. Names are static. */
struct option {
    const char *name;     /* without dashes */
    char letter;          /* NUL: it has none */
    const char *argument; /* what its value is called; "[FILE]": it may be left out; NULL: it takes
                             none, or yes and no */
    const char *choices;  /* "on|off|require": no other value will do; NULL: any */
    const char *variable; /* of the environment; NULL: none */
    const char *separators; /* between the values in the variable; NULL: there is one */
    bool is_repeatable;
    bool is_common;    /* in the short help */
    bool is_hidden;    /* in no help */
    bool is_added_to;  /* what the variable says holds besides flags, which come after it */
    bool refuses_none; /* a variable that is set but says nothing is a mistake */
    enum option_about about;
    const char *initial; /* the default, for people; NULL: none */
    const char *help;    /* one line */
    const char *more;    /* sentences that only the full help has; NULL: none */
    option_apply *apply;
    size_t offset; /* in the subject, for the functions below */
    size_t least, most;
};

struct option_group {
    const char *title;
    const struct option *options;
    size_t count;
    bool is_hidden; /* taken, but in no help */
};

/* The flags of a program or of one of its commands, and the words of its help. */
struct option_table {
    const char *program;   /* "cairn-pack add" */
    const char *usage;     /* what stands behind it */
    const char *about;     /* what it does: lines */
    const char *operands;  /* what its other words are: lines of the full help; NULL: nothing */
    const char *ending;    /* lines of the full help; NULL: nothing */
    bool stops_at_operand; /* what follows the first other word is not looked at for flags */
    const struct option_group *const *groups; /* up to NULL */
};

/* What somebody said. Strings belong to the settings. */
struct setting {
    const struct option *option;
    const char *value; /* NULL: a flag without */
    const char *where; /* "CAIRN_LISTEN", "serve.conf:3"; NULL: the command line itself */
};

struct settings {
    struct setting *at; /* first what the environment says, then flags, in their order */
    size_t count;
    struct argument *operands;
    size_t operand_count;
    const struct option *about; /* a flag that only prints something: the rest was not read */
    const char *about_value;
    struct arguments arguments; /* owned, as the following */
    char **owned;
    size_t owned_count;
};

/* Reads words (without the program's own name), files of them, and the environment. ERR_USAGE with
 * a sentence: no such flag, a value too many or too few, a file that cannot be read.
 * settings_fini() in any case. */
int settings_read(struct settings *settings, const struct option_table *table, int count,
                  char *const *words, struct error *error) CAIRN_MUST_CHECK;
void settings_fini(struct settings *settings);

/* Adds a setting that nobody wrote as a flag; strings are copied. */
void settings_add(struct settings *settings, const struct option *option, const char *value,
                  const char *where);

/* The last setting of a flag, or NULL: nobody said anything. */
const struct setting *settings_find(const struct settings *settings, const char *name);

/* Applies one; the error says where it was said. */
int setting_apply(const struct setting *setting, void *subject,
                  struct error *error) CAIRN_MUST_CHECK;

/* Applies all of them, and prints each one's error on a line that begins with the program's name.
 * How many there were. */
size_t settings_apply(const struct settings *settings, const char *program, void *subject);

/* Where somebody said it: "the command line", "the environment (CAIRN_LISTEN)", "serve.conf:3". */
const char *setting_origin(const struct setting *setting, char *out, size_t capacity);

/* The options of a table in their order; NULL: there is none at this position. */
const struct option *option_at(const struct option_table *table, size_t position);

const struct option *option_find(const struct option_table *table, const char *name);

/* ---- functions for rows ---- */

option_apply option_set_flag;   /* bool: yes, no; true without a value */
option_apply option_set_text;   /* const char *: not empty */
option_apply option_set_choice; /* an enum: which of `choices` */
option_apply option_set_number; /* size_t: from `least` to `most` */
option_apply option_set_time;   /* uint64_t, seconds: "90s", "30m", "12h", "7d" */

/* The same for functions of a program's own. */
int option_number(const struct setting *setting, size_t *out_number,
                  struct error *error) CAIRN_MUST_CHECK;

/* ---- what is printed ---- */

/* --help: what fits a screen, or with the value "all", everything. */
void options_print_help(const struct option_table *table, bool is_full, FILE *file);

/* --options: a line for each flag, fields separated by tabs. */
void options_print_head(FILE *file);
void options_print_rows(const struct option_table *table, FILE *file);

/* The rows that every table ends with. */
extern const struct option_group option_about_group;

#endif
