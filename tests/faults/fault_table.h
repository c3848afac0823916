/* Which calls fail: the table that a test shares with the programs. CAIRN_FAULTS names the file;
 * what the test writes there counts at once, in every process that has the variable. Without it
 * nothing is counted and nothing fails. Any thread. */
#ifndef CAIRN_TESTS_FAULT_TABLE_H
#define CAIRN_TESTS_FAULT_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* As faults.py has it. */
struct row {
    char name[40];
    atomic_ullong calls; /* so far */
    atomic_ullong from;  /* the first call that fails, counted from 1; 0: none */
    atomic_ullong count; /* how many fail */
    atomic_llong number; /* errno, or what else the function returns; 0: it is short */
    atomic_ullong bytes; /* of a short call, at most */
    atomic_ullong failed;
};

/* A function, or one form of it, by its name in calls.txt. */
struct call {
    const char *name;
    _Atomic(struct row *) row; /* once it was looked for */
};

/* Counts the call. The row, if it is to fail; else NULL. */
const struct row *take_fault(struct call *call);

/* The same, with errno set; for functions that cannot be short. */
bool fails(struct call *call);

/* For functions that return an error instead of setting errno; 0: it does not fail. */
int error_of(struct call *call);

/* For functions that transfer bytes: true if the call fails; else *count may have become less. */
bool fails_or_is_short(struct call *call, size_t *count);

/* Ends the process: the test itself is wrong. */
_Noreturn void give_up(const char *what);

#endif
