/* Has somebody told the process to end, while its main thread is busy? */
#ifndef CAIRN_SERVER_END_REQUEST_H
#define CAIRN_SERVER_END_REQUEST_H

#include <stdbool.h>

/* SIGTERM or SIGINT is pending: they are blocked, and read between two commands. Any thread; a
 * system call. */
bool end_is_requested(void);

#endif
