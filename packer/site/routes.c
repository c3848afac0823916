#include "packer/site/routes.h"

#include "common/path.h"
#include "packer/site/route_rules.h"

/* `path` answers with the file. Nothing happens if it has an answer. */
static void add_page(struct routes *routes, struct slice path, uint32_t file)
{
    if (route_table_find(routes, path) == NULL) {
        route_table_add(routes, (struct route){
                                    .path = route_table_keep_path(routes, path),
                                    .file = file,
                                    .status = 200,
                                    .kind = ROUTE_FILE,
                                    .is_derived = true,
                                });
    }
}

static const char *encoded(struct routes *routes, struct slice key)
{
    char buffer[PATH_ENCODED_BYTES_MAX];
    return route_table_keep(routes, buffer, path_encode(key, buffer));
}

/* `path` leads to another path, if that has an answer of its own and `path` has none. */
static void add_redirect(struct routes *routes, struct slice path, struct slice target)
{
    const struct route *there = route_table_find(routes, target);
    if (route_table_find(routes, path) == NULL && there != NULL && there->kind == ROUTE_FILE) {
        route_table_add(routes, (struct route){
                                    .path = route_table_keep_path(routes, path),
                                    .target = encoded(routes, target),
                                    .status = 301,
                                    .kind = ROUTE_REDIRECT,
                                    .is_derived = true,
                                    .keeps_query = true,
                                });
    }
}

/* The file's own name leads elsewhere instead. */
static void turn_into_redirect(struct routes *routes, struct slice path, struct slice target)
{
    struct route *own = route_table_find(routes, path);
    const struct route *there = route_table_find(routes, target);
    if (there != NULL && there->kind == ROUTE_FILE && there->file == own->file) {
        own->target = encoded(routes, target);
        own->status = 301;
        own->kind = ROUTE_REDIRECT;
        own->is_derived = true;
        own->keeps_query = true;
    }
}

static bool ends_with(struct slice text, const char *end)
{
    size_t count = strlen(end);
    return text.count >= count && memcmp(text.bytes + text.count - count, end, count) == 0;
}

/* A page with a name of its own: "/docs/a.html", not an index and not what answers for missing
 * paths. */
static bool is_named_page(struct slice path)
{
    return ends_with(path, ".html") && !ends_with(path, "/index.html") &&
           !ends_with(path, "/404.html") && !ends_with(path, "/.html");
}

/* "/docs/" for "/docs/index.html"; of index.htm only where there is no index.html. */
static void add_folder_page(struct routes *routes, struct slice path, uint32_t file)
{
    static const char *const names[] = {"/index.html", "/index.htm"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (ends_with(path, names[i])) {
            add_page(routes, (struct slice){path.bytes, path.count - strlen(names[i]) + 1}, file);
        }
    }
}

/* The spellings of "/docs/a.html". `buffer` holds a copy of it with room for a slash. */
static void add_page_spellings(struct routes *routes, enum url_policy urls, struct slice path,
                               uint32_t file)
{
    char buffer[PATH_BYTES_MAX + 1];
    size_t stem = path.count - strlen(".html");
    memcpy(buffer, path.bytes, path.count);
    buffer[stem] = '/';
    struct slice clean = {path.bytes, stem};
    struct slice slashed = {buffer, stem + 1};
    if (urls == URLS_SLASH) {
        add_page(routes, slashed, file);
        add_redirect(routes, clean, slashed);
        turn_into_redirect(routes, path, slashed);
        return;
    }
    add_page(routes, clean, file);
    add_redirect(routes, slashed, clean);
    if (urls == URLS_DROP_HTML) {
        turn_into_redirect(routes, path, clean);
    }
}

static void add_folder_spellings(struct routes *routes, enum url_policy urls, struct slice path)
{
    static const struct slice name = {"index.html", 10};
    if (!ends_with(path, "/index.html")) {
        return;
    }
    struct slice folder = {path.bytes, path.count - name.count};
    if (urls == URLS_DROP_HTML || urls == URLS_SLASH) {
        turn_into_redirect(routes, path, folder);
        add_redirect(routes, (struct slice){path.bytes, path.count - strlen(".html")}, folder);
    }
}

static void add_bare_folder(struct routes *routes, struct slice path)
{
    const char *slash = memrchr(path.bytes, '/', path.count);
    struct slice folder = {path.bytes, (size_t)(slash - path.bytes) + 1};
    if (folder.count > 1 && (ends_with(path, "/index.html") || ends_with(path, "/index.htm"))) {
        add_redirect(routes, (struct slice){folder.bytes, folder.count - 1}, folder);
    }
}

static void note_not_found_page(struct routes *routes, struct slice path, uint32_t row)
{
    if (!ends_with(path, "/404.html")) {
        return;
    }
    uint32_t depth = 0;
    for (size_t i = 1; i < path.count; i++) {
        depth += path.bytes[i] == '/';
    }
    if (depth == 0) {
        routes->not_found = row + 1;
    }
    if (depth > routes->not_found_depth) {
        routes->not_found_depth = depth;
    }
}

static void add_files(struct routes *routes, const struct slice *names, size_t count,
                      enum url_policy urls)
{
    char path[PATH_BYTES_MAX + 1];
    path[0] = '/';
    for (size_t i = 0; i < count; i++) {
        memcpy(path + 1, names[i].bytes, names[i].count);
        struct slice key = route_table_keep_path(routes, (struct slice){path, names[i].count + 1});
        route_table_add(routes, (struct route){.path = key, .file = (uint32_t)i, .status = 200});
        note_not_found_page(routes, key, (uint32_t)i);
    }
    /* Rows 0 .. count - 1 are the files; what follows from them is added behind, in passes, so that
     * what is a file's own name or a folder's page is known before anything yields to it. */
    for (size_t i = 0; i < count; i++) {
        add_folder_page(routes, routes->rows[i].path, (uint32_t)i);
    }
    for (size_t i = 0; i < count && urls != URLS_EXACT; i++) {
        struct slice key = routes->rows[i].path;
        if (is_named_page(key)) {
            add_page_spellings(routes, urls, key, (uint32_t)i);
        }
    }
    for (size_t i = 0; i < count; i++) {
        add_bare_folder(routes, routes->rows[i].path);
    }
    for (size_t i = 0; i < count; i++) {
        add_folder_spellings(routes, urls, routes->rows[i].path);
    }
}

const struct route *routes_find(const struct routes *routes, struct slice path)
{
    return route_table_find(routes, path);
}

void routes_init(struct routes *routes, const struct slice *names, size_t count,
                 const struct site_options *options, const struct redirects_file *redirects,
                 struct site_notes *notes)
{
    *routes = (struct routes){0};
    add_files(routes, names, count, options->urls);
    route_rules_apply(routes, redirects, notes);
}

void routes_fini(struct routes *routes)
{
    route_table_fini(routes);
}
