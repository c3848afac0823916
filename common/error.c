#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int code, const char *format, ...)
{
    if (error == NULL) {
        return code;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    for (char *at = error->text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x20 || byte == 0x7f) {
            *at = '?';
        }
    }
    return code;
}

const char *error_name(int code)
{
    switch (code) {
    case ERR_FORMAT:
        return "not in the expected format";
    case ERR_DAMAGED:
        return "damaged";
    case ERR_VERSION:
        return "a format version that this program does not know";
    case ERR_BINDING:
        return "the index and the archive do not belong together";
    case ERR_CHANGED:
        return "changed while it was read";
    case ERR_NAME:
        return "the name cannot be a URL path";
    case ERR_LIMIT:
        return "over a limit";
    case ERR_BUSY:
        return "in use by another process";
    case ERR_USAGE:
        return "wrong usage";
    case ERR_EMPTY:
        return "empty";
    case ERR_REFUSED:
        return "refused by the server";
    case ERR_TRUST:
        return "not signed by a trusted key";
    default:
        return strerror(-code);
    }
}
