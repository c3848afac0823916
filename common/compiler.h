/* What the code assumes of compiler and machine, and the few attributes it uses. Included by every
 * other header of common/. The formats of docs/format.md are little-endian and the index is used
 * straight from its mapping, so a big-endian machine is refused here and not met by surprise. */
#ifndef CAIRN_COMMON_COMPILER_H
#define CAIRN_COMMON_COMPILER_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the index is mapped little-endian");
_Static_assert(CHAR_BIT == 8, "bytes are octets");
_Static_assert(sizeof(size_t) == 8 && sizeof(void *) == 8, "archives are mapped whole: 64 bits");

#define CAIRN_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))
#define CAIRN_MUST_CHECK                  __attribute__((warn_unused_result))

#define ARRAY_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
