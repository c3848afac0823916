#include "server/shortage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

enum { SAY_AGAIN_MS = 60000 };

#define BEFORE "cairn-serve: no room for another connection: "
#define BEHIND "; idle ones give way, others wait"

static void say_beginning(int what, uint64_t limit)
{
    struct rlimit descriptors = {.rlim_cur = 0};
    switch (what) {
    case SHORTAGE_CONNECTIONS:
        fprintf(stderr,
                BEFORE "%" PRIu64 " are open, as many as --limit connections lets be; idle ones "
                       "give way, others are closed. Raise it, or look who has them\n",
                limit);
        break;
    case EMFILE:
        (void)getrlimit(RLIMIT_NOFILE, &descriptors);
        fprintf(stderr,
                BEFORE "this process has all its %llu descriptors in use" BEHIND
                       ". Raise LimitNOFILE= of the unit, or ulimit -n\n",
                (unsigned long long)descriptors.rlim_cur);
        break;
    case ENFILE:
        fprintf(stderr, BEFORE "the system has no descriptor left" BEHIND
                               ". Raise fs.file-max, or look which process has them\n");
        break;
    default:
        fprintf(stderr, BEFORE "the system has no memory for sockets" BEHIND
                               ". Look at net.ipv4.tcp_mem, and at who has the memory\n");
        break;
    }
}

/* A minute has gone by. */
static void go_on(struct shortage *shortage, uint64_t more)
{
    if (more > 0) {
        fprintf(stderr, BEFORE "%" PRIu64 " times in the last minute\n", more);
    } else {
        fprintf(stderr,
                "cairn-serve: there is room for connections again; there was none %" PRIu64
                " times\n",
                shortage->all);
        shortage->is_on = false;
    }
}

int64_t shortage_turn(struct shortage *shortage, const struct shortage_facts *facts, int64_t now_ms)
{
    bool begins = !shortage->is_on && facts->what != SHORTAGE_NONE;
    if (begins || (shortage->is_on && now_ms >= shortage->next_ms)) {
        uint64_t more = facts->count - shortage->counted;
        shortage->counted = facts->count;
        shortage->all = (begins ? 0 : shortage->all) + more;
        shortage->next_ms = now_ms + SAY_AGAIN_MS;
        if (begins) {
            shortage->is_on = true;
            say_beginning(facts->what, facts->limit);
        } else {
            go_on(shortage, more);
        }
    }
    return shortage->is_on ? shortage->next_ms - now_ms : -1;
}
