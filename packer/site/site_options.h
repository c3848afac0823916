/* How a release's index is made from its files. Written into the archive as text whenever it
 * changes, so that the index can be made again from the archive alone. */
#ifndef CAIRN_PACKER_SITE_OPTIONS_H
#define CAIRN_PACKER_SITE_OPTIONS_H

#include "common/error.h"
#include "common/format.h"
#include "common/slice.h"
#include "packer/site/rule_file.h"

/* Which spellings of a page's URL answer, and which lead to another. docs/packing.md, "URLs". */
enum url_policy {
    URLS_AUTO,      /* /a, /a.html and /docs/index.html answer; /a/ leads to /a */
    URLS_DROP_HTML, /* /a answers; /a.html, /a/ and /docs/index.html lead to /a and /docs/ */
    URLS_SLASH,     /* /a/ answers; /a and /a.html lead there */
    URLS_EXACT,     /* only the names of files, and /docs/ for /docs/index.html */
};

enum cache_kind {
    CACHE_HTML,          /* pages */
    CACHE_FINGERPRINTED, /* names that tell their content */
    CACHE_OTHER,
    CACHE_KIND_COUNT,
};

struct word_list {
    char **words; /* owned */
    size_t count;
    size_t capacity;
};

struct site_options {
    enum url_policy urls;
    enum dialect dialect;
    enum effort effort;
    bool overlay;
    bool sidecars;
    bool digest;                   /* Repr-Digest on every file (RFC 9530) */
    char *spa;                     /* NULL: none; else the page for navigations, "index.html" */
    char *host;                    /* which host's rules of `_headers` count; NULL: none */
    char *cache[CACHE_KIND_COUNT]; /* NULL: the default */
    struct word_list immutable;    /* patterns of names that tell their content */
    struct word_list revalidate;   /* and of those that do not, whatever they look like */
    struct word_list types;        /* "EXTENSION=TYPE" */
};

void site_options_init(struct site_options *options);
void site_options_fini(struct site_options *options);

/* Sets one option by its name on the command line, without the dashes; value NULL: a flag.
 * ERR_USAGE if there is no such option, or no such value. */
int site_options_set(struct site_options *options, const char *name, const char *value,
                     struct error *error) CAIRN_MUST_CHECK;

/* One option a line, in a fixed order, defaults left out; the caller frees. */
char *site_options_write(const struct site_options *options);

/* Reads what site_options_write() wrote. */
int site_options_read(struct site_options *options, struct slice text,
                      struct error *error) CAIRN_MUST_CHECK;

/* The Cache-Control of a kind: the option's, or the default. */
const char *site_options_cache(const struct site_options *options, enum cache_kind kind);

#endif
