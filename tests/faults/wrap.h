/* The forms of a function that stands in the place of a library's (ld --wrap): it counts the call,
 * and fails instead of asking if a test has chosen so. */
#ifndef CAIRN_TESTS_WRAP_H
#define CAIRN_TESTS_WRAP_H

#include "fault_table.h"

#include <stdint.h>
#include <sys/types.h>

/* WRAP(type, name, (parameters), (arguments), what it returns when it fails) */
#define WRAP(type, name, parameters, arguments, failure)                                           \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        return fails(&call) ? (failure) : __real_##name arguments;                                 \
    }

/* The same for what transfers `count` bytes, a parameter. */
#define WRAP_TRANSFER(name, parameters, arguments)                                                 \
    ssize_t __real_##name parameters;                                                              \
    ssize_t __wrap_##name parameters;                                                              \
    ssize_t __wrap_##name parameters                                                               \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        return fails_or_is_short(&call, &count) ? -1 : __real_##name arguments;                    \
    }

/* The same for what returns its error. */
#define WRAP_RETURN(name, parameters, arguments)                                                   \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        int error = error_of(&call);                                                               \
        return error != 0 ? error : __real_##name arguments;                                       \
    }

/* The same for what is over, whatever it returns: it happens, and then fails. */
#define WRAP_END(type, name, parameters, arguments, failure)                                       \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        type result = __real_##name arguments;                                                     \
        return fails(&call) ? (failure) : result;                                                  \
    }

/* The same for what returns its error as a negative number. */
#define WRAP_NEGATIVE(name, parameters, arguments)                                                 \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        int error = -error_of(&call);                                                              \
        return error != 0 ? error : __real_##name arguments;                                       \
    }

/* The same for what returns 1 when all is well, and what the fault says when not. */
#define WRAP_RESULT(name, parameters, arguments)                                                   \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        static struct call call = {#name, NULL};                                                   \
        const struct row *row = take_fault(&call);                                                 \
        return row != NULL ? (int)row->number : __real_##name arguments;                           \
    }

/* What a fortified build calls in the place of a function that is wrapped, with the buffer's size.
 */
#define WRAP_FORTIFIED(type, name, parameters, arguments, fits)                                    \
    type __wrap___##name##_chk parameters;                                                         \
    type __wrap___##name##_chk parameters                                                          \
    {                                                                                              \
        if (!(fits)) {                                                                             \
            give_up(#name ": the buffer is too small");                                            \
        }                                                                                          \
        return __wrap_##name arguments;                                                            \
    }

#endif
