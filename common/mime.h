/*
 * The media type of a file, told from its name alone: contents are never read.
 *
 * Which type is chosen:
 *   - the registered type, or the one browsers and tools agree on where none is registered;
 *   - source code, scripts, templates and configuration are text/plain, so that a browser shows
 *     them instead of saving them, even where an application/ type exists (SQL, TOML);
 *   - every text/ type carries "; charset=utf-8";
 *   - application/json, application/xml and all +json and +xml types (SVG too) carry no charset:
 *     JSON is UTF-8 by definition and XML declares its encoding in the document;
 *   - a compressed file has the type of its compression (a .tar.gz is application/gzip), except
 *     .svgz, which is image/svg+xml and has to be sent with "Content-Encoding: gzip".
 *
 * How a name is matched, first match wins, ASCII letters in either case unless said otherwise:
 *   1. the end of the path, for names that mean something in one directory only
 *      (.well-known/matrix/client), compared exactly;
 *   2. the whole last segment (LICENSE, Makefile, .htaccess, apple-app-site-association);
 *   3. the extension: what follows the last dot of the last segment. A dot that begins the
 *      segment starts no extension (.profile has none), and neither does one that ends it.
 *
 * Ownership: every string and table returned is static and constant; nothing is allocated and
 * nothing is to be freed. The caller's name is only read during the call.
 *
 * Thread safety: there is no mutable state; any function may be called from any thread.
 */
#ifndef CAIRN_COMMON_MIME_H
#define CAIRN_COMMON_MIME_H

#include <stdbool.h>
#include <stddef.h>

/* No key of a table is longer than this; a longer extension or name is an unknown one. */
#define MIME_KEY_BYTES_MAX 63

/* One row of a table: an extension without its dot, or a whole name, in lower case. */
struct mime_entry {
    const char *key;
    const char *type;
};

/*
 * The media type for a file name (its last path segment or a whole path with '/' separators), of
 * name_bytes bytes, no terminator needed. Returns a static string such as
 * "text/html; charset=utf-8"; "application/octet-stream" for an unknown or missing extension.
 * Never NULL. name may be NULL when name_bytes is 0.
 */
const char *mime_type(const char *name, size_t name_bytes);

/*
 * Has the name's last segment an extension that is known here, or is it a whole name that is?
 * What has is a file by its looks: "app.js" is, "john.doe" and "about" are not.
 */
bool mime_has_extension(const char *name, size_t name_bytes);

/*
 * Stores the table of extensions in *out and returns its number of rows. The rows are strictly
 * ascending by strcmp of their keys.
 */
size_t mime_table(const struct mime_entry **out);

/* The same for the table of whole names. */
size_t mime_name_table(const struct mime_entry **out);

#endif
