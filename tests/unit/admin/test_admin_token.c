/* Which files hold a token, and how many wrong ones are looked at. */
#include "admin/token.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

TestSuite(admin_token, .init = scratch_enter, .fini = scratch_leave);

static const struct slice right = {"Bearer 0123456789abcdef", 23};
static const struct slice wrong = {"Bearer 0123456789abcdeF", 23};

static int read_text(struct admin_token *token, const char *text, mode_t mode, struct error *error)
{
    scratch_file("token", text);
    cr_assert_eq(chmod("token", mode), 0);
    return admin_token_init(token, "token", error);
}

static enum admin_token_result check(struct admin_token *token, struct slice field, int64_t now_ms)
{
    bool is_first;
    return admin_token_check(token, field, now_ms, &is_first);
}

Test(admin_token, the_first_line_counts)
{
    static const char *const texts[] = {
        "0123456789abcdef",
        "0123456789abcdef\n",
        "0123456789abcdef\r\nand more\n",
        "  0123456789abcdef \n",
    };
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        struct admin_token token;
        struct error error = {""};
        cr_assert_eq(read_text(&token, texts[i], 0640, &error), 0, "%s", error.text);
        cr_expect_eq(check(&token, right, 0), ADMIN_TOKEN_RIGHT, "%zu", i);
        cr_expect_eq(check(&token, wrong, 0), ADMIN_TOKEN_WRONG, "%zu", i);
        admin_token_fini(&token);
    }
}

Test(admin_token, files_that_hold_none)
{
    static const struct {
        const char *text;
        mode_t mode;
        const char *says;
    } files[] = {
        {"", 0600, "no token"},
        {"\n0123456789abcdef\n", 0600, "no token"},
        {"0123456789abcde\n", 0600, "no token"},
        {"0123456789 abcdef\n", 0600, "no token"},
        {"0123456789abcde\xc3\xa9\n", 0600, "no token"},
        {"0123456789abcdef\n", 0604, "chmod o="},
        {"0123456789abcdef\n", 0602, "chmod o="},
    };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        struct admin_token token;
        struct error error = {""};
        cr_expect_eq(read_text(&token, files[i].text, files[i].mode, &error), ERR_USAGE, "%zu", i);
        cr_expect(strstr(error.text, files[i].says) != NULL, "%s", error.text);
        cr_expect_eq(check(&token, right, 0), ADMIN_TOKEN_MISSING, "%zu", i);
        admin_token_fini(&token);
    }
}

Test(admin_token, without_a_file_nothing_is_right)
{
    struct admin_token token;
    struct error error = {""};
    cr_assert_eq(admin_token_init(&token, NULL, &error), 0);
    cr_expect_eq(check(&token, right, 0), ADMIN_TOKEN_MISSING);
    cr_expect_eq(check(&token, SLICE("Bearer "), 0), ADMIN_TOKEN_MISSING);
    admin_token_fini(&token);
}

Test(admin_token, forms_of_the_field)
{
    static const struct {
        const char *field;
        enum admin_token_result result;
    } fields[] = {
        {"bearer 0123456789abcdef", ADMIN_TOKEN_RIGHT},
        {"BEARER  0123456789abcdef", ADMIN_TOKEN_RIGHT},
        {"Basic 0123456789abcdef", ADMIN_TOKEN_MISSING},
        {"Bearer", ADMIN_TOKEN_MISSING},
        {"", ADMIN_TOKEN_MISSING},
        {"Bearer 0123456789abcde", ADMIN_TOKEN_WRONG},
        {"Bearer 0123456789abcdef0", ADMIN_TOKEN_WRONG},
    };
    struct admin_token token;
    struct error error = {""};
    cr_assert_eq(read_text(&token, "0123456789abcdef\n", 0600, &error), 0);
    for (size_t i = 0; i < ARRAY_COUNT(fields); i++) {
        cr_expect_eq(check(&token, slice_of_string(fields[i].field), 0), fields[i].result, "%s",
                     fields[i].field);
    }
    admin_token_fini(&token);
}

Test(admin_token, wrong_ones_are_bounded_and_forgiven)
{
    struct admin_token token;
    struct error error = {""};
    bool is_first;
    int64_t now_ms = 1000000;
    cr_assert_eq(read_text(&token, "0123456789abcdef\n", 0600, &error), 0);
    for (int i = 0; i < ADMIN_TOKEN_WRONG_MAX; i++) {
        cr_expect_eq(admin_token_check(&token, wrong, now_ms, &is_first), ADMIN_TOKEN_WRONG);
        cr_expect_eq(is_first, i == 0);
    }
    cr_expect_eq(check(&token, wrong, now_ms), ADMIN_TOKEN_LIMITED);
    cr_expect_eq(check(&token, right, now_ms), ADMIN_TOKEN_LIMITED);
    cr_expect_eq(check(&token, right, now_ms + ADMIN_TOKEN_WRONG_MS - 1), ADMIN_TOKEN_LIMITED);
    now_ms += ADMIN_TOKEN_WRONG_MS;
    cr_expect_eq(check(&token, right, now_ms), ADMIN_TOKEN_RIGHT);
    cr_expect_eq(check(&token, wrong, now_ms), ADMIN_TOKEN_WRONG);
    cr_expect_eq(check(&token, right, now_ms), ADMIN_TOKEN_LIMITED);
    now_ms += (int64_t)ADMIN_TOKEN_WRONG_MAX * ADMIN_TOKEN_WRONG_MS;
    cr_expect_eq(admin_token_check(&token, wrong, now_ms, &is_first), ADMIN_TOKEN_WRONG);
    cr_expect(is_first);
    admin_token_fini(&token);
}
