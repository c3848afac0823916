/* Accept-Encoding, beside the grammar and the rules of RFC 9110 §12.5.3 written down once more.
 * Input: sizes of the coded forms in the order of the codecs ("-": there is none), then field
 * lines. */
#include "fuzz.h"

#include "http/accept.h"

enum { IS_NONE = -1, LISTED_NOT = -2 };

/* "0" to "1.000" (§12.4.2), in thousandths: as it is with all of its zeros. */
static int weight_of(struct slice text)
{
    char whole[] = "?.000";
    if (text.count == 0 || text.count > 5) {
        return IS_NONE;
    }
    memcpy(whole, text.bytes, text.count);
    char again[16];
    int weight = atoi(whole) * 1000 + atoi(whole + 2);
    snprintf(again, sizeof again, "%d.%03d", weight / 1000 % 10, weight % 1000);
    return weight >= 0 && weight <= 1000 && memcmp(whole, again, 5) == 0 ? weight : IS_NONE;
}

/* The quality that the lines give a name: the highest of those listed. */
static int quality_of(struct slice lines, const char *name)
{
    int quality = LISTED_NOT;
    for (size_t i = 0; i < lines.count; i++) {
        size_t end = i;
        while (end < lines.count && lines.bytes[end] != ',' && lines.bytes[end] != '\n') {
            end++;
        }
        struct slice member = {lines.bytes + i, end - i};
        i = end;
        const char *mark = member.count == 0 ? NULL : memchr(member.bytes, ';', member.count);
        size_t before = mark == NULL ? member.count : (size_t)(mark - member.bytes);
        struct slice coding = slice_trim((struct slice){member.bytes, before});
        int weight = 1000;
        if (mark != NULL) {
            struct slice parameter = slice_trim(slice_after(member, before + 1));
            bool is_weight = parameter.count >= 2 && parameter.bytes[1] == '=' &&
                             (parameter.bytes[0] == 'q' || parameter.bytes[0] == 'Q');
            weight = is_weight ? weight_of(slice_after(parameter, 2)) : IS_NONE;
        }
        bool is_it = slice_equal_ignoring_case(coding, slice_of_string(name));
        quality = is_it && weight >= 0 && weight > quality ? weight : quality;
    }
    return quality;
}

static int higher(int a, int b)
{
    return a > b ? a : b;
}

static enum codec slow_select(struct slice lines, const uint64_t sizes[CODEC_COUNT])
{
    static const enum codec preferred[] = {CODEC_BR, CODEC_ZSTD, CODEC_GZIP, CODEC_IDENTITY};
    int qualities[CODEC_COUNT];
    int any = quality_of(lines, "*");
    qualities[CODEC_BR] = quality_of(lines, "br");
    qualities[CODEC_ZSTD] = quality_of(lines, "zstd");
    qualities[CODEC_GZIP] = higher(quality_of(lines, "gzip"), quality_of(lines, "x-gzip"));
    qualities[CODEC_IDENTITY] = quality_of(lines, "identity");
    enum codec best = CODEC_IDENTITY;
    bool is_any = false;
    for (size_t i = 0; i < ARRAY_COUNT(preferred); i++) {
        enum codec codec = preferred[i];
        int *quality = &qualities[codec];
        /* identity that nobody names is acceptable, as if it had the least weight there is */
        *quality = *quality >= 0 ? *quality : any >= 0 ? any : codec == CODEC_IDENTITY;
        bool is_there = *quality > 0 && sizes[codec] != UINT64_MAX;
        if (is_there && (!is_any || *quality > qualities[best] ||
                         (*quality == qualities[best] && sizes[codec] < sizes[best]))) {
            best = codec;
            is_any = true;
        }
    }
    return best;
}

/* The field lines one by one, from the first or from the last. */
static struct accept_encoding read_lines(struct slice lines, bool is_reversed)
{
    struct accept_encoding accepted;
    accept_encoding_init(&accepted);
    while (lines.count > 0) {
        struct slice line;
        if (is_reversed) {
            const char *last = memrchr(lines.bytes, '\n', lines.count);
            size_t at = last == NULL ? 0 : (size_t)(last - lines.bytes) + 1;
            line = slice_after(lines, at);
            lines.count = at == 0 ? 0 : at - 1;
        } else {
            line = slice_take(&lines, '\n');
        }
        char *copy = fuzz_copy(line);
        accept_encoding_add(&accepted, (struct slice){copy, line.count});
        free(copy);
    }
    return accepted;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice lines = fuzz_input(bytes, count);
    uint64_t sizes[CODEC_COUNT];
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        bool is_missing = i != CODEC_IDENTITY && slice_starts_with(lines, SLICE("-"));
        lines = slice_after(lines, is_missing);
        uint64_t size = fuzz_take_number(&lines);
        sizes[i] = is_missing ? UINT64_MAX : size;
    }
    struct accept_encoding accepted = read_lines(lines, false);
    struct accept_encoding reversed = read_lines(lines, true);
    enum codec codec = accept_encoding_select(&accepted, sizes);
    FUZZ_CHECK(codec < CODEC_COUNT && (codec == CODEC_IDENTITY || sizes[codec] != UINT64_MAX));
    FUZZ_CHECK(codec == accept_encoding_select(&reversed, sizes));
    FUZZ_CHECK(codec == slow_select(lines, sizes));
    return 0;
}
