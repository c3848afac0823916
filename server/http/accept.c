#include "http/accept.h"

void accept_encoding_init(struct accept_encoding *accepted)
{
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        accepted->quality[i] = -1;
    }
    accepted->any = -1;
}

int16_t accept_quality(struct slice text)
{
    if (text.count == 0 || text.count > 5 || (text.bytes[0] != '0' && text.bytes[0] != '1') ||
        (text.count > 1 && text.bytes[1] != '.')) {
        return -1;
    }
    int value = (text.bytes[0] - '0') * 1000;
    int weight = 100;
    for (size_t i = 2; i < text.count; i++, weight /= 10) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9') {
            return -1;
        }
        value += (text.bytes[i] - '0') * weight;
    }
    return (int16_t)(value > 1000 ? -1 : value);
}

/* The one weight that may stand behind a coding's name and its ';' (§12.4.2). Negative: it is none.
 */
static int16_t parse_weight(struct slice text)
{
    text = slice_trim(text);
    if (text.count < 2 || (text.bytes[0] | 0x20) != 'q' || text.bytes[1] != '=') {
        return -1;
    }
    return accept_quality(slice_after(text, 2));
}

static int16_t *quality_of(struct accept_encoding *accepted, struct slice name)
{
    static const struct {
        struct slice name;
        enum codec codec;
    } names[] = {
        {{"gzip", 4}, CODEC_GZIP},         {{"br", 2}, CODEC_BR},
        {{"zstd", 4}, CODEC_ZSTD},         {{"x-gzip", 6}, CODEC_GZIP},
        {{"identity", 8}, CODEC_IDENTITY},
    };
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (slice_equal_ignoring_case(name, names[i].name)) {
            return &accepted->quality[names[i].codec];
        }
    }
    return slice_equal(name, SLICE("*")) ? &accepted->any : NULL;
}

void accept_encoding_add(struct accept_encoding *accepted, struct slice value)
{
    while (value.count > 0) {
        struct slice member = slice_take(&value, ',');
        size_t member_bytes = member.count;
        struct slice name = slice_take(&member, ';');
        bool has_weight = name.count < member_bytes;
        int16_t *quality = quality_of(accepted, slice_trim(name));
        int16_t weight = has_weight ? parse_weight(member) : 1000;
        if (quality != NULL && weight > *quality) {
            *quality = weight;
        }
    }
}

/* What is not listed has the quality of "*", if that is listed; else identity is acceptable and
 * nothing else is (§12.5.3, rules 2 and 3). */
static int effective_quality(const struct accept_encoding *accepted, enum codec codec)
{
    if (accepted->quality[codec] >= 0) {
        return accepted->quality[codec];
    }
    if (accepted->any >= 0) {
        return accepted->any;
    }
    /* Acceptable, but after every coding that the client names: it would not ask otherwise. */
    return codec == CODEC_IDENTITY ? 1 : 0;
}

enum codec accept_encoding_select(const struct accept_encoding *accepted,
                                  const uint64_t sizes[CODEC_COUNT])
{
    static const enum codec order[] = {CODEC_BR, CODEC_ZSTD, CODEC_GZIP, CODEC_IDENTITY};
    enum codec best = CODEC_IDENTITY;
    int best_quality = 0;
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        enum codec codec = order[i];
        int quality = effective_quality(accepted, codec);
        if (sizes[codec] == UINT64_MAX || quality == 0) {
            continue;
        }
        if (quality > best_quality || (quality == best_quality && sizes[codec] < sizes[best])) {
            best = codec;
            best_quality = quality;
        }
    }
    return best;
}
