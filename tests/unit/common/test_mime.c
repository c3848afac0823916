/* The media type of a file name: known types, odd names, and the order of the tables. */
#include "common/mime.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UTF8       "; charset=utf-8"
#define TEXT_PLAIN "text/plain" UTF8
#define OCTETS     "application/octet-stream"

struct expectation {
    const char *name;
    const char *type;
};

static const struct expectation expectations[] = {
    /* pages, style, script */
    {"index.html", "text/html" UTF8},
    {"INDEX.HTML", "text/html" UTF8},
    {"a.HtM", "text/html" UTF8},
    {"page.xhtml", "application/xhtml+xml"},
    {"site.css", "text/css" UTF8},
    {"app.js", "text/javascript" UTF8},
    {"app.mjs", "text/javascript" UTF8},
    {"app.CJS", "text/javascript" UTF8},
    {"card.webc", "text/html" UTF8},
    {"x.wasm", "application/wasm"},
    {"shader.wgsl", "text/wgsl" UTF8},
    {"shader.glsl", TEXT_PLAIN},
    {"old.appcache", "text/cache-manifest" UTF8},
    {"proxy.pac", "application/x-ns-proxy-autoconfig"},
    /* json, xml, linked data */
    {"data.json", "application/json"},
    {"app.js.map", "application/json"},
    {"app.webmanifest", "application/manifest+json"},
    {"x.jsonld", "application/ld+json"},
    {"x.geojson", "application/geo+json"},
    {"x.topojson", "application/json"},
    {"x.ipynb", "application/x-ipynb+json"},
    {"x.xml", "application/xml"},
    {"x.xsl", "application/xslt+xml"},
    {"x.xslt", "application/xslt+xml"},
    {"feed.rss", "application/rss+xml"},
    {"feed.atom", "application/atom+xml"},
    {"x.rdf", "application/rdf+xml"},
    {"x.owl", "application/rdf+xml"},
    {"x.ttl", "text/turtle" UTF8},
    {"x.nt", "application/n-triples"},
    {"x.kml", "application/vnd.google-earth.kml+xml"},
    {"x.kmz", "application/vnd.google-earth.kmz"},
    {"x.gpx", "application/gpx+xml"},
    /* text */
    {"robots.txt", TEXT_PLAIN},
    {"README.md", "text/markdown" UTF8},
    {"x.markdown", "text/markdown" UTF8},
    {"x.csv", "text/csv" UTF8},
    {"x.tsv", "text/tab-separated-values" UTF8},
    {"x.ics", "text/calendar" UTF8},
    {"x.vcf", "text/vcard" UTF8},
    {"x.vtt", "text/vtt" UTF8},
    {"x.srt", "application/x-subrip"},
    {"openapi.yaml", "text/yaml" UTF8},
    {"x.yml", "text/yaml" UTF8},
    {"Cargo.toml", TEXT_PLAIN},
    {"php.ini", TEXT_PLAIN},
    {"nginx.conf", TEXT_PLAIN},
    {"build.log", TEXT_PLAIN},
    {"x.c", TEXT_PLAIN},
    {"x.h", TEXT_PLAIN},
    {"x.py", TEXT_PLAIN},
    {"x.rs", TEXT_PLAIN},
    {"x.go", TEXT_PLAIN},
    {"X.Java", TEXT_PLAIN},
    {"install.sh", TEXT_PLAIN},
    {"x.tsx", TEXT_PLAIN},
    {"x.jsx", TEXT_PLAIN},
    {"x.diff", TEXT_PLAIN},
    {"x.patch", TEXT_PLAIN},
    {"x.sql", TEXT_PLAIN},
    {"x.bib", "text/x-bibtex" UTF8},
    {"x.tex", TEXT_PLAIN},
    {"_sources/index.rst.txt", TEXT_PLAIN},
    /* images */
    {"x.png", "image/png"},
    {"x.apng", "image/apng"},
    {"x.JPG", "image/jpeg"},
    {"x.jpeg", "image/jpeg"},
    {"x.jfif", "image/jpeg"},
    {"x.gif", "image/gif"},
    {"x.webp", "image/webp"},
    {"x.avif", "image/avif"},
    {"x.avifs", "image/avif"},
    {"x.heic", "image/heic"},
    {"x.heif", "image/heif"},
    {"x.jxl", "image/jxl"},
    {"x.svg", "image/svg+xml"},
    {"x.svgz", "image/svg+xml"},
    {"x.bmp", "image/bmp"},
    {"favicon.ico", "image/vnd.microsoft.icon"},
    {"x.cur", "image/vnd.microsoft.icon"},
    {"x.tiff", "image/tiff"},
    {"x.jp2", "image/jp2"},
    /* video, audio */
    {"x.mp4", "video/mp4"},
    {"x.m4v", "video/mp4"},
    {"x.webm", "video/webm"},
    {"x.ogv", "video/ogg"},
    {"x.mov", "video/quicktime"},
    {"x.mkv", "video/matroska"},
    {"x.mpg", "video/mpeg"},
    {"segment.ts", "video/mp2t"},
    {"x.m3u8", "application/vnd.apple.mpegurl"},
    {"x.mpd", "application/dash+xml"},
    {"x.mp3", "audio/mpeg"},
    {"x.m4a", "audio/mp4"},
    {"x.aac", "audio/aac"},
    {"x.oga", "audio/ogg"},
    {"x.opus", "audio/ogg"},
    {"x.flac", "audio/flac"},
    {"x.wav", "audio/wav"},
    {"x.weba", "audio/webm"},
    {"x.mid", "audio/midi"},
    /* fonts */
    {"x.woff", "font/woff"},
    {"x.woff2", "font/woff2"},
    {"x.ttf", "font/ttf"},
    {"x.otf", "font/otf"},
    {"x.ttc", "font/collection"},
    {"x.sfnt", "font/sfnt"},
    {"x.eot", "application/vnd.ms-fontobject"},
    /* archives, packages */
    {"x.zip", "application/zip"},
    {"x.gz", "application/gzip"},
    {"x.tgz", "application/gzip"},
    {"x.bz2", "application/x-bzip2"},
    {"x.xz", "application/x-xz"},
    {"x.zst", "application/zstd"},
    {"x.br", "application/x-brotli"},
    {"x.7z", "application/x-7z-compressed"},
    {"x.rar", "application/vnd.rar"},
    {"x.tar", "application/x-tar"},
    {"x.deb", "application/vnd.debian.binary-package"},
    {"x.rpm", "application/x-rpm"},
    {"x.apk", "application/vnd.android.package-archive"},
    {"x.jar", "application/java-archive"},
    {"x.war", "application/java-archive"},
    {"x.iso", "application/x-iso9660-image"},
    {"x.dmg", "application/x-apple-diskimage"},
    {"x.exe", "application/vnd.microsoft.portable-executable"},
    {"x.msi", "application/x-msi"},
    {"x.crx", "application/x-chrome-extension"},
    {"x.xpi", "application/x-xpinstall"},
    {"x.torrent", "application/x-bittorrent"},
    {"x.swf", "application/x-shockwave-flash"},
    {"x.jnlp", "application/x-java-jnlp-file"},
    {"x.whl", OCTETS},
    {"objects.inv", OCTETS},
    {"x.bin", OCTETS},
    /* documents */
    {"x.pdf", "application/pdf"},
    {"x.epub", "application/epub+zip"},
    {"x.ps", "application/postscript"},
    {"x.eps", "application/postscript"},
    {"x.rtf", "application/rtf"},
    {"x.eml", "message/rfc822"},
    {"x.doc", "application/msword"},
    {"x.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
    {"x.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    {"x.pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
    {"x.odt", "application/vnd.oasis.opendocument.text"},
    {"x.ods", "application/vnd.oasis.opendocument.spreadsheet"},
    {"x.odp", "application/vnd.oasis.opendocument.presentation"},
    /* models, data, keys */
    {"x.gltf", "model/gltf+json"},
    {"x.glb", "model/gltf-binary"},
    {"x.usdz", "model/vnd.usdz+zip"},
    {"x.obj", "model/obj"},
    {"x.stl", "model/stl"},
    {"x.sqlite", "application/vnd.sqlite3"},
    {"x.parquet", "application/vnd.apache.parquet"},
    {"x.arrow", "application/vnd.apache.arrow.file"},
    {"x.pmtiles", "application/vnd.pmtiles"},
    {"x.mbtiles", "application/vnd.sqlite3"},
    {"x.mvt", "application/vnd.mapbox-vector-tile"},
    {"x.pbf", "application/x-protobuf"},
    {"x.pem", "application/pem-certificate-chain"},
    {"x.crt", "application/x-x509-ca-cert"},
    {"x.cer", "application/pkix-cert"},
    {"x.crl", "application/pkix-crl"},
    {"x.der", "application/x-x509-ca-cert"},
    {"x.p12", "application/pkcs12"},
    {"x.asc", "application/pgp-signature"},
    {"x.sig", "application/pgp-signature"},
    {"x.gpg", "application/pgp-keys"},
    /* whole names */
    {"LICENSE", TEXT_PLAIN},
    {"docs/readme", TEXT_PLAIN},
    {"Makefile", TEXT_PLAIN},
    {"CNAME", TEXT_PLAIN},
    {".htaccess", TEXT_PLAIN},
    {".buildinfo", TEXT_PLAIN},
    {"html/.buildinfo", TEXT_PLAIN},
    {"x.buildinfo", TEXT_PLAIN},
    {"wpad.dat", "application/x-ns-proxy-autoconfig"},
    {"apple-app-site-association", "application/json"},
    {".well-known/apple-app-site-association", "application/json"},
    {".well-known/assetlinks.json", "application/json"},
    {".well-known/security.txt", TEXT_PLAIN},
    {".well-known/openid-configuration", "application/json"},
    {".well-known/webfinger", "application/json"},
    {".well-known/host-meta", "application/xrd+xml"},
    {".well-known/host-meta.json", "application/json"},
    {".well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0", OCTETS},
    {".well-known/matrix/client", "application/json"},
    {"site/.well-known/matrix/server", "application/json"},
    {"not.well-known/matrix/client", OCTETS},
    {"matrix/client", OCTETS},
    {"client", OCTETS},
    /* shapes of names */
    {"archive.tar.gz", "application/gzip"},
    {"jquery.min.js", "text/javascript" UTF8},
    {"types.d.ts", "video/mp2t"},
    {"a.b/c", OCTETS},
    {"a.html/c", OCTETS},
    {"a.b/c.css", "text/css" UTF8},
    {"/srv/site.d/img/x.PNG", "image/png"},
    {"../x.png", "image/png"},
    {"unknown.nosuch", OCTETS},
    {"noextension", OCTETS},
    {"name.", OCTETS},
    {"name.html.", OCTETS},
    {".html", OCTETS},
    {"a/.css", OCTETS},
    {".hidden.html", "text/html" UTF8},
    {"dir/", OCTETS},
    {"dir.html/", OCTETS},
    {".", OCTETS},
    {"..", OCTETS},
    {"/", OCTETS},
    {"x.ht\xc3\xa9", OCTETS},
    {"caf\xc3\xa9.html", "text/html" UTF8},
    {"with space.html", "text/html" UTF8},
};

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_bytes = strlen(text);
    size_t end_bytes = strlen(end);
    return text_bytes >= end_bytes && strcmp(text + (text_bytes - end_bytes), end) == 0;
}

static bool same(const char *name, size_t name_bytes, const char *type)
{
    return strcmp(mime_type(name, name_bytes), type) == 0;
}

Test(mime, type_of_name)
{
    for (size_t i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
        const char *name = expectations[i].name;
        cr_expect_str_eq(mime_type(name, strlen(name)), expectations[i].type, "%s", name);
    }
}

Test(mime, empty_name)
{
    cr_expect(same("", 0, OCTETS));
    cr_expect(same(NULL, 0, OCTETS));
}

Test(mime, name_ends_at_its_length)
{
    cr_expect(same("x.css.html", 5, "text/css" UTF8));
    cr_expect(same("x.html", 3, TEXT_PLAIN), "x.h");
    cr_expect(same("x.html", 2, OCTETS), "x.");
    cr_expect(same("LICENSE-old", 7, TEXT_PLAIN));
    cr_expect(same(".well-known/matrix/clients", 25, "application/json"));
}

Test(mime, zero_byte_in_name)
{
    cr_expect(same("x.html\0y", 8, OCTETS));
    cr_expect(same("LICENSE\0", 8, OCTETS));
    cr_expect(same("x\0.html", 7, "text/html" UTF8));
}

Test(mime, long_extension)
{
    char name[2 + 300];
    memset(name, 'h', sizeof(name));
    name[1] = '.';
    cr_expect(same(name, sizeof(name), OCTETS));
    cr_expect(same(name, 2 + MIME_KEY_BYTES_MAX, OCTETS));
    cr_expect(same(name, 2 + MIME_KEY_BYTES_MAX + 1, OCTETS));
    cr_expect(same(name, 3, TEXT_PLAIN));
}

Test(mime, long_base_name)
{
    char name[4000 + 4];
    memset(name, 'a', sizeof(name));
    memcpy(name + 4000, ".pdf", 4);
    cr_expect(same(name, sizeof(name), "application/pdf"));
}

static void check_keys(const struct mime_entry *table, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        const char *key = table[i].key;
        size_t bytes = strlen(key);
        cr_expect(bytes > 0 && bytes <= MIME_KEY_BYTES_MAX, "length of %s", key);
        cr_expect_null(strpbrk(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZ/ "), "bytes of %s", key);
        if (i > 0) {
            cr_expect_lt(strcmp(table[i - 1].key, key), 0, "order of %s", key);
        }
    }
}

static void check_types(const struct mime_entry *table, size_t rows)
{
    for (size_t i = 0; i < rows; i++) {
        const char *type = table[i].type;
        const char *slash = strchr(type, '/');
        cr_expect(slash != NULL && slash != type && slash[1] != '\0', "form of %s", type);
        cr_expect_null(strpbrk(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "case of %s", type);
        cr_expect_eq(starts_with(type, "text/"), ends_with(type, UTF8), "charset of %s", type);
        if (strstr(type, "json") != NULL || strstr(type, "xml") != NULL) {
            cr_expect_null(strchr(type, ';'), "parameter of %s", type);
        }
    }
}

Test(mime, extensions)
{
    const struct mime_entry *table = NULL;
    size_t rows = mime_table(&table);
    cr_assert_not_null(table);
    cr_expect_geq(rows, 250);
    check_keys(table, rows);
    check_types(table, rows);
}

Test(mime, whole_names)
{
    const struct mime_entry *table = NULL;
    size_t rows = mime_name_table(&table);
    cr_assert_not_null(table);
    cr_expect_gt(rows, 0);
    check_keys(table, rows);
    check_types(table, rows);
}

Test(mime, every_row_is_found)
{
    const struct mime_entry *table = NULL;
    size_t rows = mime_table(&table);
    for (size_t i = 0; i < rows; i++) {
        char name[8 + MIME_KEY_BYTES_MAX];
        int bytes = snprintf(name, sizeof(name), "dir/x.%s", table[i].key);
        cr_assert(bytes > 0 && (size_t)bytes < sizeof(name));
        cr_expect_null(strchr(table[i].key, '.'), "dot in %s", table[i].key);
        cr_expect_eq(mime_type(name, (size_t)bytes), table[i].type, "%s", name);
    }
    rows = mime_name_table(&table);
    for (size_t i = 0; i < rows; i++) {
        cr_expect_eq(mime_type(table[i].key, strlen(table[i].key)), table[i].type);
    }
}
