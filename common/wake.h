/* Wakes the thread that waits for an eventfd: a thread that is not woken may sleep for ever. Any
 * thread. */
#ifndef CAIRN_COMMON_WAKE_H
#define CAIRN_COMMON_WAKE_H

/* Makes the eventfd readable. */
void wake_eventfd(int fd);

#endif
