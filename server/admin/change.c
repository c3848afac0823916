#include "admin/change.h"

#include "common/mem.h"
#include "http/limits.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

/* A member of the object; where it stands in the line. */
struct member {
    const char *name;
    bool is_number;
    bool is_needed;
    const char *before; /* in the line */
    const char *after;
    bool is_quoted; /* '"' and '\' are escaped: it stands in quotes */
};

static const struct shape {
    const char *words;
    struct member members[3];
} shapes[] = {
    [ADMIN_LOAD] = {"load index",
                    {{"index", false, true, " \"", "\"", true},
                     {"host", false, false, " host=", "", false},
                     {"at", false, false, " at=", "", false}}},
    [ADMIN_ROLLBACK] = {"rollback",
                        {{"host", false, false, " host=", "", false},
                         {"at", false, false, " at=", "", false},
                         {"id", true, false, " id=", "", false}}},
    [ADMIN_PROMOTE] = {"promote",
                       {{"id", true, true, " ", "", false},
                        {"host", false, false, " host=", "", false},
                        {"at", false, false, " at=", "", false}}},
};

void admin_change_init(unsigned seed)
{
    json_object_seed(seed);
}

/* A line is one command: nothing of a value may end it, or be taken for another word of it. */
static bool is_plain(const char *text, bool is_quoted)
{
    for (size_t i = 0; text[i] != '\0'; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20 || byte == 0x7f || (byte == ' ' && !is_quoted)) {
            return false;
        }
    }
    return text[0] != '\0';
}

static void put_text(FILE *line, const struct member *member, const char *text)
{
    fputs(member->before, line);
    for (; *text != '\0'; text++) {
        if (member->is_quoted && (*text == '"' || *text == '\\')) {
            fputc('\\', line);
        }
        fputc(*text, line);
    }
    fputs(member->after, line);
}

static int put_member(FILE *line, const struct member *member, const json_t *value,
                      struct error *error)
{
    if (value == NULL) {
        return member->is_needed ? error_set(error, ERR_USAGE, "\"%s\" is missing", member->name)
                                 : 0;
    }
    if (member->is_number) {
        if (!json_is_integer(value) || json_integer_value(value) < 0) {
            return error_set(error, ERR_USAGE, "\"%s\" is not a number", member->name);
        }
        fprintf(line, "%s%" JSON_INTEGER_FORMAT "%s", member->before, json_integer_value(value),
                member->after);
        return 0;
    }
    const char *text = json_string_value(value);
    if (text == NULL || !is_plain(text, member->is_quoted)) {
        return error_set(error, ERR_USAGE, "\"%s\" is not a text that a command can hold",
                         member->name);
    }
    put_text(line, member, text);
    return 0;
}

static int put_members(FILE *line, const struct shape *shape, const json_t *object,
                       struct error *error)
{
    size_t found = 0;
    fputs(shape->words, line);
    for (size_t i = 0; i < ARRAY_COUNT(shape->members) && shape->members[i].name != NULL; i++) {
        const json_t *value = json_object_get(object, shape->members[i].name);
        int status = put_member(line, &shape->members[i], value, error);
        if (status != 0) {
            return status;
        }
        found += value != NULL;
    }
    return found == json_object_size(object)
               ? 0
               : error_set(error, ERR_USAGE, "the object has a member that is not known here");
}

int admin_change_line(enum admin_change change, struct slice body, char **out_line,
                      struct error *error)
{
    json_error_t problem;
    json_t *object = json_loadb(body.bytes, body.count, JSON_REJECT_DUPLICATES, &problem);
    if (!json_is_object(object)) {
        json_decref(object);
        return error_set(error, ERR_USAGE, "the body is not a JSON object");
    }
    char *line = NULL;
    size_t count = 0;
    FILE *stream = open_memstream(&line, &count);
    if (stream == NULL) {
        abort(); /* out of memory */
    }
    int status = put_members(stream, &shapes[change], object, error);
    json_decref(object);
    if (fclose(stream) != 0) {
        abort();
    }
    if (status == 0 && count > CONTROL_LINE_BYTES_MAX) {
        status = error_set(error, ERR_USAGE, "longer than a command may be (%d bytes)",
                           CONTROL_LINE_BYTES_MAX);
    }
    if (status != 0) {
        free(line);
        return status;
    }
    *out_line = line;
    return 0;
}
