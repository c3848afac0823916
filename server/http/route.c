#include "http/route.h"

#include "common/mime.h"
#include "common/path.h"
#include "common/pattern.h"

static bool accepts_html(struct slice accept)
{
    static const struct slice html = {"text/html", 9};
    if (slice_equal(accept, SLICE("*/*")) || accept.count == 0) {
        return true; /* a client that does not say: curl, many crawlers */
    }
    for (size_t i = 0; i + html.count <= accept.count; i++) {
        if (slice_equal_ignoring_case((struct slice){accept.bytes + i, html.count}, html)) {
            return true;
        }
    }
    return false;
}

static bool looks_like_asset(struct slice path)
{
    const char *slash = memrchr(path.bytes, '/', path.count);
    struct slice name = slice_after(path, slash == NULL ? 0 : (size_t)(slash - path.bytes) + 1);
    const char *dot = name.count == 0 ? NULL : memrchr(name.bytes, '.', name.count);
    if (dot == NULL) {
        return false;
    }
    struct slice extension = slice_after(name, (size_t)(dot - name.bytes) + 1);
    return !slice_equal_ignoring_case(extension, SLICE("html")) &&
           mime_has_extension(name.bytes, name.count);
}

bool is_navigation(const struct request *request, struct slice path)
{
    if (looks_like_asset(path)) {
        return false;
    }
    bool accepts = true;
    for (size_t i = 0; i < request->field_count; i++) {
        const struct http_field *field = &request->fields[i];
        if (field->id == FIELD_SEC_FETCH_MODE) {
            return slice_equal(field->value, SLICE("navigate"));
        }
        if (field->id == FIELD_ACCEPT) {
            accepts = accepts_html(field->value);
        }
    }
    return accepts;
}

/* Decodes one name or value of a query into `buffer` (application/x-www-form-urlencoded, the WHATWG
 * URL standard). Returns the length, SIZE_MAX if it does not fit or is no text for a path. */
static size_t decode_component(struct slice text, char *buffer, size_t capacity)
{
    static const char digits[] = "0123456789abcdef";
    size_t count = 0;
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i] == '+' ? ' ' : text.bytes[i];
        if (byte == '%' && i + 2 < text.count) {
            const char *high = memchr(digits, text.bytes[i + 1] | 0x20, 16);
            const char *low = memchr(digits, text.bytes[i + 2] | 0x20, 16);
            if (high != NULL && low != NULL) {
                byte = (char)((high - digits) * 16 + (low - digits));
                i += 2;
            }
        }
        if (count == capacity || (unsigned char)byte < 0x20) {
            return SIZE_MAX;
        }
        buffer[count++] = byte;
    }
    return count;
}

/* Where decoded captures of a query are kept while a rule is tried. */
struct decoded {
    char bytes[2048];
    size_t count;
};

/* The decoded value of `key` in the query, or false. */
static bool query_value(struct slice query, struct slice key, struct decoded *decoded,
                        struct slice *out_value)
{
    while (query.count > 0) {
        struct slice value = slice_take(&query, '&');
        struct slice name = slice_take(&value, '=');
        char *at = decoded->bytes + decoded->count;
        size_t left = sizeof decoded->bytes - decoded->count;
        size_t count = decode_component(name, at, left);
        if (count == SIZE_MAX || !slice_equal((struct slice){at, count}, key)) {
            continue;
        }
        count = decode_component(value, at, left);
        if (count == SIZE_MAX) {
            return false;
        }
        *out_value = (struct slice){at, count};
        decoded->count += count;
        return true;
    }
    return false;
}

/* Every condition of a rule on the query; what it captures follows what the path captured. */
static bool query_matches(struct slice conditions, struct slice query, struct decoded *decoded,
                          struct pattern_captures *captures)
{
    query = slice_after(query, 1); /* its '?' */
    while (conditions.count > 0) {
        struct slice wanted = slice_take(&conditions, '&');
        struct slice key = slice_take(&wanted, '=');
        struct slice value;
        if (!query_value(query, key, decoded, &value)) {
            return false;
        }
        bool is_captured = slice_equal(wanted, SLICE("\x02"));
        if (!is_captured && !slice_equal(wanted, value)) {
            return false;
        }
        if (is_captured && (value.count == 0 || captures->count == PATTERN_CAPTURES_MAX)) {
            return false;
        }
        if (is_captured) {
            captures->at[captures->count++] = value;
        }
    }
    return true;
}

static bool rule_matches(const struct index *index, const struct index_rule *rule,
                         const struct request *request, struct slice path, struct decoded *decoded,
                         struct pattern_captures *out_captures)
{
    char name[HOST_NAME_BYTES_MAX];
    struct slice host = index_text(index, rule->host_at, rule->host_bytes);
    struct slice pattern = index_text(index, rule->pattern_at, rule->pattern_bytes);
    struct slice query = index_text(index, rule->query_at, rule->query_bytes);
    struct pattern_captures *captures = out_captures;
    if (rule->kind != RULE_ROUTE ||
        (host.count > 0 &&
         !pattern_matches(host, PATTERN_IGNORE_CASE, host_name(request->host, name), NULL)) ||
        !pattern_matches(pattern, rule->pattern_flags, path, captures)) {
        return false;
    }
    if ((rule->flags & RULE_NAVIGATION) != 0 && !is_navigation(request, path)) {
        return false;
    }
    decoded->count = 0;
    return query_matches(query, request->query, decoded, captures);
}

/* A target that starts with two slashes would name another host (RFC 3986 §4.2). */
static struct slice without_double_slash(struct slice target)
{
    while (target.count > 1 && target.bytes[0] == '/' && target.bytes[1] == '/') {
        target = slice_after(target, 1);
    }
    return target;
}

static bool expand(const struct index *index, const struct index_rule *rule,
                   const struct pattern_captures *captures, char *scratch, struct route *route)
{
    struct slice template = index_text(index, rule->target_at, rule->target_bytes);
    size_t count = pattern_expand(template, captures, true, scratch, ROUTE_TARGET_BYTES_MAX);
    if (count == SIZE_MAX) {
        return false;
    }
    route->target = without_double_slash((struct slice){scratch, count});
    if (route->status >= 300 && route->status < 400) {
        return true;
    }
    /* A path of this site: its key, behind the text in the scratch if it needs decoding. */
    char key[PATH_BYTES_MAX];
    struct slice target = route->target;
    struct slice path = slice_take(&target, '?');
    struct slice found;
    if (count == 0 || path_canonical(path, key, &found) != PATH_OK) {
        route->target = (struct slice){"", 0};
        return true;
    }
    memmove(scratch, found.bytes, found.count);
    route->target = (struct slice){scratch, found.count};
    return true;
}

bool route_find(const struct index *index, const struct request *request, struct slice path,
                bool is_present, char *scratch, struct route *out_route)
{
    struct decoded decoded;
    for (uint32_t i = 0; i < index->rule_count; i++) {
        const struct index_rule *rule = &index->rules[i];
        struct pattern_captures captures = {.count = 0};
        if (!rule_matches(index, rule, request, path, &decoded, &captures)) {
            continue;
        }
        if (is_present && (rule->flags & RULE_FORCED) == 0) {
            return false;
        }
        *out_route = (struct route){.rule = rule, .status = rule->status};
        return expand(index, rule, &captures, scratch, out_route);
    }
    return false;
}
