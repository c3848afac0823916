#include "packer/add_report.h"

#include "common/json_writer.h"
#include "common/mem.h"
#include "packer/archive/compress.h"

#include <stdlib.h>

void add_result_print_json(const struct add_result *result, FILE *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_key(&json, "command");
    char *line = mem_format("load index %s", result->index_path);
    json_string(&json, slice_of_string(line));
    free(line);
    json_key(&json, "index");
    json_string(&json, slice_of_string(result->index_path));
    const struct {
        const char *key;
        uint64_t number;
    } numbers[] = {
        {"release", result->release},
        {"files", result->file_count},
        {"paths", result->path_count},
        {"read", result->read_count},
        {"new", result->new_count},
        {"file_bytes", result->file_bytes},
        {"appended_bytes", result->appended_bytes},
        {"index_bytes", result->index_bytes},
    };
    for (size_t i = 0; i < ARRAY_COUNT(numbers); i++) {
        json_key(&json, numbers[i].key);
        json_u64(&json, numbers[i].number);
    }
    json_key(&json, "codings");
    json_begin_object(&json);
    for (int codec = CODEC_IDENTITY + 1; codec < CODEC_COUNT; codec++) {
        json_key(&json, codec_token((enum codec)codec));
        json_begin_object(&json);
        json_key(&json, "identity_bytes");
        json_u64(&json, result->savings.identity_bytes[codec]);
        json_key(&json, "coded_bytes");
        json_u64(&json, result->savings.coded_bytes[codec]);
        json_end_object(&json);
    }
    json_end_object(&json);
    json_key(&json, "seconds");
    json_fixed(&json, result->seconds, 3);
    json_end_object(&json);
    json_end(&json);
}
