/* What the process gives up once everything is open: its user, its privileges, files, and system
 * calls. docs/security.md. Main thread, before there are others. */
#ifndef CAIRN_SERVER_SANDBOX_H
#define CAIRN_SERVER_SANDBOX_H

#include "server/config.h"
#include "server/listeners.h"
#include "server/sandbox/account.h"
#include "server/sandbox/folders.h"
#include "server/sandbox/syscall_filter.h"
#include "telemetry/settings.h"

struct sandbox {
    enum sandbox_mode mode;
    int landlock_version; /* that is in force; 0: none is */
    bool has_filters;     /* the main thread is under its own */
    struct sock_fprog filters[THREAD_ROLES];
    struct folders readable; /* those of indexes and archives; none: there is no limit */
};

/* What is left to the process follows from this. */
struct sandbox_needs {
    const struct config *config;
    const struct listeners *listeners;
    const struct listeners *admin;
    const struct telemetry_settings *telemetry; /* that is sent; NULL: none is */
    const struct account *account;              /* to become; NULL: nobody else */
    const char *program;                        /* the file that a successor is started from */
    const char *admin_page;                     /* an index; NULL: there is none */
};

/* Enters it, as far as the kernel can; what it cannot is said in a line on standard error, or with
 * SANDBOX_REQUIRE is an error. */
int sandbox_enter(struct sandbox *sandbox, const struct sandbox_needs *needs,
                  struct error *error) CAIRN_MUST_CHECK;

/* For a process whose predecessor was in it already, and which therefore is: what is left to do is
 * to make the filters of its threads. */
int sandbox_inherit(struct sandbox *sandbox, const struct sandbox_needs *needs,
                    int landlock_version, bool has_filters, struct error *error) CAIRN_MUST_CHECK;

/* What a thread of this role has to enter; NULL: nothing. */
const struct sock_fprog *sandbox_filter(const struct sandbox *sandbox, enum thread_role role);

/* The folders that may be read; NULL: any. */
const struct folders *sandbox_folders(const struct sandbox *sandbox);

enum { SANDBOX_TEXT_BYTES = 64 };

/* What is in force, in a word: "landlock:7,seccomp", "none", "off". */
void sandbox_text(const struct sandbox *sandbox, char out[SANDBOX_TEXT_BYTES]);

void sandbox_fini(struct sandbox *sandbox);

#endif
