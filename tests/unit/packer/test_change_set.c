/* Names that may have changed: each once, and only those that no other stands for. */
#include "packer/site/change_set.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "b a/c" to names. */
static void add_words(struct change_set *set, const char *words)
{
    char *copy = mem_string(words, strlen(words));
    for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
        change_set_add(set, word);
    }
    free(copy);
}

static const char *text_of(const struct change_set *set)
{
    static char text[256];
    text[0] = '\0';
    for (size_t i = 0; i < set->count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "",
                 set->names[i]);
    }
    return text;
}

static const struct {
    const char *words;
    const char *settled;
} rows[] = {
    {"", ""},
    {"a", "a"},
    {"b a b a", "a b"},
    {"a/b a", "a"},
    {"a a/b a/b/c", "a"},
    {"a/b/c a/b a/d", "a/b a/d"},
    {"a a.b a/b ab", "a a.b ab"}, /* '.' sorts before '/' */
    {"a-x/b a a/b/c/d", "a a-x/b"},
    {"docs/a docs/ab docs/a/b", "docs/a docs/ab"},
};

Test(change_set, settles)
{
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct change_set set = {0};
        add_words(&set, rows[i].words);
        cr_expect(change_set_is_empty(&set) == (*rows[i].words == '\0'), "row %zu", i);
        change_set_settle(&set);
        cr_expect(strcmp(text_of(&set), rows[i].settled) == 0, "row %zu: %s", i, text_of(&set));
        char *copy = mem_string(rows[i].words, strlen(rows[i].words));
        for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
            cr_expect(change_set_covers(&set, word), "row %zu: %s", i, word);
        }
        free(copy);
        /* it can be added to, and settled again */
        change_set_add(&set, "zz");
        change_set_add(&set, "zz/z");
        change_set_settle(&set);
        cr_expect(change_set_covers(&set, "zz/z/z") && !change_set_covers(&set, "z"));
        cr_expect(strcmp(set.names[set.count - 1], "zz") == 0, "row %zu", i);
        change_set_clear(&set);
        cr_expect(change_set_is_empty(&set) && !change_set_covers(&set, "a"));
    }
}

Test(change_set, covers_what_lies_below)
{
    struct change_set set = {0};
    add_words(&set, "docs/a b");
    cr_expect(change_set_covers(&set, "docs/a") && change_set_covers(&set, "docs/a/x/y"));
    cr_expect(change_set_covers(&set, "b/c"));
    cr_expect(!change_set_covers(&set, "docs") && !change_set_covers(&set, "docs/ab"));
    cr_expect(!change_set_covers(&set, "bc") && !change_set_covers(&set, ""));
    change_set_clear(&set);
}

Test(change_set, everything)
{
    struct change_set set = {0};
    add_words(&set, "a b");
    change_set_add_all(&set);
    cr_expect(set.is_all && set.count == 0 && !change_set_is_empty(&set));
    change_set_add(&set, "c");
    change_set_settle(&set);
    cr_expect(set.count == 0 && change_set_covers(&set, "x/y"));
    change_set_clear(&set);
    cr_expect(change_set_is_empty(&set));
}

/* However many. */
Test(change_set, many)
{
    struct change_set set = {0};
    char name[32];
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 20000; i++) {
            snprintf(name, sizeof name, "f%d/n%d", i % 100, i);
            change_set_add(&set, name);
        }
    }
    cr_expect(set.count == 20000, "%zu", set.count);
    change_set_add(&set, "f7");
    change_set_settle(&set);
    cr_expect(set.count == 20000 - 200 + 1, "%zu", set.count);
    for (size_t i = 1; i < set.count; i++) {
        cr_assert(strcmp(set.names[i - 1], set.names[i]) < 0);
    }
    change_set_clear(&set);
}
