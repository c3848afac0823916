/* What --version says: the program, the formats that it knows, and the libraries that it runs with,
 * which may be newer than those that it was built with. */
#ifndef CAIRN_COMMON_VERSION_H
#define CAIRN_COMMON_VERSION_H

#include "common/compiler.h"

#include <stdio.h>

struct library {
    const char *name;
    const char *version; /* NULL: it does not say; then the name of its file, "libname.so.1.2.3" */
};

/* Libraries that every program with an index or an archive has: their number, and them. */
enum { COMMON_LIBRARIES = 2 };
void version_common_libraries(struct library out[COMMON_LIBRARIES]);

/* Without libraries the program knows no formats either. */
void version_print(const char *program, const struct library *libraries, size_t count, FILE *file);

#endif
