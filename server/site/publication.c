#include "site/publication.h"

#include "common/wake.h"

void publication_init(struct publication *publication)
{
    publication->subscribers = NULL;
    atomic_init(&publication->current, site_list_new());
    pthread_mutex_init(&publication->mutex, NULL);
    pthread_cond_init(&publication->changed, NULL);
    pthread_mutex_init(&publication->freeing, NULL);
}

void publication_fini(struct publication *publication)
{
    site_list_free(atomic_load_explicit(&publication->current, memory_order_relaxed));
    pthread_mutex_destroy(&publication->freeing);
    pthread_cond_destroy(&publication->changed);
    pthread_mutex_destroy(&publication->mutex);
}

void publication_subscribe(struct publication *publication, struct subscriber *subscriber,
                           int wake_fd)
{
    atomic_init(&subscriber->generation, 0);
    subscriber->wake_fd = wake_fd;
    subscriber->next = publication->subscribers;
    publication->subscribers = subscriber;
}

static bool all_use(const struct publication *publication, uint64_t generation)
{
    for (struct subscriber *at = publication->subscribers; at != NULL; at = at->next) {
        if (atomic_load_explicit(&at->generation, memory_order_acquire) < generation) {
            return false;
        }
    }
    return true;
}

void publication_publish(struct publication *publication, struct site_list *list)
{
    struct site_list *old = atomic_load_explicit(&publication->current, memory_order_relaxed);
    uint64_t generation = list->generation;
    atomic_store_explicit(&publication->current, list, memory_order_release);
    for (struct subscriber *at = publication->subscribers; at != NULL; at = at->next) {
        wake_eventfd(at->wake_fd);
    }
    pthread_mutex_lock(&publication->mutex);
    while (!all_use(publication, generation)) {
        pthread_cond_wait(&publication->changed, &publication->mutex);
    }
    pthread_mutex_unlock(&publication->mutex);
    pthread_mutex_lock(&publication->freeing);
    site_list_free(old);
    pthread_mutex_unlock(&publication->freeing);
}

/* A list that is not current any more cannot be found here: whoever looks after it was freed finds
 * the one that took its place before. */
const struct site_list *publication_hold(struct publication *publication)
{
    pthread_mutex_lock(&publication->freeing);
    return atomic_load_explicit(&publication->current, memory_order_acquire);
}

void publication_let_go(struct publication *publication)
{
    pthread_mutex_unlock(&publication->freeing);
}

static void tell(struct publication *publication, struct subscriber *subscriber,
                 uint64_t generation)
{
    pthread_mutex_lock(&publication->mutex);
    atomic_store_explicit(&subscriber->generation, generation, memory_order_release);
    pthread_cond_signal(&publication->changed);
    pthread_mutex_unlock(&publication->mutex);
}

const struct site_list *publication_refresh(struct publication *publication,
                                            struct subscriber *subscriber,
                                            const struct site_list *in_use)
{
    const struct site_list *current =
        atomic_load_explicit(&publication->current, memory_order_acquire);
    if (current != in_use) {
        tell(publication, subscriber, current->generation);
    }
    return current;
}

void publication_leave(struct publication *publication, struct subscriber *subscriber)
{
    tell(publication, subscriber, UINT64_MAX);
}
