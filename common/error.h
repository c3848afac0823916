/* Errors. A function that can fail returns 0 or a negative code: -errno from the system, or one of
 * enum err. A function near a file also fills a struct error, a sentence for a person that names
 * the file and the rule it broke; it is printed once, at the edge (main, control), by whoever
 * decides that the failure is final. Validators of bytes give `const char **why` instead: a static
 * string that names the broken rule. */
#ifndef CAIRN_COMMON_ERROR_H
#define CAIRN_COMMON_ERROR_H

#include "common/compiler.h"

/* Below every -errno (Linux: 1 to 4095). */
enum err {
    ERR_FORMAT = -10001,  /* bytes that are not what docs/format.md says */
    ERR_DAMAGED = -10002, /* right format, wrong checksum */
    ERR_VERSION = -10003, /* a format version that this program does not know */
    ERR_BINDING = -10004, /* an index and an archive that do not belong together */
    ERR_CHANGED = -10005, /* a file changed while it was read */
    ERR_NAME = -10006,    /* a file name that cannot be a URL path */
    ERR_LIMIT = -10007,   /* a documented limit was exceeded */
    ERR_BUSY = -10008,    /* somebody else holds the lock */
    ERR_USAGE = -10009,   /* the command's words are off */
    ERR_EMPTY = -10010,   /* nothing to do where something was expected */
    ERR_REFUSED = -10011, /* a server answered, and said no */
    ERR_TRUST = -10012,   /* not signed by a key that counts */
};

enum { ERROR_TEXT_BYTES = 1024 };

struct error {
    char text[ERROR_TEXT_BYTES]; /* one line, no newline; cut at the end if longer */
};

/* Formats the sentence and returns code, so that `return error_set(...)` reads as one step. `error`
 * may be NULL when the caller does not want the sentence. Control characters that came in through
 * a file name are replaced by '?', so that the text stays one line. */
int error_set(struct error *error, int code, const char *format, ...) CAIRN_PRINTF(3, 4);

/* A few words for a code: strerror for -errno, ours otherwise. Static or thread-local storage. */
const char *error_name(int code);

#endif
