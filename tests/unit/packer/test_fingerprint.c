/* Names that prove what a file holds: bundlers' names and people's, alone and beside others, and
 * how many of random hashes are seen. */
#include "packer/site/fingerprint.h"

#include <criterion/criterion.h>
#include <stdio.h>

/* Each is beyond doubt by itself. */
static const char *const proven[] = {
    /* Vite, Rollup */
    "assets/index-BwX3kZ9q.js",
    "assets/index-BwX3kZ9q.js.map",
    "assets/index-BwX3kZ9q.js.br",
    "assets/index-BwX3kZ9q.css.map.gz",
    "assets/index--aB3_x9Q.js",
    "assets/vendor-_1aB2c3D.js",
    "assets/x-aB3-x9Q_.woff2",
    "assets/hero image-BwX3kZ9q.PNG",
    "assets/index.3f2a1b9c.js",
    "assets/inter-italic-cyrillic.By2_1cv3.woff2",
    "assets/index.md.BwX3kZ9q.lean.js",
    "index-BwX3kZ9q.js",
    /* webpack, Rspack, Parcel, Create React App, Docusaurus, MkDocs */
    "main.3f2a1b9c.js",
    "main.3f2a1b9c.js.map",
    "main.3f2a1b9c.js.LICENSE.txt",
    "index.1a2b3c4d.js",
    "lib-react.1a2b3c4d.js",
    "123.3f2a1b9c4d5e6f708192.chunk.js",
    "vendors~main.3f2a1b9c4d.js",
    "3f2a1b9c4d5e6f708192.png",
    "6ce24c58023cc2f8fd88fe9d219db6c6.svg",
    "static/media/logo.6ce24c58023cc2f8fd88fe9d219db6c6.svg",
    "static/js/2.3f2a1b9c.chunk.js",
    "assets/js/main.1a2b3c4d.js",
    "assets/css/styles.1a2b3c4d.css",
    "assets/images/logo-3f2a1b9c4d5e6f708192a3b4c5d6e7f8.png",
    "javascripts/bundle.1a2b3c4d.min.js",
    "stylesheets/main.1a2b3c4d.min.css",
    /* esbuild, Angular, Bun */
    "app-ABCDEF2H.js",
    "chunk-ABCDEF2H.js",
    "main-5KXLQZ3P.js",
    "polyfills-FFHMD2TL.js",
    "main.1a2b3c4d5e6f7890.js",
    "chunk-k7x2q9mw.js",
    /* Next */
    "_next/static/chunks/main-0123456789abcdef.js",
    "_next/static/chunks/pages/_app-3f2a1b9c4d5e6f70.js",
    "_next/static/chunks/app/[slug]/page-3f2a1b9c4d5e6f70.js",
    "_next/static/css/3f2a1b9c4d5e6f70.css",
    "docs/_next/static/css/3f2a1b9c4d5e6f70.css",
    "_next/static/V1StGXR8_Z5jdHi6B-myT/_buildManifest.js",
    "_next/static/V1StGXR8_Z5jdHi6B-myT/_ssgManifest.js",
    "_next/static/media/x.3f2a1b9c.woff2",
    "_next/static/media/e4af272ccee01ff0-s.p.woff2",
    "_next/static/media/e4af272ccee01ff0-s.woff2",
    /* Astro, Nuxt, SvelteKit: in their folders a likely token is enough */
    "_astro/hoisted.DxY12abc.js",
    "_astro/index@_@astro.DiwrgTda.css",
    "_astro/photo.HGKJWQRT_Z1x2y3.js.3f2a1b9c.webp",
    "_nuxt/entry.abcdef12.js",
    "_nuxt/BwX3kZ9q.js",
    "base/_nuxt/BwX3kZ9q.js",
    "_app/immutable/entry/start.js",
    "base/_app/immutable/assets/font.woff2",
    /* Hugo, Gatsby, Sprockets, Django */
    "main.min.e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.css",
    ("style."
     "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da274edebfe76f65fbd51ad2f1"
     "4898b95b.css"),
    "img/photo_hu3f2a1b9c4d5e6f708192a3b4c5d6e7f8_1234_600x0_resize_q75.jpg",
    "img/photo_hu_3f2a1b9c4d5e6f70.webp",
    "app-3f2a1b9c4d5e6f708192.js",
    "component---src-pages-index-js-3f2a1b9c4d5e6f708192.js",
    "application-e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.css",
    "admin/base.27e20196a850.css",
};

/* None of these proves anything, not even beside hashes of every form. */
static const char *const unproven[] = {
    /* no asset */
    "index.html",
    "page-BwX3kZ9q.html",
    "page-BwX3kZ9q.HTM",
    "page.3f2a1b9c.xhtml",
    "_app/immutable/page.html",
    "_app/immutable/noextension",
    "3f2a1b9c4d5e6f708192",
    "LICENSE-BwX3kZ9q",
    "docs/index-BwX3kZ9q.php",
    "notes-3f2a1b9c.txt",
    "x-3f2a1b9c.tar.gz",
    "x-3f2a1b9c.map",
    ".3f2a1b9c4d5e6f708192.js",
    "",
    "/",
    "-",
    ".js",
    "-.js",
    "a-.js",
    "BwX3kZ9q/",
    "BwX3kZ9q/app.js",
    "app-BwX3kZ9q.d/main.js",
    /* fixed names */
    "sw.js",
    "manifest.json",
    "robots.txt",
    "favicon.ico",
    "page-data/index/page-data.json",
    "page-data/sq/d/1234567890.json",
    "_next/static/development/_buildManifest.js",
    "_next/static/my-build-of-the-site1/_buildManifest.js",
    "_next/static/V1StGXR8_Z5jdHi6B-myTx/_buildManifest.js",
    "_next/static/V1StGXR8_Z5jdHi6B-myT/other.js",
    "_next/static/chunks/framework.js",
    "_nuxt/settings.js",
    "_nuxt/builds/meta/3f2a1b9c-1a2b-4c3d-8e9f-3f2a1b9c4d5e.json",
    "my_nuxt/BwX3kZ9q.js",
    "my_app/immutable/a.js",
    "BwX3kZ9q.js",
    "3f2a1b9c.js",
    "1a2b3c4d5e6f7890.js",
    /* versions */
    "jquery-3.6.0.min.js",
    "bootstrap.5.3.2.css",
    "lib-1.0.0-beta1.js",
    "python-3.11.2.tar.gz",
    "app-v12345678.js",
    "app-12345678.js",
    "app.v1.0.12345678.css",
    "lib-2024.10.0-rc1.js",
    /* dates and numbers */
    "report-20231231.pdf",
    "2024-01-15-post.js",
    "backup.20240115093000.json",
    "img_20240115.jpg",
    "20240115093000123456.jpg",
    "photo-1705312200.jpg",
    "IMG-20240115-WA0003.jpg",
    "call-00491701234567.mp3",
    "report-5dec2023.pdf",
    "report-2023dec5.pdf",
    "emoji-0001f600.png",
    "emoji-1f469-200d-1f4bb.svg",
    "swatch-ff0000ff.png",
    "icon-512x512.png",
    "photo-1920x1080.jpg",
    "00000000000000000000.png",
    "0000000000000000000a.png",
    /* words */
    "jquery-deferred.js",
    "font-awesome.css",
    "download-complete.js",
    "app-settings.js",
    "README-FIRSTRUN.md",
    "notes-FIRSTRUN.json",
    "foo-MyModule.js",
    "index-JavaDocs.js",
    "module-DatePicker.js",
    "logo-deadbeef.png",
    "logo-facade.png",
    "x-data-set.js",
    "x-Data-Set.js",
    "x-set_data.js",
    "photo-Summer24.jpg",
    "photo-Venedig3.jpg",
    "index-Polyfill.js",
    "index-POLYFILL.js",
    "photo-WhatsApp.jpg",
    "icon-LinkedIn.svg",
    "messages-zh-Hans.json",
    "messages-zh-Hans-CN.json",
    "lato-Italic700.woff2",
    /* platforms, words and numbers */
    "setup-x86_64.exe",
    "setup-x86_64.json",
    "tool-linux64x.tar.gz",
    "tool-linux64x.wasm",
    "tool-win32-x64.wasm",
    "tool-aarch64.wasm",
    "tool-amd64.wasm",
    "tool-WIN32X64.wasm",
    "chapter-section12.js",
    "chapter-section1.js",
    "photo-image1024.jpg",
    "photo-picture1.jpg",
    "photo-DSC00042.jpg",
    "photo-IMG_0042.jpg",
    "charset-iso-8859-1.js",
    "x-Utf8Text.js",
    "x-Int32Add.js",
    "x-Vec3Math.js",
    "x-base64js.js",
    "x-Win32Api.js",
    "x-SHA256SU.js",
    /* identifiers of other things */
    "550e8400-e29b-41d4-a716-446655440000.png",
    "photo-550E8400-E29B-41D4-A716-44665544A0B0.png",
    "video-dQw4w9WgXcQ.jpg",
    "class_foo__coll__graph_a1b2c3d4.png",
    "dir_68267d1309a1af8e8297ef4c3efbcdba.js",
    "img/photo_hundred_3f2a1b9c.jpg",
    "img/photo_hu1234_600x0_resize.jpg",
    "img/photo_hu3f2a1b9c_600x0_resize.jpg",
};

static bool is_proven(const char *name)
{
    struct slice slice = slice_of_string(name);
    bool flag = false;
    fingerprint_judge(&slice, 1, &flag);
    return flag;
}

Test(fingerprint, names_that_prove_by_themselves)
{
    for (size_t i = 0; i < ARRAY_COUNT(proven); i++) {
        cr_expect(is_proven(proven[i]), "%s", proven[i]);
    }
}

Test(fingerprint, names_that_prove_nothing)
{
    for (size_t i = 0; i < ARRAY_COUNT(unproven); i++) {
        cr_expect(!is_proven(unproven[i]), "%s", unproven[i]);
    }
}

/* The name, and others in its folder whose tokens are hashes. */
static bool is_proven_among(const char *name, const char *const *hashes, size_t count)
{
    char texts[16][256];
    struct slice names[17] = {slice_of_string(name)};
    bool flags[17];
    const char *slash = strrchr(name, '/');
    int folder_count = slash == NULL ? 0 : (int)(slash - name) + 1;
    cr_assert_leq(count, ARRAY_COUNT(texts));
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%.*ss%s.js", folder_count, name, hashes[i]);
        names[i + 1] = slice_of_string(texts[i]);
    }
    memset(flags, 0x01, sizeof flags);
    fingerprint_judge(names, count + 1, flags);
    return flags[0];
}

static const char *const hashes[] = {
    "-BwX3kZ9q", ".BwX3kZ9q", "-Kq7_zR4w", ".Kq7_zR4w", "-3f2a1b9c", ".3f2a1b9c",
    "-5KXLQZ3P", ".5KXLQZ3P", "-k7x2q9mw", ".k7x2q9mw", "-a-B3x9Qz", ".3f2a1b9c4d",
};

Test(fingerprint, hashes_beside_them_prove_no_words)
{
    for (size_t i = 0; i < ARRAY_COUNT(unproven); i++) {
        cr_expect(!is_proven_among(unproven[i], hashes, ARRAY_COUNT(hashes)), "%s", unproven[i]);
    }
}

/* Tokens that may be words: what stands beside them decides. */
static const struct {
    const char *name;
    const char *beside; /* a token and its separator */
    bool is_proven;
} doubtful[] = {
    {"assets/index-DiwrgTda.css", "-BwX3kZ9q", true},
    {"assets/index-DiwrgTda.js.map", "-BwX3kZ9q", true},
    {"assets/index-DiwrgTda.css", ".BwX3kZ9q", false},
    {"assets/index-DiwrgTda.css", "-3f2a1b9c", false},
    {"assets/index-DiwrgTda.css", "-3f2a1b9c4d5e6f708192", false},
    {"assets/index-DiwrgTda.css", "-QkdVhPlx", false}, /* in doubt itself */
    {"assets/index.DiwrgTda.css", ".BwX3kZ9q", true},
    {"assets/x-HGKJWQRT.js", "-BwX3kZ9q", false}, /* chance mixes the cases */
    {"chunk-HGKJWQRT.js", "-5KXLQZ3P", true},
    {"chunk-HGKJWQRT.js", ".5KXLQZ3P", false},
    {"chunk-HGKJWQRT.js", "-3f2a1b9c", false},
    {"assets/js/1a4e3797.abc12345.js", ".1a2b3c4d", true},
    {"assets/js/1a4e3797.abc12345.js", "-1a2b3c4d", false},
    {"assets/js/1a4e3797.abc12345.js", ".1a2b3c4d5e", false},
    {"main.abcdef12.js", ".3f2a1b9c", true},
    {"main.12345678.js", ".3f2a1b9c", false},
    {"main.abcdefab.js", ".3f2a1b9c", false},
    /* what the model of words does not know: wrong, but only here */
    {"map-New-York.png", "-BwX3kZ9q", true},
    {"map-New-York.png", "-3f2a1b9c", false},
    {"chart-Q3Sales1.png", "-BwX3kZ9q", true},
};

Test(fingerprint, what_stands_beside_a_doubtful_name_decides)
{
    for (size_t i = 0; i < ARRAY_COUNT(doubtful); i++) {
        cr_expect(!is_proven(doubtful[i].name), "%s alone", doubtful[i].name);
        cr_expect_eq(is_proven_among(doubtful[i].name, &doubtful[i].beside, 1),
                     doubtful[i].is_proven, "%s beside %s", doubtful[i].name, doubtful[i].beside);
    }
}

Test(fingerprint, another_folder_is_not_beside)
{
    const struct slice names[] = {SLICE("a/index-DiwrgTda.css"), SLICE("a/b/x-BwX3kZ9q.js"),
                                  SLICE("b/x-BwX3kZ9q.js"),      SLICE("x-BwX3kZ9q.js"),
                                  SLICE("a-DiwrgTda.js"),        SLICE("aa/x-BwX3kZ9q.js")};
    const bool expected[] = {false, true, true, true, true, true};
    bool flags[ARRAY_COUNT(names)];
    fingerprint_judge(names, ARRAY_COUNT(names), flags);
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        cr_expect_eq(flags[i], expected[i], "%s", names[i].bytes);
    }
    fingerprint_judge(NULL, 0, NULL);
}

/* One hash by chance among many names that are in doubt proves none of them. */
Test(fingerprint, the_few_do_not_speak_for_the_many)
{
    const struct slice names[] = {SLICE("a-BwX3kZ9q.js"), SLICE("a-DiwrgTda.js"),
                                  SLICE("b-QkdVhPlx.js"), SLICE("c-ZvbHxqKw.js"),
                                  SLICE("d-XjqWzkVb.js"), SLICE("e-KwVzqHjx.js")};
    bool flags[ARRAY_COUNT(names)];
    fingerprint_judge(names, 5, flags);
    for (size_t i = 0; i < 5; i++) {
        cr_expect(flags[i], "%s of 5", names[i].bytes);
    }
    fingerprint_judge(names, 6, flags);
    for (size_t i = 0; i < 6; i++) {
        cr_expect_eq(flags[i], i == 0, "%s of 6", names[i].bytes);
    }
}

/* Marsaglia's xorshift: the same hashes in every run. */
static unsigned random_below(uint64_t *state, unsigned bound)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (unsigned)((*state >> 32) % bound);
}

static const struct {
    const char *alphabet;
    size_t token_bytes;
    char separator;
    unsigned siblings;
    unsigned least_percent;
} random_rows[] = {
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 8, '-', 5, 97},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 8, '.', 20, 97},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 8, '-', 1, 60},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 8, '-', 5, 98},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 8, '-', 1, 74},
    {"0123456789abcdef", 8, '.', 5, 97},
    {"0123456789abcdef", 8, '.', 1, 89},
    {"0123456789abcdef", 16, '-', 1, 99},
    {"0123456789abcdef", 20, '.', 1, 99},
    {"0123456789abcdef", 64, '-', 1, 100},
    {"0123456789abcdefghjkmnpqrstvwxyz", 8, '-', 5, 80},
};

Test(fingerprint, nearly_all_random_hashes_are_seen)
{
    enum { FOLDERS = 1000, SIBLINGS_MAX = 20 };
    for (size_t i = 0; i < ARRAY_COUNT(random_rows); i++) {
        uint64_t state = 88172645463325252U + i;
        size_t seen = 0;
        for (unsigned folder = 0; folder < FOLDERS; folder++) {
            char texts[SIBLINGS_MAX][96];
            struct slice names[SIBLINGS_MAX];
            bool flags[SIBLINGS_MAX];
            for (unsigned j = 0; j < random_rows[i].siblings; j++) {
                char token[65] = "";
                for (size_t at = 0; at < random_rows[i].token_bytes; at++) {
                    unsigned bound = (unsigned)strlen(random_rows[i].alphabet);
                    token[at] = random_rows[i].alphabet[random_below(&state, bound)];
                }
                snprintf(texts[j], sizeof texts[j], "assets/name%u%c%s.js", j,
                         random_rows[i].separator, token);
                names[j] = slice_of_string(texts[j]);
            }
            fingerprint_judge(names, random_rows[i].siblings, flags);
            for (unsigned j = 0; j < random_rows[i].siblings; j++) {
                seen += flags[j];
            }
        }
        size_t all = (size_t)FOLDERS * random_rows[i].siblings;
        cr_expect_geq(seen * 100, all * random_rows[i].least_percent, "row %zu: %zu of %zu", i,
                      seen, all);
    }
}
