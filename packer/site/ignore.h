/* What is not to be packed: patterns in the syntax of gitignore (git's documentation, gitignore(5),
 * "PATTERN FORMAT"), and the same patterns for options. A pattern is matched byte by byte ('?' is
 * one byte), letters of different case differ, and no run of stars takes more than polynomial time.
 * One thread; the patterns are copied. */
#ifndef CAIRN_PACKER_IGNORE_H
#define CAIRN_PACKER_IGNORE_H

#include "common/slice.h"

#define IGNORE_FILE ".cairnignore"

/* A line that is not understood, and passed over. */
struct ignore_problem {
    unsigned line;   /* from 1 */
    const char *why; /* static */
};

struct ignore_problems {
    struct ignore_problem *rows; /* NULL at first; the caller frees it */
    size_t count;
    size_t capacity;
};

struct ignore;

/* An empty list: nothing matches. Never NULL. */
struct ignore *ignore_new(void);
void ignore_free(struct ignore *ignore);

/* Adds the patterns of one file's text. They hold for what is below `folder`, the path of the
 * folder that the file is in ("" the site directory itself, "docs/api"). Of all patterns that
 * match, the one added last decides, so add the file of a folder before those of its subfolders. A
 * BOM and CRLF line ends are allowed. Problems are appended to *problems. */
void ignore_add(struct ignore *ignore, struct slice folder, struct slice text,
                struct ignore_problems *problems);

/* Is the file or folder with this path below the site directory ("docs/a.html") left out? Asks for
 * the name alone, not for the folders that it is in: what is below a folder that is left out is
 * left out with it, so do not descend. */
bool ignore_matches(const struct ignore *ignore, struct slice name, bool is_folder);

/* One pattern of an option: no comment, no '!', and spaces at its end are part of it. Returns NULL
 * or, as a static string, the rule that it breaks. */
const char *glob_problem(struct slice pattern);

/* Does the pattern match the file with this path, or a folder that it is in ("assets/" matches
 * "assets/js/a.js")? A pattern with a problem matches nothing. */
bool glob_matches(struct slice pattern, struct slice name);

#endif
