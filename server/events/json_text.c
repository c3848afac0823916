#include "events/json_text.h"

#include <stdlib.h>

void json_text_begin(struct json_text *text, const char *type)
{
    *text = (struct json_text){.bytes = NULL};
    text->stream = open_memstream(&text->bytes, &text->count);
    if (text->stream == NULL) {
        abort(); /* out of memory */
    }
    text->json = json_writer(text->stream);
    json_begin_object(&text->json);
    json_key(&text->json, "type");
    json_string(&text->json, slice_of_string(type));
}

size_t json_text_bytes(struct json_text *text)
{
    if (fflush(text->stream) != 0) {
        abort();
    }
    return text->count;
}

char *json_text_end(struct json_text *text, size_t *out_bytes)
{
    json_end_object(&text->json);
    if (fclose(text->stream) != 0) {
        abort();
    }
    *out_bytes = text->count;
    return text->bytes;
}
