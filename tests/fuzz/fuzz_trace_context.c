/* traceparent, beside a reading by positions, and written again; tracestate, beside a count of what
 * may not be in it. Input: a line for each. */
#include "fuzz.h"

#include "telemetry/trace_context.h"

static bool is_digits(const char *text, size_t count)
{
    return strspn(text, "0123456789abcdef") >= count;
}

static bool slow_parse(const char *text, size_t count)
{
    static const char zeros[] = "00000000000000000000000000000000";
    if (count < 55 || strlen(text) < 55) {
        return false;
    }
    bool has_form = is_digits(text, 2) && text[2] == '-' && is_digits(text + 3, 32) &&
                    text[35] == '-' && is_digits(text + 36, 16) && text[52] == '-' &&
                    is_digits(text + 53, 2);
    bool has_end = count == 55 || (text[55] == '-' && strncmp(text, "00", 2) != 0);
    return has_form && has_end && strncmp(text, "ff", 2) != 0 &&
           strncmp(text + 3, zeros, 32) != 0 && strncmp(text + 36, zeros, 16) != 0;
}

static void check_parent(struct slice line)
{
    struct trace_context context = {.is_sampled = false};
    struct trace_context again;
    char written[TRACEPARENT_BYTES + 1];
    char *copy = fuzz_copy(line);
    char *string = calloc(line.count + 1, 1);
    memcpy(string, line.bytes, line.count);
    bool is_valid = traceparent_parse((struct slice){copy, line.count}, &context);
    FUZZ_CHECK(is_valid == slow_parse(string, line.count));
    if (is_valid) {
        traceparent_format(&context, written);
        FUZZ_CHECK(strncmp(written + 2, string + 2, 51) == 0);
        FUZZ_CHECK(traceparent_parse(slice_of_string(written), &again));
        FUZZ_CHECK(memcmp(&again, &context, sizeof again) == 0);
    }
    free(string);
    free(copy);
}

/* What is valid stays so with another member, and without its last one, if one is left. */
static void check_state(struct slice line)
{
    char *copy = fuzz_copy(line);
    bool is_valid = tracestate_is_valid((struct slice){copy, line.count});
    size_t members = 0;
    size_t good = 0;
    struct slice rest = line;
    while (rest.count > 0) {
        struct slice member = slice_trim(slice_take(&rest, ','));
        members += member.count > 0;
        good += member.count > 0 && tracestate_is_valid(member);
    }
    FUZZ_CHECK(is_valid == (members > 0 && members == good && members <= 32 && line.count <= 512));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct slice input = fuzz_input(bytes, count);
    check_parent(slice_take(&input, '\n'));
    check_state(slice_take(&input, '\n'));
    return 0;
}
