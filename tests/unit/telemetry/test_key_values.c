/* Lists of names with values, percent-encoded. */
#include "telemetry/key_values.h"

#include "common/mem.h"

#include <criterion/criterion.h>
#include <stdlib.h>

/* As "key=value;" for each. NULL: refused. */
static char *read_back(const char *list)
{
    struct key_values values = {0};
    const char *why = NULL;
    if (!key_values_parse(&values, slice_of_string(list), &why)) {
        cr_assert_not_null(why, "%s", list);
        cr_assert_eq(values.count, 0);
        return NULL;
    }
    char *text = mem_string("", 0);
    for (size_t i = 0; i < values.count; i++) {
        char *longer = mem_format("%s%s=%s;", text, values.at[i].key, values.at[i].value);
        free(text);
        text = longer;
    }
    key_values_fini(&values);
    return text;
}

Test(key_values, lists)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"a=1", "a=1;"},
        {"a=1,b=2", "a=1;b=2;"},
        {" a = 1 ,\tb\t=\t2 ,,", "a=1;b=2;"},
        {"a=", "a=;"},
        {"a=b=c", "a=b=c;"},
        {"a=%20%2C%3d%C3%a4", "a= ,=\xc3\xa4;"},
        {"%61=1", "a=1;"},
        {"a=1,b=2,a=3", "a=3;b=2;"},
        {"a=x%41", "a=xA;"},
        {"a", NULL},
        {"=1", NULL},
        {" =1", NULL},
        {"a=1,b", NULL},
        {"a=%", NULL},
        {"a=%4", NULL},
        {"a=%4g", NULL},
        {"a=%00", NULL},
        {"a=1,b=%zz", NULL},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        char *text = read_back(rows[i][0]);
        cr_assert_eq(text == NULL, rows[i][1] == NULL, "%s", rows[i][0]);
        if (text != NULL) {
            cr_assert_str_eq(text, rows[i][1]);
        }
        free(text);
    }
}

Test(key_values, what_is_set_stands_in_the_place_of_what_was)
{
    struct key_values values = {0};
    const char *why;
    key_values_set(&values, "a", "1");
    key_values_set(&values, "b", "2");
    cr_assert(key_values_parse(&values, SLICE("a=3,c=4"), &why));
    cr_assert_eq(values.count, 3);
    cr_assert_str_eq(key_values_find(&values, "a"), "3");
    cr_assert_str_eq(key_values_find(&values, "c"), "4");
    cr_assert_null(key_values_find(&values, "d"));
    cr_assert_not(key_values_parse(&values, SLICE("a=5,b"), &why));
    cr_assert_str_eq(key_values_find(&values, "a"), "3");
    key_values_fini(&values);
}
