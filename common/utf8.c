#include "common/utf8.h"

#include <stdint.h>

size_t utf8_sequence_bytes(const char *text, size_t left)
{
    const unsigned char *at = (const unsigned char *)text;
    static const struct {
        unsigned char first_low, first_high, second_low, second_high;
        size_t count;
    } forms[] = {
        {0x01, 0x7f, 0x00, 0x00, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_COUNT(forms); i++) {
        if (at[0] < forms[i].first_low || at[0] > forms[i].first_high || left < forms[i].count) {
            continue;
        }
        if (forms[i].count == 1) {
            return 1;
        }
        if (at[1] < forms[i].second_low || at[1] > forms[i].second_high) {
            return 0;
        }
        for (size_t j = 2; j < forms[i].count; j++) {
            if (at[j] < 0x80 || at[j] > 0xbf) {
                return 0;
            }
        }
        return forms[i].count;
    }
    return 0;
}

static enum utf8_state first_byte(unsigned char byte)
{
    return byte < 0x80    ? UTF8_WHOLE
           : byte < 0xc2  ? UTF8_BAD
           : byte < 0xe0  ? UTF8_ONE_LEFT
           : byte == 0xe0 ? UTF8_AFTER_E0
           : byte == 0xed ? UTF8_AFTER_ED
           : byte < 0xf0  ? UTF8_TWO_LEFT
           : byte == 0xf0 ? UTF8_AFTER_F0
           : byte < 0xf4  ? UTF8_THREE_LEFT
           : byte == 0xf4 ? UTF8_AFTER_F4
                          : UTF8_BAD;
}

static enum utf8_state further_byte(enum utf8_state state, unsigned char byte)
{
    static const struct {
        unsigned char low, high;
        enum utf8_state next;
    } awaited[] = {
        [UTF8_ONE_LEFT] = {0x80, 0xbf, UTF8_WHOLE},
        [UTF8_TWO_LEFT] = {0x80, 0xbf, UTF8_ONE_LEFT},
        [UTF8_THREE_LEFT] = {0x80, 0xbf, UTF8_TWO_LEFT},
        [UTF8_AFTER_E0] = {0xa0, 0xbf, UTF8_ONE_LEFT},
        [UTF8_AFTER_ED] = {0x80, 0x9f, UTF8_ONE_LEFT},
        [UTF8_AFTER_F0] = {0x90, 0xbf, UTF8_TWO_LEFT},
        [UTF8_AFTER_F4] = {0x80, 0x8f, UTF8_TWO_LEFT},
    };
    bool is_right = byte >= awaited[state].low && byte <= awaited[state].high;
    return is_right ? awaited[state].next : UTF8_BAD;
}

/* How many bytes at the start are ASCII, by words; a few too little. */
static size_t ascii_bytes(struct slice text)
{
    size_t i = 0;
    for (; i + 8 <= text.count; i += 8) {
        uint64_t word;
        memcpy(&word, text.bytes + i, sizeof word);
        if ((word & 0x8080808080808080ULL) != 0) {
            break;
        }
    }
    return i;
}

enum utf8_state utf8_continue(enum utf8_state state, struct slice text)
{
    size_t i = 0;
    while (i < text.count && state != UTF8_BAD) {
        if (state == UTF8_WHOLE) {
            i += ascii_bytes(slice_after(text, i));
            if (i == text.count) {
                break;
            }
        }
        unsigned char byte = (unsigned char)text.bytes[i++];
        state = state == UTF8_WHOLE ? first_byte(byte) : further_byte(state, byte);
    }
    return state;
}
