/* UTF-8 in pieces: every character, every string of up to four telling bytes against a reading by
 * numbers, and long texts with a wrong byte at each place. */
#include "common/utf8.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* The bytes of a character, by RFC 3629 §3. */
static size_t encode(uint32_t point, unsigned char out[4])
{
    size_t count = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char starts[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = count; i > 1; i--) {
        out[i - 1] = (unsigned char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (unsigned char)(starts[count] | point);
    return count;
}

/* What of a text is there: whole characters, a good beginning, or something else. By numbers: how
 * many bytes the first one promises, the character that they stand for, its shortest form. */
static enum utf8_state read_slowly(const unsigned char *text, size_t count)
{
    size_t at = 0;
    while (at < count) {
        unsigned char first = text[at];
        size_t length = first < 0x80             ? 1
                        : (first & 0xe0) == 0xc0 ? 2
                        : (first & 0xf0) == 0xe0 ? 3
                        : (first & 0xf8) == 0xf0 ? 4
                                                 : 0;
        if (length == 0) {
            return UTF8_BAD;
        }
        size_t there = length < count - at ? length : count - at;
        for (size_t i = 1; i < there; i++) {
            if ((text[at + i] & 0xc0) != 0x80) {
                return UTF8_BAD;
            }
        }
        /* some character begins with the bytes that are there: try the least and the greatest one
         * that can, since those between are all right or all wrong, surrogates apart */
        uint32_t least = length == 1 ? first : first & (0x7fU >> length);
        uint32_t greatest = least;
        for (size_t i = 1; i < length; i++) {
            least = least << 6 | (i < there ? text[at + i] & 0x3fU : 0);
            greatest = greatest << 6 | (i < there ? text[at + i] & 0x3fU : 0x3f);
        }
        static const uint32_t firsts[] = {0, 0, 0x80, 0x800, 0x10000};
        bool is_surrogate = least >= 0xd800 && greatest <= 0xdfff;
        if (greatest < firsts[length] || least > 0x10ffff || is_surrogate) {
            return UTF8_BAD;
        }
        if (there < length) {
            return UTF8_ONE_LEFT; /* any that is not whole */
        }
        at += length;
    }
    return UTF8_WHOLE;
}

static enum utf8_state kind_of(enum utf8_state state)
{
    return state == UTF8_WHOLE || state == UTF8_BAD ? state : UTF8_ONE_LEFT;
}

static enum utf8_state go_on(enum utf8_state state, const unsigned char *text, size_t count)
{
    return utf8_continue(state, (struct slice){(const char *)text, count});
}

Test(utf8, every_character_is_one_and_no_beginning_of_it_is)
{
    for (uint32_t point = 0; point <= 0x10ffff; point++) {
        unsigned char text[4];
        size_t count = encode(point, text);
        bool is_surrogate = point >= 0xd800 && point <= 0xdfff;
        enum utf8_state wanted = is_surrogate ? UTF8_BAD : UTF8_WHOLE;
        cr_assert_eq(go_on(UTF8_WHOLE, text, count), wanted, "U+%04x", point);
        for (size_t cut = 1; cut < count && !is_surrogate; cut++) {
            enum utf8_state middle = go_on(UTF8_WHOLE, text, cut);
            cr_assert_eq(kind_of(middle), UTF8_ONE_LEFT, "U+%04x, %zu bytes", point, cut);
            cr_assert_eq(go_on(middle, text + cut, count - cut), UTF8_WHOLE, "U+%04x", point);
        }
    }
}

Test(utf8, strings_of_telling_bytes_are_what_the_numbers_say)
{
    static const unsigned char bytes[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                          0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee,
                                          0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xf8, 0xff};
    size_t kinds = ARRAY_COUNT(bytes);
    for (size_t number = 0; number < kinds * kinds * kinds * kinds; number++) {
        unsigned char text[4];
        size_t rest = number;
        enum utf8_state state = UTF8_WHOLE;
        for (size_t i = 0; i < 4; i++, rest /= kinds) {
            text[i] = bytes[rest % kinds];
            state = go_on(state, text + i, 1);
            cr_assert_eq(kind_of(state), read_slowly(text, i + 1), "%02x %02x %02x %02x to %zu",
                         text[0], text[1], text[2], text[3], i);
        }
        cr_assert_eq(go_on(UTF8_WHOLE, text, 4), state);
    }
}

Test(utf8, a_wrong_byte_is_found_wherever_it_stands)
{
    enum { BYTES = 40 };
    for (size_t count = 1; count <= BYTES; count++) {
        unsigned char *text =
            malloc(count); /* a block of its own, so that a read behind is found */
        memset(text, 'a', count);
        cr_expect_eq(go_on(UTF8_WHOLE, text, count), UTF8_WHOLE);
        for (size_t place = 0; place < count; place++) {
            text[place] = 0xff;
            cr_expect_eq(go_on(UTF8_WHOLE, text, count), UTF8_BAD, "%zu of %zu", place, count);
            text[place] = 0xc3; /* 'a' does not go on with it; the end may */
            enum utf8_state wanted = place + 1 == count ? UTF8_ONE_LEFT : UTF8_BAD;
            cr_expect_eq(go_on(UTF8_WHOLE, text, count), wanted, "%zu of %zu", place, count);
            text[place] = 'a';
        }
        free(text);
    }
}

Test(utf8, nothing_changes_nothing_and_bad_stays_bad)
{
    for (enum utf8_state state = UTF8_WHOLE; state <= UTF8_BAD; state++) {
        cr_expect_eq(utf8_continue(state, (struct slice){NULL, 0}), state);
    }
    cr_expect_eq(utf8_continue(UTF8_BAD, SLICE("text that would be good")), UTF8_BAD);
}
