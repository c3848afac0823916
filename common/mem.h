/* Memory outside the request path. Running out of it ends the process, in this one place, with a
 * line that says how much was asked for; so nobody else checks. Free with free(). */
#ifndef CAIRN_COMMON_MEM_H
#define CAIRN_COMMON_MEM_H

#include "common/compiler.h"

/* `count` objects of `bytes` each, zeroed. Never NULL; a product that overflows is out of memory.
 */
void *mem_zeroed(size_t count, size_t bytes);

/* `bytes` bytes at a multiple of `alignment`, zeroed. Never NULL. */
void *mem_aligned(size_t alignment, size_t bytes);

/* Resizes to `count` objects of `bytes` each; what is new is not initialised. Never NULL. */
void *mem_resize(void *old, size_t count, size_t bytes);

/* A copy of `count` bytes with a NUL behind them. Never NULL. */
char *mem_string(const char *bytes, size_t count);

/* The next capacity of an array that grows by doubling and must hold at least `needed` objects. */
size_t mem_capacity(size_t capacity, size_t needed);

/* A new string in printf's format. Never NULL. */
char *mem_format(const char *format, ...) CAIRN_PRINTF(1, 2);

#endif
