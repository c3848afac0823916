/* A JSON object in memory, written member by member. One thread. */
#ifndef CAIRN_EVENTS_JSON_TEXT_H
#define CAIRN_EVENTS_JSON_TEXT_H

#include "common/json_writer.h"

struct json_text {
    struct json_writer json;
    FILE *stream;
    char *bytes;
    size_t count;
};

/* An object with the member "type". Its address must not change until json_text_end(). */
void json_text_begin(struct json_text *text, const char *type);

/* How many bytes there are so far. */
size_t json_text_bytes(struct json_text *text);

/* Ends it: one line, without its end. Returns the bytes, which the caller frees. */
char *json_text_end(struct json_text *text, size_t *out_bytes);

#endif
