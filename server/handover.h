/* From one process to the next (USR2): the sockets, and which releases answer where. The old
 * process writes it down, the new one finds it by an environment variable; both run the same words
 * of the command line. Main thread. docs/control.md, "Signals". */
#ifndef CAIRN_SERVER_HANDOVER_H
#define CAIRN_SERVER_HANDOVER_H

#include "server/control/control.h"
#include "server/listeners.h"

/* What a process was given by the one before it. */
struct handover {
    bool is_there;
    struct listeners listeners; /* in the order of the old one's */
    struct listeners admin;
    int *control_fds; /* listening, by the place of their path; -1: none */
    size_t control_count;
    int *client_fds; /* of control sockets; -1: taken over */
    size_t client_count;
    struct handed_site {
        struct load_request request; /* strings owned */
        bool is_aside, is_retired;
    } * sites; /* the oldest first */
    size_t site_count;
    int access_log_fd; /* -1 */
    bool is_confined;  /* it was in a sandbox, and so is this process */
    int landlock_version;
    bool has_filters;
    int ready_fd; /* a byte into it says that all went well; -1 */
};

/* What a process gives to the next. */
struct handing {
    const struct listeners *listeners;
    const struct listeners *admin;
    const struct control *control;
    const struct site_list *sites; /* but what is damaged and answers nothing */
    const struct sandbox *sandbox;
    int access_log_fd; /* -1: there is none */
};

/* Has a process before this one written anything? */
bool handover_is_there(void);

/* Reads what the old process wrote, if there is one, and forgets the variable. */
int handover_receive(struct handover *handover, struct error *error) CAIRN_MUST_CHECK;

/* Tells the old process that this one serves. */
void handover_confirm(struct handover *handover);

/* Frees what nobody has taken out of it. */
void handover_fini(struct handover *handover);

/* Starts the program at `path` with the process's own arguments and gives it everything. *out_pid
 * is the new process, *out_ready_fd becomes readable when it serves (a byte) or has failed (the
 * end). */
int handover_start(const char *path, char **argv, const struct handing *handing, pid_t *out_pid,
                   int *out_ready_fd, struct error *error) CAIRN_MUST_CHECK;

#endif
