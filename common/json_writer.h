/* Writes JSON (RFC 8259) to a stream: commas, nesting and escapes. No document is kept. One thread.
 * A misuse (a value without a key in an object) is a bug and ends the process. */
#ifndef CAIRN_COMMON_JSON_WRITER_H
#define CAIRN_COMMON_JSON_WRITER_H

#include "common/slice.h"

#include <stdio.h>

enum { JSON_DEPTH_MAX = 16 };

struct json_writer {
    FILE *file;
    unsigned depth;
    bool has_value; /* the text is one value, and it was begun */
    struct {
        bool is_object;
        bool has_members;
        bool has_key;  /* a key was written, its value is due */
        bool has_rows; /* each member on a line of its own */
    } levels[JSON_DEPTH_MAX];
};

struct json_writer json_writer(FILE *file);

/* A member's name; its value must follow. */
void json_key(struct json_writer *writer, const char *key);

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);

/* `has_rows`: a line for each member, which is easier on the eye and on line-based tools. */
void json_begin_array(struct json_writer *writer, bool has_rows);
void json_end_array(struct json_writer *writer);

/* Bytes that are not UTF-8 become U+FFFD. */
void json_string(struct json_writer *writer, struct slice text);
void json_u64(struct json_writer *writer, uint64_t number);
void json_i64(struct json_writer *writer, int64_t number);
void json_bool(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);
/* `digits` behind the point. The number is finite: JSON has no other. */
void json_fixed(struct json_writer *writer, double number, int digits);

/* Ends the line; everything that was begun must have been ended. Another text may follow. */
void json_end(struct json_writer *writer);

#endif
