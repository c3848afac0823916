/* The files of a site directory, found and sorted. Links are followed where they stay inside the
 * tree. One thread; the walk owns its strings. */
#ifndef CAIRN_PACKER_WALK_H
#define CAIRN_PACKER_WALK_H

#include "common/error.h"
#include "packer/site/change_set.h"
#include "packer/site/file_state.h"
#include "packer/site/folder_watch.h"
#include "packer/site/names.h"

enum file_role {
    FILE_SERVED,
    FILE_RULES, /* `_headers` and the like, at the root: packed with the release, never served */
};

struct walk_file {
    const char *name;        /* below the site directory: "docs/a.html" */
    struct file_state state; /* of the file itself, links followed, at the time of the walk */
    enum file_role role;
};

/* What was left out, and why: for the person who packs. */
struct walk_note {
    const char *name;
    const char *reason; /* static */
    unsigned line;      /* of a `.cairnignore` that is not understood; 0: a file */
};

struct walk_options {
    bool dotfiles;              /* take them too; else only what is below /.well-known */
    struct folder_watch *watch; /* is given every folder before it is read; NULL: none */
};

/* A link, and what it led to: the system tells of changes where they happen, not of links there. */
struct walk_link {
    char *name; /* owned */
    bool is_taken;
    bool is_folder;
    struct file_state state;
};

struct walk {
    char *root; /* the site directory, absolute, links followed */
    struct walk_file *files;
    size_t file_count;
    size_t file_capacity;
    struct walk_note *notes;
    size_t note_count;
    size_t note_capacity;
    uint64_t ignored_count;  /* by `.cairnignore`: not noted one by one */
    struct walk_link *links; /* only with a watch */
    size_t link_count;
    size_t link_capacity;
    const char **ignore_folders; /* those that have a `.cairnignore` */
    size_t ignore_folder_count;
    struct names names;
    struct ignore *ignore;
    struct walk_options options;
};

/* What a file of this name is for. */
enum file_role walk_role_of(const char *name);

/* Lists every regular file below `directory`, sorted by the bytes of its name. Left out, with a
 * note: names that start with a dot (RFC 8615's /.well-known excepted), links that lead outside the
 * tree, nowhere, or back to a folder they are in, and the folders of version control; and, counted,
 * what `.cairnignore` files say (git's syntax, each for its folder). A name that cannot be a URL
 * path, an entry that cannot be read, and anything that is neither file nor folder fail the whole
 * walk, with its name in *error. walk_fini() in any case. */
int walk_init(const char *directory, const struct walk_options *options, struct walk *out_walk,
              struct error *error) CAIRN_MUST_CHECK;
void walk_fini(struct walk *walk);

/* Gives back the memory of all but the names: a million states are 72 MB. */
void walk_forget_states(struct walk *walk);

/* ---- again, in part ---- */

/* Is a file or folder of this name left out, for its name alone? */
bool walk_leaves_out(const struct walk *walk, const char *name, bool is_folder);

/* May the changes decide about names other than theirs, so that all has to be walked? */
bool walk_needs_all(const struct walk *walk, const struct change_set *changes);

/* Lists, in place of the files of the walk before, those that are now at the names of settled
 * changes or below them, sorted. A name where nothing is any more is no failure. */
int walk_again(struct walk *walk, const struct change_set *changes,
               struct error *error) CAIRN_MUST_CHECK;

/* Adds the links that do not lead to what they led to. */
void walk_find_changed_links(const struct walk *walk, struct change_set *changes);

#endif
