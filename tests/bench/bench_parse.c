/* What a request head costs to parse, in nanoseconds: the least of many rounds, on one core.
 *   cmake --build --preset release --target bench_parse && build/release/bin/bench_parse */
#include "http/h1_parse.h"

#include <stdio.h>
#include <time.h>

static const struct {
    const char *name;
    const char *head;
} requests[] = {
    {"wrk's (3 lines)", "GET /k.bin HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"},
    {"curl's (5 lines)", "GET /index.html HTTP/1.1\r\nHost: www.example.org\r\n"
                         "User-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"},
    {"a browser's (16 lines)",
     "GET /assets/index-4f9a8b2c.js HTTP/1.1\r\n"
     "Host: www.example.org\r\n"
     "Connection: keep-alive\r\n"
     "sec-ch-ua-platform: \"Linux\"\r\n"
     "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
     "Chrome/130.0.0.0 Safari/537.36\r\n"
     "sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n"
     "sec-ch-ua-mobile: ?0\r\n"
     "Accept: */*\r\n"
     "Sec-Fetch-Site: same-origin\r\n"
     "Sec-Fetch-Mode: cors\r\n"
     "Sec-Fetch-Dest: script\r\n"
     "Referer: https://www.example.org/guide/getting-started\r\n"
     "Accept-Encoding: gzip, deflate, br, zstd\r\n"
     "Accept-Language: en-US,en;q=0.9\r\n"
     "Cookie: _ga=GA1.1.123456789.1700000000; session=0123456789abcdef0123456789abcdef\r\n"
     "If-None-Match: \"tMmDa9mK1M8XtmHduglN3Q\"\r\n\r\n"},
};

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(void)
{
    enum { ROUNDS = 50, PARSES = 20000 };
    static struct request request;
    struct limits limits;
    limits_init(&limits);
    for (size_t i = 0; i < ARRAY_COUNT(requests); i++) {
        struct slice input = slice_of_string(requests[i].head);
        double least = 1e9;
        size_t good = 0;
        for (int round = 0; round < ROUNDS; round++) {
            double started = now_ns();
            for (int j = 0; j < PARSES; j++) {
                unsigned status;
                good += h1_parse(input, &limits, &request, &status) == H1_OK;
                __asm__ volatile("" ::: "memory"); /* each one is done */
            }
            double each = (now_ns() - started) / PARSES;
            least = each < least ? each : least;
        }
        printf("%-24s %4zu bytes: %6.0f ns\n", requests[i].name, input.count, least);
        if (good != (size_t)ROUNDS * PARSES) {
            puts("it was refused");
            return 1;
        }
    }
    return 0;
}
