#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void out_of_memory(size_t count, size_t bytes)
{
    fprintf(stderr, "cairn: out of memory (%zu objects of %zu bytes)\n", count, bytes);
    abort();
}

void *mem_zeroed(size_t count, size_t bytes)
{
    void *memory = calloc(count > 0 ? count : 1, bytes);
    if (memory == NULL) {
        out_of_memory(count, bytes);
    }
    return memory;
}

void *mem_aligned(size_t alignment, size_t bytes)
{
    void *memory = aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
    if (memory == NULL) {
        out_of_memory(1, bytes);
    }
    memset(memory, 0, bytes);
    return memory;
}

void *mem_resize(void *old, size_t count, size_t bytes)
{
    void *memory = reallocarray(old, count > 0 ? count : 1, bytes);
    if (memory == NULL) {
        out_of_memory(count, bytes);
    }
    return memory;
}

char *mem_string(const char *bytes, size_t count)
{
    char *string = mem_zeroed(count + 1, 1);
    if (count > 0) {
        memcpy(string, bytes, count);
    }
    return string;
}

size_t mem_capacity(size_t capacity, size_t needed)
{
    if (capacity < 16) {
        capacity = 16;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    return capacity;
}

char *mem_format(const char *format, ...)
{
    char *string = NULL;
    va_list arguments;
    va_start(arguments, format);
    int count = vasprintf(&string, format, arguments);
    va_end(arguments);
    if (count < 0) {
        out_of_memory(1, 0);
    }
    return string;
}
