/* Threads are there when they are confined, and not at all if they cannot be. */
#include "net/thread.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

struct seen {
    bool has_run;
    int problem; /* of getppid(2) */
    int nice;
    sigset_t blocked;
};

static void *look(void *argument)
{
    struct seen *seen = argument;
    seen->has_run = true;
    seen->problem = syscall(SYS_getppid) < 0 ? errno : 0;
    seen->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
    pthread_sigmask(SIG_BLOCK, NULL, &seen->blocked);
    return NULL;
}

static struct seen run_to_end(const struct thread_plan *plan)
{
    struct error error;
    pthread_t thread;
    cr_assert(thread_start(plan, &thread, &error) == 0, "%s", error.text);
    pthread_join(thread, NULL);
    struct seen seen = *(struct seen *)plan->argument;
    cr_assert(seen.has_run);
    return seen;
}

Test(thread, blocks_every_signal_but_that_of_its_own_faults)
{
    struct seen seen = {.has_run = false};
    sigset_t mine;
    seen = run_to_end(&(struct thread_plan){.run = look, .argument = &seen});
    cr_assert(sigismember(&seen.blocked, SIGTERM));
    cr_assert(sigismember(&seen.blocked, SIGUSR2));
    cr_assert(!sigismember(&seen.blocked, SIGBUS));
    pthread_sigmask(SIG_BLOCK, NULL, &mine);
    cr_assert(!sigismember(&mine, SIGTERM), "the caller's own are as they were");
}

Test(thread, others_go_before_it_as_asked)
{
    struct seen seen = {.has_run = false};
    seen = run_to_end(&(struct thread_plan){.run = look, .argument = &seen, .nice = 19});
    cr_assert(seen.nice == 19);
    cr_assert(getpriority(PRIO_PROCESS, (id_t)gettid()) < 19);
}

Test(thread, is_under_its_filter_and_its_starter_is_not)
{
    struct sock_filter but_one[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EXDEV),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof but_one / sizeof but_one[0], but_one};
    struct seen seen = {.has_run = false};
    cr_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    seen = run_to_end(&(struct thread_plan){.run = look, .argument = &seen, .filter = &filter});
    cr_assert(seen.problem == EXDEV);
    cr_assert(syscall(SYS_getppid) >= 0);
}

Test(thread, what_cannot_be_confined_does_not_run)
{
    struct sock_fprog empty = {0, NULL};
    struct seen seen = {.has_run = false};
    struct error error;
    pthread_t thread;
    const struct thread_plan plan = {.run = look, .argument = &seen, .filter = &empty};
    cr_assert(thread_start(&plan, &thread, &error) == -EINVAL);
    cr_assert(strstr(error.text, "cannot be confined: Invalid argument") != NULL, "%s", error.text);
    cr_assert(!seen.has_run);
}
