#include "packer/site/fingerprint.h"

#include "common/mem.h"

#include <stdlib.h>

/* What a hash may be written in. Bits of a mask. */
enum alphabet {
    HEX = 1,
    BASE64URL = 2,    /* Rollup, Vite */
    BASE32_UPPER = 4, /* esbuild, Angular: A-Z2-7 */
    BASE32_LOWER = 8, /* Bun: digits and letters without i, l, o, u */
};

enum { ALPHABETS = 4 };

/* The part of a name that may be a hash, and what speaks for it. */
struct token {
    size_t name; /* its number in the list */
    struct slice folder;
    struct slice text;
    char separator;    /* what stands before it; 0 if it is the whole name */
    bool is_in_bundle; /* the folder is kept for files with such names */
    unsigned strong;   /* alphabets in which it is beyond doubt a hash */
    unsigned weak;     /* alphabets in which it may be one */
};

enum kind { LOWER, UPPER, DIGIT, MARK, KINDS };

static enum kind kind_of(char byte)
{
    if (byte >= 'a' && byte <= 'z') {
        return LOWER;
    }
    if (byte >= 'A' && byte <= 'Z') {
        return UPPER;
    }
    return byte >= '0' && byte <= '9' ? DIGIT : MARK;
}

/* A model of what people write: how many bits of surprise are in a byte, given the one before it.
 * First the step from one kind of byte to the next (last row: the first byte), then, for a letter,
 * which one. Counted over 590,000 different words and identifiers of headers, programs, and
 * messages in seventeen languages. Such words of 8 characters cost 34 bits in the median, less than
 * 50 in 99 of 100; of random base64url, 8 characters cost 60 in the median, 45 or more in 99 of
 * 100. */
static const unsigned char kind_bits[KINDS + 1][KINDS] = {
    {0, 4, 6, 4}, {2, 1, 5, 3}, {2, 3, 1, 3}, {1, 1, 5, 9}, {1, 1, 5, 9},
};

/* One row for each letter before, one column for each letter, in hexadecimal; the last row for the
 * first letter of a run. */
static const char letter_bits[27][27] = {
    "75447758586343a59343667668", /* a */
    "3657377934837646945739985a", "3667379359446827946358a868", "36752767388577469555577869",
    "57446569797453866233867469", /* e */
    "466644892b947637945549896b", "476828654a946456b346488979", "2886289939866737a564587b6a",
    "5644554a89745235954395a7a6", /* i */
    "36762789486676369737487988", "3656277739656547a54557697a", "378527792a8487379844469959",
    "2476288a4b865743a85758a97a", "4843353949668647b843569a79", /* n */
    "6544866969644254b355465899",                               /* o */
    "386636764c6487359354589a59", "47575668699467875556188988", "375527593a665637a544568a58",
    "584837753a5576458732588a67", /* s */
    "385727943b757846c355598749", /* t */
    "5555466958734374b343879799", /* u */
    "286817893c575755a767789889", "286637852a96743793478a8968", "573635864a6747738762789469",
    "56565767687444629634786977", "37771877387665479856586855", "45444456486545548434556598",
};

static unsigned surprise_bits(struct slice token)
{
    unsigned bits = 0;
    enum kind before = KINDS;
    size_t row = 26;
    for (size_t i = 0; i < token.count; i++) {
        enum kind kind = kind_of(token.bytes[i]);
        bits += kind_bits[before][kind];
        if (kind <= UPPER) {
            row = before == LOWER && kind == UPPER ? 26 : row; /* "readFile": a word begins */
            size_t letter = (size_t)((token.bytes[i] | 0x20) - 'a');
            char digit = letter_bits[row][letter];
            bits += (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
            row = letter;
        } else {
            bits += kind == DIGIT ? 3 : 1;
            row = 26;
        }
        before = kind;
    }
    return bits;
}

/* What a token is made of. */
struct shape {
    size_t counts[KINDS];
    size_t turns;    /* from a digit to something else, or back */
    size_t distinct; /* bytes */
};

static struct shape shape_of(struct slice token)
{
    struct shape shape = {0};
    for (size_t i = 0; i < token.count; i++) {
        enum kind kind = kind_of(token.bytes[i]);
        shape.counts[kind]++;
        shape.turns += i > 0 && (kind == DIGIT) != (kind_of(token.bytes[i - 1]) == DIGIT);
        shape.distinct += i == 0 || memchr(token.bytes, token.bytes[i], i) == NULL;
    }
    return shape;
}

static bool is_in(enum alphabet alphabet, char byte)
{
    enum kind kind = kind_of(byte);
    switch (alphabet) {
    case HEX:
        return kind == DIGIT || (byte >= 'a' && byte <= 'f');
    case BASE64URL:
        return kind != MARK || byte == '-' || byte == '_';
    case BASE32_UPPER:
        return kind == UPPER || (byte >= '2' && byte <= '7');
    case BASE32_LOWER:
        return kind == DIGIT || (kind == LOWER && memchr("ilou", byte, 4) == NULL);
    }
    return false;
}

static bool is_written_in(enum alphabet alphabet, struct slice token)
{
    for (size_t i = 0; i < token.count; i++) {
        if (!is_in(alphabet, token.bytes[i])) {
            return false;
        }
    }
    return token.count > 0;
}

static bool is_year(const char *at)
{
    bool is_century = (at[0] == '1' && at[1] == '9') || (at[0] == '2' && at[1] == '0');
    return is_century && kind_of(at[2]) == DIGIT && kind_of(at[3]) == DIGIT;
}

/* Words of a to f only are few, so hexadecimal needs no model of words: "face2024", "5dec2023",
 * "0001f600" are what is known to go wrong. */
static void judge_hex(struct token *token)
{
    struct slice text = token->text;
    bool is_usual = text.count == 8 || text.count == 10 || text.count == 12 || text.count == 16 ||
                    (text.count >= 20 && text.count <= 128);
    if (!is_usual || !is_written_in(HEX, text)) {
        return;
    }
    struct shape shape = shape_of(text);
    if (shape.counts[DIGIT] == 0 || shape.counts[LOWER] == 0 || shape.distinct < 4) {
        return;
    }
    bool is_date = is_year(text.bytes) || is_year(text.bytes + text.count - 4);
    if (text.count < 16 &&
        ((is_date && shape.turns <= 2) || slice_starts_with(text, SLICE("000")))) {
        return;
    }
    token->weak |= HEX;
    if (text.count < 16
            ? shape.turns > 1
            : shape.counts[LOWER] > 1 && shape.counts[DIGIT] > 1 && shape.distinct > 4) {
        token->strong |= HEX;
    }
}

/* What bundlers write in anything else has 8 characters. */
enum { FORM_BYTES = 8 };

static const struct {
    enum alphabet alphabet;
    unsigned strong_bits; /* of surprise, and digits and letters mixed */
    unsigned weak_bits;   /* of surprise */
    size_t turns;         /* at least so many, to be strong */
} forms[] = {
    {BASE64URL, 53, 47, 1},
    {BASE32_UPPER, 50, 46, 1},
    {BASE32_LOWER, 54, 48, 3},
};

static void judge_form(struct token *token, size_t form)
{
    enum alphabet alphabet = forms[form].alphabet;
    if (token->text.count != FORM_BYTES || !is_written_in(alphabet, token->text)) {
        return;
    }
    struct shape shape = shape_of(token->text);
    bool has_digit = shape.counts[DIGIT] > 0;
    bool has_cases = shape.counts[UPPER] > 0 && shape.counts[LOWER] > 0;
    bool has_letter = shape.counts[UPPER] + shape.counts[LOWER] > 0;
    if (!has_letter || (!has_digit && !has_cases && alphabet != BASE32_UPPER)) {
        return;
    }
    unsigned bits = surprise_bits(token->text);
    if (bits < forms[form].weak_bits) {
        return;
    }
    /* of what base64url is by chance, 49 of 50 have letters of both cases */
    bool is_mixed = has_digit && (has_cases || alphabet != BASE64URL);
    token->weak |= alphabet;
    if (is_mixed && shape.turns >= forms[form].turns && shape.distinct > 4 &&
        bits >= forms[form].strong_bits) {
        token->strong |= alphabet;
    }
}

static bool ends_with(struct slice name, struct slice end)
{
    return name.count >= end.count &&
           slice_equal_ignoring_case(slice_after(name, name.count - end.count), end);
}

/* Takes ".end" off the name if it is one of a list, which is separated and enclosed by spaces. */
static bool take_off(struct slice *name, const char *list)
{
    const char *dot = memrchr(name->bytes, '.', name->count);
    if (dot == NULL || dot == name->bytes) {
        return false;
    }
    struct slice end = slice_after(*name, (size_t)(dot - name->bytes) + 1);
    while (*list != '\0') {
        struct slice word = {list, strcspn(list, " ")};
        if (word.count > 0 && slice_equal_ignoring_case(end, word)) {
            name->count -= end.count + 1;
            return true;
        }
        list += word.count + (list[word.count] == ' ');
    }
    return false;
}

/* What bundlers emit, and nothing else: a document keeps its name when it changes. */
static const char media[] =
    "js mjs cjs css json wasm webmanifest png jpg jpeg gif svg webp avif ico "
    "woff woff2 ttf otf eot mp3 mp4 m4a m4v ogg oga ogv opus wav webm flac "
    "aac mov vtt pdf glb gltf ktx2";
/* What is made beside another file, from it. */
static const char companions[] = "map gz br zst";
/* What stands between the token and the extension. */
static const char inner[] = "min chunk bundle lean module worker esm umd iife async";

/* The base name without its extensions. False if it is not the name of what a bundler emits. */
static bool read_stem(struct slice base, struct slice *out_stem)
{
    struct slice license = SLICE(".LICENSE.txt"); /* webpack: the comments of a script */
    if (ends_with(base, license)) {
        base.count -= license.count;
    }
    while (take_off(&base, companions)) {
    }
    if (!take_off(&base, media)) {
        return false;
    }
    while (take_off(&base, inner)) {
    }
    *out_stem = base;
    return base.count > 0 && base.bytes[0] != '.';
}

/* Ends in a UUID, which may as well name a thing that changes. */
static bool is_uuid(struct slice stem)
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    size_t count = sizeof form - 1;
    if (stem.count < count) {
        return false;
    }
    const char *at = stem.bytes + stem.count - count;
    for (size_t i = 0; i < count; i++) {
        if (form[i] == '-' ? at[i] != '-' : !is_in(HEX, (char)(at[i] | 0x20))) {
            return false;
        }
    }
    return true;
}

static void judge_text(struct token *token, struct slice text, char separator)
{
    token->text = text;
    token->separator = separator;
    judge_hex(token);
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        judge_form(token, i);
    }
}

static bool is_separator(char byte)
{
    return byte == '-' || byte == '.';
}

/* A token of a known length may have '-' and '_' in it, at its start too: "index--aB3_x9Q". */
static void judge_stem(struct token *token, struct slice stem)
{
    if (stem.count > FORM_BYTES + 1) {
        size_t before = stem.count - FORM_BYTES - 1;
        if (is_separator(stem.bytes[before])) {
            judge_text(token, slice_after(stem, before + 1), stem.bytes[before]);
        }
    }
    size_t start = stem.count;
    while (start > 0 && is_in(HEX, stem.bytes[start - 1])) {
        start--;
    }
    if (token->weak == 0 && start > 1 && is_separator(stem.bytes[start - 1])) {
        judge_text(token, slice_after(stem, start), stem.bytes[start - 1]);
    }
    if (token->weak == 0) {
        judge_text(token, stem, '\0');
    }
}

/* Hugo's images: "photo_hu3f2a…_1234_600x0_resize.jpg", the hash of the source, then the options.
 */
static bool is_hugo_image(struct slice stem)
{
    for (size_t at = 1; at + 3 < stem.count; at++) {
        struct slice rest = slice_after(stem, at);
        if (!slice_starts_with(rest, SLICE("_hu"))) {
            continue;
        }
        rest = slice_after(rest, rest.bytes[3] == '_' ? 4 : 3);
        struct token token = {.text = {rest.bytes, 0}};
        while (token.text.count < rest.count && is_in(HEX, rest.bytes[token.text.count])) {
            token.text.count++;
        }
        judge_hex(&token);
        bool is_whole = token.text.count == rest.count || rest.bytes[token.text.count] == '_';
        if (is_whole && token.text.count >= 16 && token.strong != 0) {
            return true;
        }
    }
    return false;
}

/* What stands behind the first `folder` ("_next/static/") of a path, at any depth; else empty. */
static struct slice below(struct slice path, struct slice folder)
{
    for (size_t at = 0; at < path.count; at++) {
        struct slice rest = slice_after(path, at);
        if ((at == 0 || path.bytes[at - 1] == '/') && slice_starts_with(rest, folder)) {
            return slice_after(rest, folder.count);
        }
    }
    return SLICE("");
}

/* Next: "_next/static/<build>/_buildManifest.js". A build that was given a name proves nothing; one
 * that was not has 21 random characters of base64url. */
enum { BUILD_BYTES = 21, BUILD_SURPRISE_BITS = 115 };

static bool is_next_manifest(struct slice path)
{
    struct slice rest = below(path, SLICE("_next/static/"));
    struct slice build = {rest.bytes, rest.count < BUILD_BYTES ? rest.count : BUILD_BYTES};
    struct slice file = slice_after(rest, BUILD_BYTES);
    if (!slice_equal(file, SLICE("/_buildManifest.js")) &&
        !slice_equal(file, SLICE("/_ssgManifest.js"))) {
        return false;
    }
    return is_written_in(BASE64URL, build) && surprise_bits(build) >= BUILD_SURPRISE_BITS;
}

static bool is_in_bundle(struct slice path)
{
    static const struct slice folders[] = {{"_astro/", 7}, {"_nuxt/", 6}, {"_next/static/", 13}};
    for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
        if (below(path, folders[i]).count > 0) {
            return true;
        }
    }
    return false;
}

/* Next's fonts: "-s" a subset, ".p" preloaded. */
static struct slice without_font_marks(struct slice stem)
{
    if (ends_with(stem, SLICE(".p"))) {
        stem.count -= 2;
    }
    if (ends_with(stem, SLICE("-s"))) {
        stem.count -= 2;
    }
    return stem;
}

static bool is_page(struct slice base)
{
    struct slice rest = base;
    return memchr(base.bytes, '.', base.count) == NULL ||
           take_off(&rest, "html htm xhtml xht shtml");
}

/* Judges one name by itself. Returns true if the name is proven or a token was found; a proven name
 * has its flag set. */
static bool read_name(struct slice path, struct token *out_token, bool *out_flag)
{
    const char *slash = memrchr(path.bytes, '/', path.count);
    size_t folder_count = slash == NULL ? 0 : (size_t)(slash - path.bytes);
    struct slice base = slice_after(path, slash == NULL ? 0 : folder_count + 1);
    *out_flag = false;
    if (base.count == 0 || is_page(base)) {
        return false;
    }
    struct slice stem;
    if (below(path, SLICE("_app/immutable/")).count > 0 || is_next_manifest(path)) {
        *out_flag = true;
        return false;
    }
    if (!read_stem(base, &stem) || is_uuid(stem)) {
        return false;
    }
    struct token token = {.folder = {path.bytes, folder_count}, .is_in_bundle = is_in_bundle(path)};
    judge_stem(&token, token.is_in_bundle ? without_font_marks(stem) : stem);
    bool is_short = token.separator == '\0' && token.text.count < 20;
    bool counts = token.weak != 0 && (token.is_in_bundle || !is_short);
    *out_flag = (counts && (token.strong != 0 || token.is_in_bundle)) || is_hugo_image(stem);
    *out_token = token;
    return counts;
}

/* By folder and form, so that what is alike stands together. */
static int compare_tokens(const void *a, const void *b)
{
    const struct token *x = a;
    const struct token *y = b;
    if (x->separator != y->separator) {
        return x->separator < y->separator ? -1 : 1;
    }
    if (x->text.count != y->text.count) {
        return x->text.count < y->text.count ? -1 : 1;
    }
    if (x->folder.count != y->folder.count) {
        return x->folder.count < y->folder.count ? -1 : 1;
    }
    return memcmp(x->folder.bytes, y->folder.bytes, x->folder.count);
}

/* Lets the strong speak for the weak among tokens of one folder and form. Where the doubtful are
 * the most by far, the others are chance. */
static void judge_siblings(const struct token *tokens, size_t count, bool *out_flags)
{
    unsigned proven = 0;
    for (unsigned alphabet = 1; alphabet < 1U << ALPHABETS; alphabet <<= 1) {
        size_t strong = 0;
        size_t weak = 0;
        for (size_t i = 0; i < count; i++) {
            strong += (tokens[i].strong & alphabet) != 0;
            weak += tokens[i].strong == 0 && (tokens[i].weak & alphabet) != 0;
        }
        proven |= strong > 0 && weak <= 4 * strong ? alphabet : 0;
    }
    for (size_t i = 0; i < count; i++) {
        if ((tokens[i].weak & proven) != 0) {
            out_flags[tokens[i].name] = true;
        }
    }
}

void fingerprint_judge(const struct slice *names, size_t count, bool *out_flags)
{
    struct token *tokens = NULL;
    size_t token_count = 0;
    size_t capacity = 0;
    for (size_t i = 0; i < count; i++) {
        struct token token;
        if (read_name(names[i], &token, &out_flags[i])) {
            if (token_count == capacity) {
                capacity = mem_capacity(capacity, token_count + 1);
                tokens = mem_resize(tokens, capacity, sizeof *tokens);
            }
            token.name = i;
            tokens[token_count++] = token;
        }
    }
    if (token_count > 0) {
        qsort(tokens, token_count, sizeof *tokens, compare_tokens);
    }
    for (size_t start = 0; start < token_count;) {
        size_t end = start + 1;
        while (end < token_count && compare_tokens(&tokens[start], &tokens[end]) == 0) {
            end++;
        }
        judge_siblings(tokens + start, end - start, out_flags);
        start = end;
    }
    free(tokens);
}
