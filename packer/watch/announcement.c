#include "packer/watch/announcement.h"

#include "common/mem.h"

#include <string.h>

/* A backslash is two in the command. Control characters there are none of (error_set()). */
char *announcement_error(const char *problem)
{
    static const char words[] = "announce error ";
    size_t count = sizeof words - 1;
    char *line = mem_zeroed(count + 2 * strlen(problem) + 1, 1);
    memcpy(line, words, count);
    for (const char *at = problem; *at != '\0'; at++) {
        line[count++] = *at;
        if (*at == '\\') {
            line[count++] = '\\';
        }
    }
    return line;
}
