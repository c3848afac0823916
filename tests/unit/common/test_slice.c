/* Runs of bytes: comparison and cutting, the empty one included. */
#include "common/slice.h"

#include <criterion/criterion.h>

#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

Test(slice, of_literal_and_string)
{
    struct slice literal = SLICE("a\0b");
    cr_expect(literal.count == 3 && literal.bytes[2] == 'b');
    struct slice string = slice_of_string("abc");
    cr_expect(string.count == 3 && memcmp(string.bytes, "abc", 3) == 0);
    cr_expect(slice_of_string("").count == 0);
}

static const struct {
    struct slice a, b;
    bool are_equal, are_equal_ignoring_case, a_starts_with_b;
} comparisons[] = {
    {TEXT(""), TEXT(""), true, true, true},
    {TEXT("a"), TEXT(""), false, false, true},
    {TEXT(""), TEXT("a"), false, false, false},
    {TEXT("abc"), TEXT("abc"), true, true, true},
    {TEXT("abc"), TEXT("ab"), false, false, true},
    {TEXT("abc"), TEXT("abd"), false, false, false},
    {TEXT("aBc"), TEXT("AbC"), false, true, false},
    {TEXT("a\0b"), TEXT("a\0b"), true, true, true},
    {TEXT("a\0b"), TEXT("a\0c"), false, false, false},
    {TEXT("Keep-Alive"), TEXT("keep-alive"), false, true, false},
    /* only letters have a case: these differ by the same bit */
    {TEXT("@"), TEXT("`"), false, false, false},
    {TEXT("["), TEXT("{"), false, false, false},
    {TEXT("^"), TEXT("~"), false, false, false},
    {TEXT("-"), TEXT("\r"), false, false, false},
    {TEXT("0"), TEXT("\x10"), false, false, false},
    {TEXT("\xc9"), TEXT("\xe9"), false, false, false},
    {TEXT("az"), TEXT("AZ"), false, true, false},
};

Test(slice, comparisons)
{
    for (size_t i = 0; i < ARRAY_COUNT(comparisons); i++) {
        struct slice a = comparisons[i].a;
        struct slice b = comparisons[i].b;
        cr_expect(slice_equal(a, b) == comparisons[i].are_equal, "row %zu", i);
        cr_expect(slice_equal(b, a) == comparisons[i].are_equal, "row %zu", i);
        cr_expect(slice_equal_ignoring_case(a, b) == comparisons[i].are_equal_ignoring_case,
                  "row %zu", i);
        cr_expect(slice_equal_ignoring_case(b, a) == comparisons[i].are_equal_ignoring_case,
                  "row %zu", i);
        cr_expect(slice_starts_with(a, b) == comparisons[i].a_starts_with_b, "row %zu", i);
    }
}

Test(slice, empty_without_bytes_is_equal)
{
    struct slice none = {NULL, 0};
    cr_expect(slice_equal(none, SLICE("")) && slice_equal(none, none));
    cr_expect(slice_equal_ignoring_case(none, SLICE("")));
}

Test(slice, every_pair_of_bytes_ignoring_case)
{
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            char x = (char)a;
            char y = (char)b;
            bool same_letter = (a | 0x20) == (b | 0x20) && (a | 0x20) >= 'a' && (a | 0x20) <= 'z';
            bool wanted = a == b || same_letter;
            cr_expect(slice_equal_ignoring_case((struct slice){&x, 1}, (struct slice){&y, 1}) ==
                          wanted,
                      "%d and %d", a, b);
        }
    }
}

Test(slice, after)
{
    struct slice whole = SLICE("abc");
    for (size_t count = 0; count < 6; count++) {
        struct slice rest = slice_after(whole, count);
        size_t cut = count < 3 ? count : 3;
        cr_expect(rest.bytes == whole.bytes + cut && rest.count == 3 - cut, "%zu", count);
    }
    cr_expect(slice_after(whole, SIZE_MAX).count == 0);
}
