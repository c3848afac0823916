/* The sentence of an error: one line, cut at its limit; and a few words for every code. */
#include "common/error.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

Test(error, sets_and_returns_the_code)
{
    struct error error = {"before"};
    cr_expect(error_set(&error, ERR_FORMAT, "%s: %d", "a", 7) == ERR_FORMAT);
    cr_expect(strcmp(error.text, "a: 7") == 0, "%s", error.text);
    cr_expect(error_set(NULL, -ENOENT, "%s", "nobody asks") == -ENOENT);
}

Test(error, stays_one_line)
{
    struct error error;
    for (int byte = 1; byte < 256; byte++) {
        const char text[] = {'a', (char)byte, 'b', '\0'};
        error_set(&error, ERR_NAME, "%s", text);
        char wanted = byte < 0x20 || byte == 0x7f ? '?' : (char)byte;
        cr_expect(error.text[1] == wanted && strlen(error.text) == 3, "%d", byte);
    }
}

Test(error, long_sentence_is_cut)
{
    struct error error;
    char text[2 * ERROR_TEXT_BYTES];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    error_set(&error, ERR_NAME, "%s", text);
    cr_expect(strlen(error.text) == ERROR_TEXT_BYTES - 1);
}

Test(error, every_code_has_a_name_of_its_own)
{
    static const int codes[] = {ERR_FORMAT,  ERR_DAMAGED, ERR_VERSION, ERR_BINDING,
                                ERR_CHANGED, ERR_NAME,    ERR_LIMIT,   ERR_BUSY,
                                ERR_USAGE,   ERR_EMPTY,   ERR_REFUSED, ERR_TRUST};
    for (size_t i = 0; i < ARRAY_COUNT(codes); i++) {
        cr_expect(strstr(error_name(codes[i]), "Unknown") == NULL, "%d", codes[i]);
        for (size_t j = 0; j < i; j++) {
            cr_expect(strcmp(error_name(codes[i]), error_name(codes[j])) != 0, "%d and %d",
                      codes[i], codes[j]);
        }
    }
    cr_expect(strcmp(error_name(-ENOENT), strerror(ENOENT)) == 0);
}
