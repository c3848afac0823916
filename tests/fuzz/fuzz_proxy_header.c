/* The PROXY protocol's header: a verdict holds for whatever comes behind, however the input is cut;
 * and a second reading of both versions agrees. */
#include "fuzz.h"

#include "http/address.h"
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

struct verdict {
    enum proxy_header_result result;
    size_t bytes;
    struct ip_address address;
};

static struct verdict read_header(struct slice input)
{
    struct verdict verdict = {.bytes = SIZE_MAX};
    memset(&verdict.address, 0x7e, sizeof verdict.address);
    char *copy = fuzz_copy(input);
    verdict.result =
        proxy_header_parse((struct slice){copy, input.count}, &verdict.bytes, &verdict.address);
    free(copy);
    return verdict;
}

static bool same_verdict(const struct verdict *a, const struct verdict *b)
{
    return a->result == b->result && a->bytes == b->bytes &&
           memcmp(&a->address, &b->address, sizeof a->address) == 0;
}

static bool is_port(const char *text)
{
    char again[8];
    snprintf(again, sizeof again, "%d", atoi(text));
    return strlen(text) <= 5 && strcmp(text, again) == 0 && atoi(text) >= 0 && atoi(text) <= 65535;
}

/* The words of a first version's line, which ends at `end`. */
static bool read_words(char *line, struct ip_address *io_address)
{
    char *words[5];
    for (size_t i = 0; i < 5; i++) {
        words[i] = i < 4 ? strsep(&line, " ") : line;
        if (words[i] == NULL || (i == 4 && strchr(words[i], ' ') != NULL)) {
            return false;
        }
    }
    struct in6_addr source, target;
    struct in_addr source4, target4;
    if (strcmp(words[0], "TCP6") == 0 && inet_pton(AF_INET6, words[1], &source) == 1 &&
        inet_pton(AF_INET6, words[2], &target) == 1) {
        memcpy(io_address->bytes, &source, sizeof source);
    } else if (strcmp(words[0], "TCP4") == 0 && inet_pton(AF_INET, words[1], &source4) == 1 &&
               inet_pton(AF_INET, words[2], &target4) == 1) {
        memset(io_address->bytes, 0, 10);
        memset(io_address->bytes + 10, 0xff, 2);
        memcpy(io_address->bytes + 12, &source4, 4);
    } else {
        return false;
    }
    return is_port(words[3]) && is_port(words[4]);
}

static struct verdict slow_text(struct slice input, struct verdict verdict)
{
    enum { LINE_BYTES_MAX = 107 };
    char line[LINE_BYTES_MAX + 1] = "";
    size_t count = 0;
    while (count < input.count && count < LINE_BYTES_MAX &&
           (count == 0 || line[count - 1] != '\n')) {
        line[count] = input.bytes[count];
        count++;
    }
    bool has_start = memcmp(line, "PROXY ", count < 6 ? count : 6) == 0;
    bool is_whole = count > 0 && line[count - 1] == '\n';
    verdict.result = !has_start || count == LINE_BYTES_MAX ? PROXY_HEADER_BAD : PROXY_HEADER_MORE;
    if (!has_start || !is_whole) {
        return verdict;
    }
    verdict.result = PROXY_HEADER_BAD;
    if (count < 8 || line[count - 2] != '\r') {
        return verdict;
    }
    line[count - 2] = '\0';
    struct verdict good = {PROXY_HEADER_OK, count, verdict.address};
    struct slice rest = {line + 6, count - 8};
    bool is_unknown =
        slice_equal(rest, SLICE("UNKNOWN")) || slice_starts_with(rest, SLICE("UNKNOWN "));
    bool has_nul = memchr(line, '\0', count - 2) != NULL;
    return is_unknown || (!has_nul && read_words(line + 6, &good.address)) ? good : verdict;
}

static struct verdict slow_binary(struct slice input, struct verdict verdict)
{
    const uint8_t *at = (const uint8_t *)input.bytes;
    if (input.count < 16) {
        return verdict;
    }
    size_t length = (size_t)at[14] * 256 + at[15];
    bool is_local = at[12] == 0x20;
    bool is_proxy = at[12] == 0x21;
    size_t least = at[13] == 0x11 ? 12 : at[13] == 0x21 ? 36 : 0;
    bool is_family = at[13] / 16 <= 3 && at[13] % 16 <= 2;
    if (!is_local && (!is_proxy || !is_family || length < least)) {
        verdict.result = PROXY_HEADER_BAD;
    } else if (input.count >= 16 + length) {
        verdict.result = PROXY_HEADER_OK;
        verdict.bytes = 16 + length;
        if (is_proxy && at[13] == 0x11) {
            static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
            memcpy(verdict.address.bytes, mapped, 12);
            memcpy(verdict.address.bytes + 12, at + 16, 4);
        } else if (is_proxy && at[13] == 0x21) {
            memcpy(verdict.address.bytes, at + 16, 16);
        }
    }
    return verdict;
}

static struct verdict slow_header(struct slice input)
{
    struct verdict verdict = {.result = PROXY_HEADER_MORE, .bytes = SIZE_MAX};
    memset(&verdict.address, 0x7e, sizeof verdict.address);
    size_t compared = input.count < 12 ? input.count : 12;
    bool is_binary = memcmp(input.bytes, signature, compared) == 0;
    return compared == 0 ? verdict
           : is_binary   ? slow_binary(input, verdict)
                         : slow_text(input, verdict);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    enum { STEPS_MAX = 300 };
    struct slice input = fuzz_input(bytes, count);
    struct verdict whole = read_header(input);
    struct verdict expected = slow_header(input);
    FUZZ_CHECK(same_verdict(&whole, &expected));
    FUZZ_CHECK(whole.result != PROXY_HEADER_OK ||
               (whole.bytes > 0 && whole.bytes <= count && whole.bytes <= PROXY_HEADER_BYTES_MAX));
    FUZZ_CHECK(whole.result != PROXY_HEADER_MORE || count < PROXY_HEADER_BYTES_MAX);
    bool is_decided = false;
    for (size_t shown = 0; shown <= count && shown < STEPS_MAX; shown++) {
        struct verdict verdict = read_header((struct slice){input.bytes, shown});
        FUZZ_CHECK(!is_decided || same_verdict(&verdict, &whole));
        if (verdict.result == PROXY_HEADER_OK) {
            FUZZ_CHECK(is_decided || verdict.bytes == shown); /* not a byte later than it ends */
        }
        is_decided |= verdict.result != PROXY_HEADER_MORE;
        FUZZ_CHECK(!is_decided || same_verdict(&verdict, &whole));
    }
    return 0;
}
