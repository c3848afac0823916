/* The options of a release: set, written into the archive, and read again. */
#include "packer/site/site_options.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(site_options, round_trip)
{
    static const struct {
        const char *name, *value;
    } settings[] = {
        {"urls", "slash"},           {"dialect", "cloudflare"},
        {"effort", "max"},           {"overlay", NULL},
        {"sidecars", NULL},          {"digest", NULL},
        {"spa", "/app.html"},        {"host", "www.example"},
        {"cache", "html=max-age=5"}, {"immutable", "a=b/*"},
        {"immutable", "second"},     {"revalidate", "*.x"},
        {"type", ".md=text/x"},      {"cache", "other=no-store, x"},
    };
    struct site_options options, again;
    struct error error = {""};
    site_options_init(&options);
    site_options_init(&again);
    for (size_t i = 0; i < ARRAY_COUNT(settings); i++) {
        int status = site_options_set(&options, settings[i].name, settings[i].value, &error);
        cr_assert(status == 0, "%s", error.text);
    }
    char *text = site_options_write(&options);
    cr_assert(site_options_read(&again, slice_of_string(text), &error) == 0, "%s", error.text);
    char *second = site_options_write(&again);
    cr_expect(strcmp(text, second) == 0, "%s%s", text, second);
    cr_expect(again.urls == URLS_SLASH && again.dialect == DIALECT_CLOUDFLARE);
    cr_expect(again.effort == EFFORT_MAX && again.overlay && again.sidecars && again.digest);
    cr_expect(strcmp(again.spa, "app.html") == 0 && again.immutable.count == 2);
    cr_expect(strcmp(site_options_cache(&again, CACHE_HTML), "max-age=5") == 0);
    cr_expect(strcmp(site_options_cache(&again, CACHE_OTHER), "no-store, x") == 0);
    cr_expect(strstr(site_options_cache(&again, CACHE_FINGERPRINTED), "immutable") != NULL);
    free(text);
    free(second);
    site_options_fini(&options);
    site_options_fini(&again);
}

Test(site_options, defaults)
{
    struct site_options options;
    site_options_init(&options);
    char *text = site_options_write(&options);
    cr_expect(strcmp(text, "urls=auto\ndialect=netlify\neffort=default\n") == 0, "%s", text);
    cr_assert(site_options_set(&options, "spa", NULL, NULL) == 0);
    cr_expect(strcmp(options.spa, "index.html") == 0);
    free(text);
    site_options_fini(&options);
}

Test(site_options, what_is_refused)
{
    static const struct {
        const char *name, *value;
    } rows[] = {
        {"urls", "pretty"},  {"dialect", "apache"}, {"effort", "11"},
        {"cache", "html"},   {"cache", "css=x"},    {"cache", "html="},
        {"type", "md"},      {"type", "=text/x"},   {"type", "md=text"},
        {"host", ""},        {"host", "a\nb"},      {"nothing", "x"},
        {"nothing", NULL},   {"urls", NULL},        {"cache", "html=a\r\nX: y"},
        {"immutable", "[a"}, {"revalidate", "!x"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct site_options options;
        struct error error = {""};
        site_options_init(&options);
        int status = site_options_set(&options, rows[i].name, rows[i].value, &error);
        cr_expect(status == ERR_USAGE, "row %zu: %d", i, status);
        cr_expect(strstr(error.text, rows[i].name) != NULL, "row %zu: %s", i, error.text);
        site_options_fini(&options);
    }
}
