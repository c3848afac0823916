#include "common/utf8.h"

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
