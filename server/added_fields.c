#include "server/added_fields.h"

#include "common/mem.h"
#include "http/token.h"

#include <stdlib.h>

static void append(char **lines, struct slice name, struct slice value)
{
    char *longer = mem_format("%s%.*s: %.*s\r\n", *lines == NULL ? "" : *lines, (int)name.count,
                              name.bytes, (int)value.count, value.bytes);
    free(*lines);
    *lines = longer;
}

/* Framing, dates, and what says which representation this is: the server's own. */
static bool is_reserved(struct slice name)
{
    static const char *const reserved[] = {
        "Connection",
        "Keep-Alive",
        "Transfer-Encoding",
        "Upgrade",
        "Content-Length",
        "Content-Encoding",
        "Content-Range",
        "Content-Type",
        "Date",
        "ETag",
        "Last-Modified",
        "Location",
        "Accept-Ranges",
        "Allow",
        "Trailer",
        "TE",
    };
    for (size_t i = 0; i < ARRAY_COUNT(reserved); i++) {
        if (slice_equal_ignoring_case(name, slice_of_string(reserved[i]))) {
            return true;
        }
    }
    return false;
}

int added_fields_add(char **lines, const char *text, struct error *error)
{
    struct slice value = slice_of_string(text);
    struct slice name = slice_take(&value, ':');
    bool has_colon = name.count < strlen(text);
    value = slice_trim(value);
    bool is_text = value.count > 0;
    for (size_t i = 0; i < value.count; i++) {
        unsigned char byte = (unsigned char)value.bytes[i];
        is_text = is_text && ((byte >= 0x20 && byte != 0x7f) || byte == '\t');
    }
    if (!has_colon || !is_token(name) || !is_text) {
        return error_set(error, ERR_USAGE, "--header: not \"Name: value\": %s", text);
    }
    if (is_reserved(name)) {
        return error_set(error, ERR_USAGE, "--header: %.*s is the server's own to write",
                         (int)name.count, name.bytes);
    }
    append(lines, name, value);
    return 0;
}

void added_fields_secure(char **lines)
{
    static const char *const preset[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "SAMEORIGIN"},
        {"Content-Security-Policy", "base-uri 'self'; frame-ancestors 'self'; object-src 'none'"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Referrer-Policy", "strict-origin-when-cross-origin"},
        {"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(preset); i++) {
        append(lines, slice_of_string(preset[i][0]), slice_of_string(preset[i][1]));
    }
}
