#include "common/fault_guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

struct frame {
    sigjmp_buf context;
    const void *volatile address;
    struct frame *outer;
};

static _Thread_local struct frame *volatile current;

static void on_fault(int number, siginfo_t *info, void *context)
{
    (void)context;
    struct frame *frame = current;
    if (frame == NULL) {
        signal(number, SIG_DFL); /* the instruction is tried again, and ends the process */
        return;
    }
    frame->address = info->si_addr;
    siglongjmp(frame->context, 1);
}

void fault_guard_install(void)
{
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    (void)sigaction(SIGBUS, &action, NULL);
}

bool fault_guard_run(void (*run)(void *argument), void *argument, const void **out_address)
{
    struct frame frame;
    frame.address = NULL;
    frame.outer = current;
    current = &frame;
    bool is_whole = sigsetjmp(frame.context, 0) == 0; /* no mask: SA_NODEFER changes none */
    if (is_whole) {
        run(argument);
    } else {
        *out_address = frame.address;
    }
    current = frame.outer;
    return is_whole;
}
