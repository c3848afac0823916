/* What somebody may have meant by a word that is not known. */
#ifndef CAIRN_COMMON_NEAREST_H
#define CAIRN_COMMON_NEAREST_H

#include "common/slice.h"

/* How many letters have to be put in, left out, replaced, or swapped with their neighbour to make
 * `b` of `a`, none of them twice (the optimal string alignment distance). Words of more than
 * NEAREST_LETTERS_MAX letters are as far as can be: SIZE_MAX. */
enum { NEAREST_LETTERS_MAX = 64 };
size_t word_distance(struct slice a, struct slice b);

/* Looks for the nearest of many words: one that is near enough to be a slip of the fingers, or that
 * begins with what was written. */
struct nearest {
    struct slice word;
    struct slice found; /* empty: nothing is near */
    size_t distance;
};

struct nearest nearest_to(struct slice word);
void nearest_offer(struct nearest *nearest, struct slice candidate);

#endif
