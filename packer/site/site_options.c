#include "packer/site/site_options.h"

#include "common/mem.h"
#include "packer/site/ignore.h"

#include <stdlib.h>

static const char *const url_policy_names[] = {
    [URLS_AUTO] = "auto",
    [URLS_DROP_HTML] = "drop-html",
    [URLS_SLASH] = "slash",
    [URLS_EXACT] = "exact",
};
static const char *const dialect_names[] = {
    [DIALECT_NETLIFY] = "netlify",
    [DIALECT_CLOUDFLARE] = "cloudflare",
};
static const char *const effort_names[] = {
    [EFFORT_NONE] = "none",
    [EFFORT_FAST] = "fast",
    [EFFORT_DEFAULT] = "default",
    [EFFORT_MAX] = "max",
};
static const char *const cache_kind_names[] = {
    [CACHE_HTML] = "html",
    [CACHE_FINGERPRINTED] = "fingerprinted",
    [CACHE_OTHER] = "other",
};

void site_options_init(struct site_options *options)
{
    *options = (struct site_options){.effort = EFFORT_DEFAULT};
}

static void words_free(struct word_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->words[i]);
    }
    free(list->words);
}

void site_options_fini(struct site_options *options)
{
    free(options->spa);
    free(options->host);
    for (size_t i = 0; i < CACHE_KIND_COUNT; i++) {
        free(options->cache[i]);
    }
    words_free(&options->immutable);
    words_free(&options->revalidate);
    words_free(&options->types);
    *options = (struct site_options){0};
}

static void words_add(struct word_list *list, const char *word)
{
    if (list->count == list->capacity) {
        list->capacity = mem_capacity(list->capacity, list->count + 1);
        list->words = mem_resize(list->words, list->capacity, sizeof(char *));
    }
    list->words[list->count++] = mem_string(word, strlen(word));
}

static void set_string(char **place, const char *value)
{
    free(*place);
    *place = mem_string(value, strlen(value));
}

static int find_name(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static int bad_value(const char *name, const char *value, const char *wanted, struct error *error)
{
    return error_set(error, ERR_USAGE, "--%s: not %s: %s", name, wanted, value);
}

/* A field value that can be sent (RFC 9110 §5.5). */
static bool is_field_value(const char *value)
{
    for (const char *at = value; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return false;
        }
    }
    return *value != '\0';
}

static int set_cache(struct site_options *options, const char *value, struct error *error)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || !is_field_value(equals + 1)) {
        return bad_value("cache", value, "KIND=VALUE", error);
    }
    char *kind_name = mem_string(value, (size_t)(equals - value));
    int kind = find_name(cache_kind_names, ARRAY_COUNT(cache_kind_names), kind_name);
    free(kind_name);
    if (kind < 0) {
        return bad_value("cache", value, "html=, fingerprinted= or other=", error);
    }
    set_string(&options->cache[kind], equals + 1);
    return 0;
}

static int set_word(struct site_options *options, const char *name, const char *value,
                    struct error *error)
{
    int found;
    if (strcmp(name, "urls") == 0) {
        found = find_name(url_policy_names, ARRAY_COUNT(url_policy_names), value);
        options->urls = (enum url_policy)(found < 0 ? 0 : found);
        return found >= 0 ? 0 : bad_value(name, value, "auto, drop-html, slash or exact", error);
    }
    if (strcmp(name, "dialect") == 0) {
        found = find_name(dialect_names, ARRAY_COUNT(dialect_names), value);
        options->dialect = (enum dialect)(found < 0 ? 0 : found);
        return found >= 0 ? 0 : bad_value(name, value, "netlify or cloudflare", error);
    }
    if (strcmp(name, "effort") == 0) {
        found = find_name(effort_names, ARRAY_COUNT(effort_names), value);
        options->effort = (enum effort)(found < 0 ? 0 : found);
        return found >= 0 ? 0 : bad_value(name, value, "none, fast, default or max", error);
    }
    if (strcmp(name, "cache") == 0) {
        return set_cache(options, value, error);
    }
    if (strcmp(name, "type") == 0) {
        const char *equals = strchr(value, '=');
        bool is_type = equals != NULL && equals > value && is_field_value(equals + 1) &&
                       strchr(equals, '/') != NULL;
        if (is_type) {
            words_add(&options->types, value);
        }
        return is_type ? 0 : bad_value(name, value, "EXTENSION=TYPE/SUBTYPE", error);
    }
    return error_set(error, ERR_USAGE, "there is no option --%s", name);
}

int site_options_set(struct site_options *options, const char *name, const char *value,
                     struct error *error)
{
    if (strcmp(name, "spa") == 0) {
        const char *page = value == NULL ? "index.html" : value;
        set_string(&options->spa, *page == '/' ? page + 1 : page);
        return 0;
    }
    if (value == NULL) {
        bool *flag = strcmp(name, "overlay") == 0    ? &options->overlay
                     : strcmp(name, "sidecars") == 0 ? &options->sidecars
                     : strcmp(name, "digest") == 0   ? &options->digest
                                                     : NULL;
        if (flag == NULL) {
            return error_set(error, ERR_USAGE, "there is no option --%s", name);
        }
        *flag = true;
        return 0;
    }
    if (!is_field_value(value)) {
        return bad_value(name, value, "a text", error);
    }
    if (strcmp(name, "host") == 0) {
        set_string(&options->host, value);
        return 0;
    }
    if (strcmp(name, "immutable") == 0 || strcmp(name, "revalidate") == 0) {
        const char *problem = glob_problem(slice_of_string(value));
        if (problem != NULL) {
            return error_set(error, ERR_USAGE, "--%s %s: %s", name, value, problem);
        }
        words_add(*name == 'i' ? &options->immutable : &options->revalidate, value);
        return 0;
    }
    return set_word(options, name, value, error);
}

/* Appends "name=value\n", or "name\n". */
static void put_line(char **text, const char *name, const char *value)
{
    char *longer = value == NULL ? mem_format("%s%s\n", *text, name)
                                 : mem_format("%s%s=%s\n", *text, name, value);
    free(*text);
    *text = longer;
}

static void put_words(char **text, const char *name, const struct word_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        put_line(text, name, list->words[i]);
    }
}

char *site_options_write(const struct site_options *options)
{
    char *text = mem_string("", 0);
    put_line(&text, "urls", url_policy_names[options->urls]);
    put_line(&text, "dialect", dialect_names[options->dialect]);
    put_line(&text, "effort", effort_names[options->effort]);
    const struct {
        const char *name;
        bool is_set;
    } flags[] = {{"overlay", options->overlay},
                 {"sidecars", options->sidecars},
                 {"digest", options->digest}};
    for (size_t i = 0; i < ARRAY_COUNT(flags); i++) {
        if (flags[i].is_set) {
            put_line(&text, flags[i].name, NULL);
        }
    }
    if (options->spa != NULL) {
        put_line(&text, "spa", options->spa);
    }
    if (options->host != NULL) {
        put_line(&text, "host", options->host);
    }
    for (size_t i = 0; i < CACHE_KIND_COUNT; i++) {
        if (options->cache[i] != NULL) {
            char *value = mem_format("%s=%s", cache_kind_names[i], options->cache[i]);
            put_line(&text, "cache", value);
            free(value);
        }
    }
    put_words(&text, "immutable", &options->immutable);
    put_words(&text, "revalidate", &options->revalidate);
    put_words(&text, "type", &options->types);
    return text;
}

int site_options_read(struct site_options *options, struct slice text, struct error *error)
{
    int status = 0;
    while (text.count > 0 && status == 0) {
        const char *end = memchr(text.bytes, '\n', text.count);
        size_t count = end == NULL ? text.count : (size_t)(end - text.bytes);
        char *line = mem_string(text.bytes, count);
        char *equals = strchr(line, '=');
        if (equals != NULL) {
            *equals = '\0';
        }
        status = site_options_set(options, line, equals == NULL ? NULL : equals + 1, error);
        free(line);
        text = slice_after(text, count + 1);
    }
    return status;
}

const char *site_options_cache(const struct site_options *options, enum cache_kind kind)
{
    static const char *const defaults[] = {
        [CACHE_HTML] = "no-cache",
        [CACHE_FINGERPRINTED] = "public, max-age=31536000, immutable",
        [CACHE_OTHER] = "max-age=300",
    };
    return options->cache[kind] != NULL ? options->cache[kind] : defaults[kind];
}
