#include "packer/request.h"

#include "common/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IN(member) .offset = offsetof(struct request, member)

enum { JOBS_MAX = 256 };

void request_init(struct request *request)
{
    *request = (struct request){.add = {.messages = stderr}};
    site_options_init(&request->site);
}

void request_fini(struct request *request)
{
    site_options_fini(&request->site);
    free(request->trusted);
}

static int set_site(const struct setting *setting, void *subject, struct error *error)
{
    struct request *request = subject;
    request->has_effort |= strcmp(setting->option->name, "effort") == 0;
    return site_options_set(&request->site, setting->option->name, setting->value, error);
}

static int set_jobs(const struct setting *setting, void *subject, struct error *error)
{
    struct request *request = subject;
    size_t jobs;
    int status = option_number(setting, &jobs, error);
    if (status == 0) {
        request->add.thread_count = (unsigned)jobs;
    }
    return status;
}

static int add_trusted(const struct setting *setting, void *subject, struct error *error)
{
    struct request *request = subject;
    (void)error; /* they are read when all flags are */
    request->trusted =
        mem_resize(request->trusted, request->trusted_count + 1, sizeof *request->trusted);
    request->trusted[request->trusted_count++] = setting->value;
    return 0;
}

/* ---- rows that more than one command has ---- */

#define JSON(text)                                                                                 \
    {                                                                                              \
        .name = "json", .is_common = true, .help = (text), .apply = option_set_flag, IN(as_json)   \
    }

#define SIGN(text)                                                                                 \
    {                                                                                              \
        .name = "sign", .argument = "KEY", .variable = "CAIRN_SIGN", .is_common = true,            \
        .help = "sign the release with this private key (keygen)", .more = (text),                 \
        .apply = option_set_text, IN(sign)                                                         \
    }

/* ---- the tables ---- */

static const struct option publish_options[] = {
    {.name = "push",
     .argument = "SOCKET",
     .variable = "CAIRN_PUSH",
     .is_common = true,
     .help = "have the server at this control socket load it",
     .more = "It fails if the server does not.",
     .apply = option_set_text,
     IN(push)},
    SIGN("For servers that --trust its public half."),
    {.name = "dry-run",
     .is_common = true,
     .help = "pack nothing; print what `check` prints",
     .apply = option_set_flag,
     IN(is_dry_run)},
    {.name = "watch",
     .is_common = true,
     .help = "go on: a release at every change of the directory",
     .more = "Until INT or TERM, or until nobody reads the lines any more. Only what has changed "
             "is packed, and without coded forms unless --effort says so.",
     .apply = option_set_flag,
     IN(is_watch)},
    {.name = "wait",
     .variable = "CAIRN_WAIT",
     .help = "wait while another cairn-pack adds to the archive",
     .apply = option_set_flag,
     IN(add.wait)},
};

static const struct option read_options[] = {
    {.name = "overlay",
     .variable = "CAIRN_OVERLAY",
     .is_common = true,
     .help = "the index holds only what differs from before",
     .apply = option_set_flag,
     IN(site.overlay)},
    {.name = "checksum",
     .variable = "CAIRN_CHECKSUM",
     .help = "read every file, even if it looks unchanged",
     .more = "That is, if size, times and inode are as they were.",
     .apply = option_set_flag,
     IN(add.read_all)},
    {.name = "allow-empty",
     .help = "publish a site without a single file",
     .apply = option_set_flag,
     IN(add.allow_empty)},
    {.name = "jobs",
     .letter = 'j',
     .argument = "N",
     .variable = "CAIRN_JOBS",
     .initial = "one for each processor",
     .help = "threads",
     .apply = set_jobs,
     .least = 1,
     .most = JOBS_MAX},
    JSON("print the result as JSON"),
    {.name = "quiet",
     .letter = 'q',
     .variable = "CAIRN_QUIET",
     .is_common = true,
     .help = "no progress, notes and summary on standard error",
     .apply = option_set_flag,
     IN(add.quiet)},
};

static const struct option compile_options[] = {
    {.name = "urls",
     .argument = "POLICY",
     .choices = "auto|drop-html|slash|exact",
     .variable = "CAIRN_URLS",
     .is_common = true,
     .initial = "auto",
     .help = "auto, drop-html, slash, exact: what pages answer to",
     .more = "auto: /a and /a.html do; drop-html: /a.html leads to /a; slash: both lead to /a/; "
             "exact: only the names of files.",
     .apply = set_site},
    {.name = "spa",
     .argument = "[FILE]",
     .variable = "CAIRN_SPA",
     .is_common = true,
     .help = "navigations to missing paths get FILE",
     .more = "index.html, if only the flag is said. Assets never do.",
     .apply = set_site},
    {.name = "dialect",
     .argument = "NAME",
     .choices = "netlify|cloudflare",
     .variable = "CAIRN_DIALECT",
     .initial = "netlify",
     .help = "whose _headers and _redirects these are",
     .more = "netlify or cloudflare.",
     .apply = set_site},
    {.name = "host",
     .argument = "NAME",
     .variable = "CAIRN_HOST",
     .help = "the host that rules of _headers are compared with",
     .apply = set_site},
    {.name = "effort",
     .argument = "EFFORT",
     .choices = "none|fast|default|max",
     .variable = "CAIRN_EFFORT",
     .is_common = true,
     .initial = "default",
     .help = "none, fast, default, max: for gzip, br and zstd",
     .apply = set_site},
    {.name = "sidecars",
     .variable = "CAIRN_SIDECARS",
     .help = "a.js.gz, .br and .zst are the coded forms of a.js",
     .apply = option_set_flag,
     IN(site.sidecars)},
    {.name = "digest",
     .variable = "CAIRN_DIGEST",
     .help = "Repr-Digest on every file",
     .apply = option_set_flag,
     IN(site.digest)},
    {.name = "cache",
     .argument = "KIND=VALUE",
     .variable = "CAIRN_CACHE",
     .separators = "\n",
     .is_repeatable = true,
     .help = "Cache-Control of html, fingerprinted or other files",
     .more = "In the variable, one on each line.",
     .apply = set_site},
    {.name = "immutable",
     .argument = "PATTERN",
     .variable = "CAIRN_IMMUTABLE",
     .separators = "\n",
     .is_repeatable = true,
     .help = "names that tell their content, besides those found",
     .more = "In the variable, one on each line.",
     .apply = set_site},
    {.name = "revalidate",
     .argument = "PATTERN",
     .variable = "CAIRN_REVALIDATE",
     .separators = "\n",
     .is_repeatable = true,
     .help = "names that do not, whatever they look like",
     .more = "In the variable, one on each line.",
     .apply = set_site},
    {.name = "type",
     .argument = "EXTENSION=TYPE",
     .variable = "CAIRN_TYPE",
     .separators = ",",
     .is_repeatable = true,
     .help = "media type of files with this extension",
     .apply = set_site},
    {.name = "dotfiles",
     .variable = "CAIRN_DOTFILES",
     .help = "take names that start with a dot, too",
     .apply = option_set_flag,
     IN(add.walk.dotfiles)},
    {.name = "strict",
     .variable = "CAIRN_STRICT",
     .help = "lines of rule files that nobody understands are errors",
     .apply = option_set_flag,
     IN(add.strict)},
};

static const struct option json_options[] = {
    JSON("print it as JSON"),
};

static const struct option verify_options[] = {
    {.name = "archive",
     .is_common = true,
     .help = "every record of every release of the archive",
     .more = "No index is needed for that.",
     .apply = option_set_flag,
     IN(is_archive)},
    {.name = "trust",
     .argument = "PUBKEY",
     .variable = "CAIRN_TRUST",
     .separators = ",",
     .is_repeatable = true,
     .is_common = true,
     .refuses_none = true,
     .help = "the release has to be signed by this key",
     .more = "With --archive each of them. Of several keys any will do.",
     .apply = add_trusted},
};

static const struct option rebuild_options[] = {
    SIGN("What survives of a damaged release is another one, which needs a signature of its own."),
};

static const struct option compact_options[] = {
    {.name = "keep",
     .argument = "N",
     .is_common = true,
     .help = "how many releases; has to be given",
     .apply = option_set_number,
     IN(keep),
     .least = 1,
     .most = SIZE_MAX},
    SIGN("Signatures of the old archive do not hold for the new one."),
};

static const struct option dev_options[] = {
    {.name = "port",
     .letter = 'p',
     .argument = "N",
     .is_common = true,
     .initial = "the first that is free, from 8080 on",
     .help = "serve on this port of 127.0.0.1, and on no other",
     .apply = option_set_number,
     IN(port),
     .least = 1,
     .most = UINT16_MAX},
    {.name = "listen",
     .argument = "ADDRESS",
     .is_common = true,
     .help = "serve there instead; an address as cairn-serve takes it",
     .apply = option_set_text,
     IN(listen)},
};

#define GROUP(title, options)                                                                      \
    {                                                                                              \
        title, options, ARRAY_COUNT(options), false                                                \
    }

const struct option_group request_publish_group = GROUP("How it is published", publish_options);
const struct option_group request_ignored_group = {NULL, publish_options,
                                                   ARRAY_COUNT(publish_options), true};
const struct option_group request_read_group = GROUP("How it is read", read_options);
const struct option_group request_site_group = GROUP("How the site is compiled", compile_options);
const struct option_group request_json_group = GROUP("What it prints", json_options);
const struct option_group request_verify_group = GROUP("What is verified", verify_options);
const struct option_group request_rebuild_group = GROUP("What is made", rebuild_options);
const struct option_group request_compact_group = GROUP("What is made", compact_options);
const struct option_group request_dev_group = GROUP("Where it serves", dev_options);
