/* What fuzz targets share. A target is LLVMFuzzerTestOneInput() in fuzz_NAME.c: it takes the input
 * apart, uses a module, and checks what has to hold whatever the bytes are. It is called many times
 * in one process, so it keeps nothing that a later call could see. Checks stay on in every build.
 */
#ifndef CAIRN_TESTS_FUZZ_H
#define CAIRN_TESTS_FUZZ_H

#include "common/slice.h"

#include <stdio.h>
#include <stdlib.h>

/* Returns 0. `bytes` is a block of exactly `count` bytes, so that a read behind it is found. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Ends the process, which makes the input one that is kept, if the condition does not hold. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: does not hold: %s\n", __FILE__, __LINE__, __func__,        \
                    #condition);                                                                   \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static inline struct slice fuzz_input(const uint8_t *bytes, size_t count)
{
    return (struct slice){(const char *)bytes, count};
}

/* Takes the next byte off the input, 0 at its end. */
static inline uint8_t fuzz_take_byte(struct slice *input)
{
    uint8_t byte = input->count == 0 ? 0 : (uint8_t)input->bytes[0];
    *input = slice_after(*input, 1);
    return byte;
}

/* Takes a number off the input: decimal digits, and the byte behind them. Overflow wraps. */
static inline uint64_t fuzz_take_number(struct slice *input)
{
    uint64_t number = 0;
    uint8_t byte;
    while ((byte = fuzz_take_byte(input)) >= '0' && byte <= '9') {
        number = number * 10 + (unsigned)(byte - '0');
    }
    return number;
}

/* A copy in a block of its own of exactly that size: reads outside a part of the input are found as
 * well. The caller frees. */
static inline char *fuzz_copy(struct slice part)
{
    char *copy = malloc(part.count);
    FUZZ_CHECK(copy != NULL || part.count == 0);
    if (part.count > 0) {
        memcpy(copy, part.bytes, part.count);
    }
    return copy;
}

#endif
