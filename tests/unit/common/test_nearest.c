/* Distances between words, and what is offered for a slip. */
#include "common/nearest.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

Test(nearest, distances)
{
    static const struct {
        const char *a, *b;
        size_t distance;
    } rows[] = {
        {"", "", 0},
        {"a", "", 1},
        {"", "abc", 3},
        {"abc", "abc", 0},
        {"abc", "abd", 1},
        {"abc", "ac", 1},
        {"abc", "abcd", 1},
        {"abc", "bac", 1},
        {"abc", "acb", 1},
        {"abcd", "badc", 2},
        {"ca", "abc", 3}, /* no letter twice */
        {"kitten", "sitting", 3},
        {"listen", "silent", 4},
        {"abc", "xyz", 3},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct slice a = slice_of_string(rows[i].a), b = slice_of_string(rows[i].b);
        cr_expect(word_distance(a, b) == rows[i].distance, "%s %s: %zu", rows[i].a, rows[i].b,
                  word_distance(a, b));
        cr_expect(word_distance(b, a) == rows[i].distance, "%s %s", rows[i].b, rows[i].a);
    }
}

Test(nearest, long_words_are_far)
{
    char word[NEAREST_LETTERS_MAX + 1];
    memset(word, 'a', sizeof word);
    struct slice longest = {word, NEAREST_LETTERS_MAX}, longer = {word, sizeof word};
    cr_expect(word_distance(longest, longest) == 0);
    cr_expect(word_distance(longest, longer) == SIZE_MAX);
    cr_expect(word_distance(longer, longest) == SIZE_MAX);
    struct nearest nearest = nearest_to(longer);
    nearest_offer(&nearest, longest);
    cr_expect(nearest.found.count == 0);
}

Test(nearest, offers)
{
    static const char *const words[] = {"listen", "limit", "limits", "retain", "retain-for", "q"};
    static const struct {
        const char *word, *found;
    } rows[] = {
        {"listn", "listen"},
        {"lsiten", "listen"},
        {"limt", "limit"},
        {"limitss", "limits"},
        {"reta", "retain"},
        {"retian", "retain"},
        {"retainfor", "retain-for"},
        {"zebra", ""},
        {"x", ""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct nearest nearest = nearest_to(slice_of_string(rows[i].word));
        for (size_t j = 0; j < ARRAY_COUNT(words); j++) {
            nearest_offer(&nearest, slice_of_string(words[j]));
        }
        cr_expect(slice_equal(nearest.found, slice_of_string(rows[i].found)), "%s: %.*s",
                  rows[i].word, (int)nearest.found.count, nearest.found.bytes);
    }
}
