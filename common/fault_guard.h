/* Mapped files that somebody cuts short, or that cannot be read any more: touching them raises
 * SIGBUS. Code that reads mappings runs inside a guard, which ends it there instead of the process.
 * Any number of threads; guards may stand in each other. */
#ifndef CAIRN_COMMON_FAULT_GUARD_H
#define CAIRN_COMMON_FAULT_GUARD_H

#include <stdbool.h>

/* From here on guards work in this process. Without it, and outside of guards, SIGBUS ends the
 * process as always. Threads must not block SIGBUS. */
void fault_guard_install(void);

/* Runs run(argument). False: it touched a mapping that is not there any more, at *out_address, and
 * was given up at that instruction: `run` must only read mappings and write memory that the caller
 * throws away or sets anew, take no lock, and allocate nothing that nobody else holds. */
bool fault_guard_run(void (*run)(void *argument), void *argument, const void **out_address);

#endif
