/* How a new list reaches the workers. One atomic pointer, written by the control thread. A worker
 * compares it with the list that it uses at the top of each loop turn, and takes the new one if it
 * changed: the request path has no lock and writes nothing shared. publish() wakes idle workers,
 * returns when every worker uses the new list, and only then lets go of the old one; that is why a
 * worker's use of a list needs no counting. A response that outlives a turn counts its site. A
 * thread that looks at a list now and then, to tell what is in it, holds it for so long, which
 * keeps nobody waiting but the one who is to free it. */
#ifndef CAIRN_SITE_PUBLICATION_H
#define CAIRN_SITE_PUBLICATION_H

#include "site/site_list.h"

#include <pthread.h>

/* A worker's side. On its own cache line: the worker writes `generation` when it changes lists. */
struct subscriber {
    _Alignas(64) atomic_uint_fast64_t generation; /* in use; UINT64_MAX: it has left */
    int wake_fd;                                  /* eventfd in the worker's loop */
    struct subscriber *next;
};

struct publication {
    _Alignas(64) _Atomic(struct site_list *) current; /* every turn of every worker reads it */
    struct subscriber *subscribers;                   /* fixed before the first publish */
    pthread_mutex_t mutex;
    pthread_cond_t changed;  /* some subscriber's generation */
    pthread_mutex_t freeing; /* who holds it finds the current list, and that stays */
};

void publication_init(struct publication *publication);

/* Frees the current list. All subscribers must have left. */
void publication_fini(struct publication *publication);

/* Before the worker's thread starts. wake_fd stays the caller's. */
void publication_subscribe(struct publication *publication, struct subscriber *subscriber,
                           int wake_fd);

/* Control thread: makes `list` the current one (and owns it), and waits until all use it. */
void publication_publish(struct publication *publication, struct site_list *list);

/* Worker: the list to use from here on. What it got before is not to be used any more. */
const struct site_list *publication_refresh(struct publication *publication,
                                            struct subscriber *subscriber,
                                            const struct site_list *in_use);

/* Any other thread: the current list, which is not freed before publication_let_go(). Meanwhile
 * publish() does not return; so this is for moments, and not for mapped bytes that a disk may have
 * to be asked for. */
const struct site_list *publication_hold(struct publication *publication);
void publication_let_go(struct publication *publication);

/* Worker, as it ends: it uses no list any more and publish() does not wait for it. */
void publication_leave(struct publication *publication, struct subscriber *subscriber);

#endif
