/* UTF-8 (RFC 3629), one sequence at a time, or a text in pieces. Pure. */
#ifndef CAIRN_COMMON_UTF8_H
#define CAIRN_COMMON_UTF8_H

#include "common/slice.h"

/* The length of the sequence at the start of `left` bytes; 0 if it is none (NUL counts as none). */
size_t utf8_sequence_bytes(const char *at, size_t left);

/* Where a text stands of which more may come: what the next byte has to be. */
enum utf8_state {
    UTF8_WHOLE, /* between two characters; where a text begins, and where it may end */
    UTF8_ONE_LEFT,
    UTF8_TWO_LEFT,
    UTF8_THREE_LEFT,
    UTF8_AFTER_E0, /* the second byte has a range of its own: no longer form than needed, */
    UTF8_AFTER_ED, /* no surrogates, */
    UTF8_AFTER_F0,
    UTF8_AFTER_F4, /* nothing above U+10FFFF */
    UTF8_BAD,      /* no UTF-8, whatever comes */
};

/* Goes on from `state` over more of the text. UTF8_BAD as soon as the byte is there that makes it
 * so. U+0000 is a character like others. */
enum utf8_state utf8_continue(enum utf8_state state, struct slice text);

#endif
