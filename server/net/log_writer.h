/* The thread that writes the access log, so that no worker ever calls the system for it: it takes
 * whole lines out of the workers' rings and writes them in batches, at once after a pause and then
 * GATHER_MS apart. Where the log cannot be written (a full disk, a reader that stopped), lines stay
 * in the rings and are tried again; what finds no room there meanwhile is lost. Standard error says
 * so once, and how many were lost when it is over. */
#ifndef CAIRN_NET_LOG_WRITER_H
#define CAIRN_NET_LOG_WRITER_H

#include "common/error.h"
#include "net/log_ring.h"
#include "net/thread.h"

struct log_writer;

/* For the log `name` (in messages), which is open at `fd`, taken over. NULL: the system
 * has no descriptors for it. */
struct log_writer *log_writer_new(int fd, const char *name);

/* A ring of at least `bytes` for one more worker; the writer's. Before log_writer_start(). */
struct log_ring *log_writer_add(struct log_writer *writer, size_t bytes);

/* Starts the thread (net/thread.h) under `filter`, which may be NULL. */
int log_writer_start(struct log_writer *writer, const struct sock_fprog *filter,
                     struct error *error) CAIRN_MUST_CHECK;

/* Goes on with another descriptor, which is taken over: no line is lost or divided by it.
 * -ETIMEDOUT: the thread hangs in writing to the old one; the new one is closed. Not from several
 * threads. */
int log_writer_reopen(struct log_writer *writer, int fd) CAIRN_MUST_CHECK;

/* The descriptor in use. */
int log_writer_fd(const struct log_writer *writer);

/* When no worker adds lines any more: writes what is there, as far as that can be done in
 * LOG_END_MS, and frees. Takes NULL. */
void log_writer_free(struct log_writer *writer);

enum { LOG_END_MS = 3000, LOG_REOPEN_MS = 3000 };

#endif
