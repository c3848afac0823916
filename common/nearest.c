#include "common/nearest.h"

#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the table of distances between beginnings are enough: a swap looks two back. */
size_t word_distance(struct slice a, struct slice b)
{
    size_t rows[3][NEAREST_LETTERS_MAX + 1];
    if (a.count > NEAREST_LETTERS_MAX || b.count > NEAREST_LETTERS_MAX) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= b.count; j++) {
        rows[0][j] = j;
    }
    for (size_t i = 1; i <= a.count; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b.count; j++) {
            size_t differs = a.bytes[i - 1] != b.bytes[j - 1];
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + differs);
            bool is_swap = i > 1 && j > 1 && a.bytes[i - 1] == b.bytes[j - 2] &&
                           a.bytes[i - 2] == b.bytes[j - 1];
            if (is_swap) {
                row[j] = least(row[j], rows[(i + 1) % 3][j - 2] + 1);
            }
        }
    }
    return rows[a.count % 3][b.count];
}

struct nearest nearest_to(struct slice word)
{
    /* a slip in every third letter, and one in a short word */
    return (struct nearest){.word = word, .distance = 2 + word.count / 3};
}

void nearest_offer(struct nearest *nearest, struct slice candidate)
{
    struct slice word = nearest->word;
    size_t distance = word_distance(word, candidate);
    bool is_beginning = word.count > 1 && candidate.count > word.count &&
                        memcmp(word.bytes, candidate.bytes, word.count) == 0;
    if (is_beginning && nearest->distance > 1) {
        distance = 1; /* nearer than what differs in two letters */
    }
    /* nothing of a word that is as short as the difference is left */
    if (distance < nearest->distance && distance < candidate.count) {
        nearest->found = candidate;
        nearest->distance = distance;
    }
}
