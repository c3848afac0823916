/* The files of a site directory, found and sorted. Links are followed where they stay inside the
 * tree. One thread; the list owns its strings. */
#ifndef CAIRN_PACKER_WALK_H
#define CAIRN_PACKER_WALK_H

#include "common/error.h"

#include <sys/stat.h>

struct walk_file {
    char *name;         /* below the site directory: "docs/a.html" */
    struct stat status; /* of the file itself, links followed, at the time of the walk */
};

/* What was left out, and why: for the person who packs. */
struct walk_note {
    char *name;
    const char *reason; /* static */
};

struct walk {
    char *root; /* the site directory, absolute, links followed */
    struct walk_file *files;
    size_t file_count;
    size_t file_capacity;
    struct walk_note *notes;
    size_t note_count;
    size_t note_capacity;
};

/* Lists every regular file below `directory`, sorted by the bytes of its name. Left out, with a
 * note: links that lead outside the tree, nowhere, or back to a folder they are in, and the folders
 * of version control (.git, .hg, .svn, .bzr, _darcs). A name that cannot be a URL path, an entry
 * that cannot be read, and anything that is neither file nor folder fail the whole walk, with its
 * name in *error. walk_fini() in any case. */
int walk_init(const char *directory, struct walk *out_walk, struct error *error) CAIRN_MUST_CHECK;
void walk_fini(struct walk *walk);

#endif
