/* UTF-8 (RFC 3629), one sequence at a time. Pure. */
#ifndef CAIRN_COMMON_UTF8_H
#define CAIRN_COMMON_UTF8_H

#include "common/compiler.h"

#include <stddef.h>

/* The length of the sequence at the start of `left` bytes; 0 if it is none (NUL counts as none). */
size_t utf8_sequence_bytes(const char *at, size_t left);

#endif
