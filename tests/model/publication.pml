/* How a list of sites is published, used and freed, as a Spin model: every interleaving of one
 * control thread and two workers. tests/model/run.sh checks it, and that it finds planted mistakes.
 *
 * A comment "@ FILE: CODE" names the statement that a step stands for; run.sh looks whether the
 * file still has it, so that the model is not forgotten when the code changes.
 *
 * What must hold:
 *   - nobody looks at a list or a site that was freed, also if its memory is in use again (assert)
 *   - each site is freed once, and at the end all sites and lists are (assert)
 *   - publish() returns only when each worker uses the new list or has left; a request that is
 *     answered after that is answered from this list or a newer one (assert)
 *   - nobody waits for ever: no deadlock (invalid end states), and publish(), the drain and the end
 *     come under weak fairness (ltl comes_to_an_end)
 *   - the undertaker never sleeps on a dead site (assert): it is unmapped when its last response
 *     ends, not when the server does
 *
 * What is left out:
 *   - Memory ordering: each step is seen by all at once. That the acquire and release of the code
 *     are enough is for the thread sanitizer, and for the mutex around a subscriber's generation.
 *   - What a list says of hosts, stacks and paths; a list here is its newest sites.
 *   - More than one response under way in a worker: a worker's connections share nothing that
 *     matters here. A load of what is on top already, whose site is never published.
 *   - pthread_cond_wait() that returns for no reason: it only looks again. A compare-and-exchange
 *     that fails for no reason: it only tries again. A full eventfd: it is readable as well.
 *   - Addresses of sites are not used again here: nothing compares them but the undertaker's push,
 *     for which an equal address is as good, because all of the stack is taken off at once.
 *
 * TELLER adds a thread that looks at the list now and then, as the admin address does. The other #ifdefs
 * are mistakes: run.sh has the list of them, and by which check each is found. */

#define WORKERS 2
#ifdef TELLER /* a thread more: there is memory for so many */
#undef PUBLICATIONS
#define PUBLICATIONS 2
#endif
#ifndef PUBLICATIONS
#define PUBLICATIONS 3
#endif
#define RETAIN 2     /* sites in a list */
#define SLOTS 2      /* addresses of lists; an address is used again as soon as it may be */
#define NONE 255     /* of slots, sites */
#define HAS_LEFT 255 /* UINT64_MAX */

/* ---- what is allocated ---- */

typedef list_memory {
    byte generation; /* 0: this memory is free */
    byte count;
    byte sites[RETAIN];
};
list_memory lists[SLOTS];

byte references[PUBLICATIONS]; /* of each site */
byte freed[PUBLICATIONS];      /* how often */
byte next_dead[PUBLICATIONS];

/* ---- what threads share ---- */

byte current = 0;         /* publication.current: a slot */
byte generation[WORKERS]; /* subscriber.generation */
bool wake[WORKERS];       /* subscriber.wake_fd is readable: an eventfd keeps a sum, not a queue */
bool mutex;               /* publication.mutex */
bool is_waiting;          /* at publication.changed, which only the publisher waits for */
byte dead = NONE;         /* undertaker.dead */
bool undertaker_wake;     /* undertaker.wake_fd is readable */
bool is_draining, is_stopped;
byte running = WORKERS;
bool ended_wake; /* workers.ended_fd is readable */

#ifdef TELLER
bool freeing;  /* publication.freeing */
bool has_told; /* the teller has ended */
#endif

byte held[WORKERS] = NONE; /* conn.site of a slow download */

/* ---- for the properties only ---- */

byte uses[WORKERS]; /* the generation that a worker's look-ups go to; 0: none yet */
byte returned = 1;  /* the newest generation whose publish() has returned */
byte pushing;       /* threads between a push to `dead` and the wake-up */
bool is_over;

#define is_mine(slot) (lists[slot].generation == uses[me])
#define is_alive(site) (references[site] > 0 && freed[site] == 0)

/* ---- site.c ---- */

inline site_ref(that)
{
    /* @ server/site/site.c: atomic_fetch_add_explicit(&site->references, 1, memory_order_relax */
    atomic { assert(is_alive(that)); references[that]++ }
}

inline site_unref(that)
{
    /* @ server/site/site.c: atomic_fetch_sub_explicit(&site->references, 1, memory_order_acq_ */
#ifdef UNREF_IN_TWO_STEPS
    before = references[that];
    atomic { references[that] = before - 1; assert(before > 0) }
#else
    atomic {
        before = references[that];
        assert(before > 0); /* @ server/site/site.c: assert(before > 0); */
        references[that]--
    }
#endif
    if /* @ server/site/site.c: if (before > 1) { */
    :: before > 1
    :: else -> /* @ server/site/site.c: site->next_dead = atomic_load_explicit(&undertaker->dead */
        next_dead[that] = dead;
        /* @ server/site/site.c: while (!atomic_compare_exchange_weak_explicit(&undertaker->dead */
        do
        :: atomic { dead == next_dead[that] -> dead = that; pushing++; break }
        :: atomic { dead != next_dead[that] -> next_dead[that] = dead }
        od
        /* @ server/site/site.c: wake_eventfd(undertaker->wake_fd); */
        atomic { undertaker_wake = true; pushing-- }
    fi;
    before = 0
}

/* ---- a worker: publication.c and loop.c ---- */

/* tell(). What is inside the mutex needs no steps of its own: all who look hold the mutex. */
inline tell(what)
{
#ifdef TELL_WITHOUT_MUTEX
    generation[me] = what;
    is_waiting = false
#else
    atomic {
        !mutex; /* @ server/site/publication.c: pthread_mutex_lock(&publication->mutex); */
        /* @ server/site/publication.c: atomic_store_explicit(&subscriber->generation, generation */
        generation[me] = what;
        is_waiting = false /* @ server/site/publication.c: pthread_cond_signal( */
    }
#endif
}

/* publication_refresh(). From its first step on, the worker uses nothing but what it returns. */
inline refresh()
{
    if /* @ server/site/publication.c: atomic_load_explicit(&publication->current, memory_order_a */
    :: in_use == current
    :: atomic {
            in_use != current -> /* @ server/site/publication.c: if (current != in_use) { */
            in_use = current;
            uses[me] = lists[in_use].generation
        }
        /* @ server/site/publication.c: tell(publication, subscriber, current->generation); */
        tell(lists[in_use].generation)
    fi
}

/* h1_session_turn(): a request is answered, or a slow download goes on or comes to its end. (What
 * concerns neither, such as half a request, is like a request whose answer is all sent.) */
inline on_connection()
{
    if
    :: atomic { /* a look-up in turn.sites; "ok" was said for no newer list than this */
            true ->
            assert(is_mine(in_use));
            assert(uses[me] >= returned);
            if
            :: lists[in_use].count > 0 -> picked = lists[in_use].sites[0]
            :: lists[in_use].count > 1 -> picked = lists[in_use].sites[1]
            :: lists[in_use].count == 0 -> goto done /* nothing is loaded: 404 */
            fi
        }
#ifdef REFRESH_IN_A_REQUEST
        refresh();
#endif
        atomic { /* head and small body are read from the files, by sendmsg() at the latest */
            assert(is_alive(picked));
            if
            :: true /* all is sent; or nothing, and the response will be made again */
            :: held[me] == NONE -> /* @ server/net/sending.c: site_ref(conn->site) */
#ifndef NO_REFERENCE
                site_ref(picked);
#endif
                held[me] = picked
            fi;
            picked = NONE
        }
    :: atomic {
            held[me] != NONE -> /* @ server/net/sending.c: sendfile(conn->fd, conn->site */
            assert(is_alive(held[me]))
        }
#ifndef NO_REFERENCE
    :: held[me] != NONE -> /* @ server/net/sending.c: site_unref(site); */
        site_unref(held[me]);
        held[me] = NONE
#endif
    fi;
done:
    skip
}

/* A loop turn. A connection is ready, or clients are silent, for a while or for ever: then only the
 * wake-up ends the sleep, except in a drain, which sleeps DRAIN_TURN_MS at most. (A turn with both
 * events is like one with the wake-up alone, in which more time passes.) */
inline turn()
{
#ifndef NO_REFRESH_BEFORE_SLEEP
    refresh(); /* @ server/net/loop.c: refresh(loop); */
#endif
    if /* @ server/net/loop.c: int ready = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, */
    :: true
    :: atomic { !is_draining -> wake[me]; is_woken = true }
    fi;
#ifndef NO_REFRESH_AFTER_SLEEP
    refresh(); /* @ server/net/loop.c: refresh(loop); */
#endif
    if /* @ server/net/loop.c: dispatch(loop, &events[i]); */
    :: is_woken -> /* @ server/net/loop.c: (void)!read(loop->wake_fd, &ignored, sizeof ignored) */
        atomic { wake[me] = false; is_woken = false }
    :: else -> on_connection()
    fi
}

/* loop_run() */
proctype worker(byte me)
{
    byte in_use = NONE; /* loop.turn.sites */
    byte picked = NONE; /* response.site */
    byte before;
    bool is_woken;

    /* @ server/net/loop.c: while (!atomic_load_explicit(&loop->is_draining, memory_order_acquire */
    /* @ server/net/loop.c: } while (!is_empty(loop) && !atomic_load_explicit(&loop->is_stopped, */
    do
#ifdef NO_STOP
    :: turn()
#else
    :: !is_stopped -> turn()
#endif
    :: is_draining && held[me] == NONE -> break
    :: is_stopped -> break
    od;
    /* @ server/net/loop.c: publication_leave(loop->publication, &loop->subscriber); */
    atomic { uses[me] = HAS_LEFT; in_use = NONE }
#ifdef LEAVE_WITHOUT_SIGNAL
    generation[me] = HAS_LEFT;
#else
    tell(HAS_LEFT); /* @ server/site/publication.c: tell(publication, subscriber, UINT64_MAX); */
#endif
    running--;        /* @ server/workers.c: atomic_fetch_sub(&worker->all->running, 1); */
    ended_wake = true /* @ server/workers.c: wake_eventfd(worker->all->ended_fd); */
}

/* ---- a thread that tells what is served: publication_hold(), publication_let_go() ---- */

#ifdef TELLER
proctype teller()
{
    byte list = NONE;

    do
    :: atomic { /* @ server/site/publication.c: return atomic_load_explicit(&publication->current, */
            !freeing -> freeing = true;
            list = current
        }
        atomic { /* @ server/site/publication.c: pthread_mutex_unlock(&publication->freeing); */
            assert(lists[list].generation > 0);
            assert(lists[list].count == 0 || is_alive(lists[list].sites[0]));
            list = NONE;
            freeing = false
        }
    :: running == 0 -> break /* it has ended before the workers' lists are freed */
    od;
    has_told = true
}
#endif

/* ---- the control thread ---- */

/* undertaker_bury(). What it took off the stack is nobody else's: all of it is one step. */
inline bury()
{
#ifndef BURY_READS_LATE
    undertaker_wake = false; /* @ server/site/site.c: read(undertaker->wake_fd, &ignored, sizeof */
#endif
    /* @ server/site/site.c: atomic_exchange_explicit(&undertaker->dead, NULL, */
    atomic {
        chain = dead;
        dead = NONE;
        do
        :: chain == NONE -> break
        :: else ->
            assert(references[chain] == 0 && freed[chain] == 0);
            freed[chain]++; /* @ server/site/site.c: site_free(site); */
            /* @ server/site/site.c: struct site *next = site->next_dead; */
            chain = next_dead[chain]
        od
    }
#ifdef BURY_READS_LATE
    undertaker_wake = false;
#endif
}

/* site_list_free() */
inline list_free(slot)
{
    i = 0;
    do
    :: i < lists[slot].count ->
        /* @ server/site/site_list.c: site_unref(list->sites[i]); */
        site_unref(lists[slot].sites[i]);
        i++
    :: else -> break
    od
    atomic { /* @ server/site/site_list.c: free(list); */
        assert(lists[slot].generation > 0);
        lists[slot].generation = 0;
        lists[slot].count = 0;
        lists[slot].sites[0] = 0;
        lists[slot].sites[1] = 0;
        i = 0
    }
}

/* site_list_next() for a load, which puts a new site on top, or for an unload of what is on top.
 * Nobody else sees the new list yet. */
inline start_list()
{
    old = current;
    next = 0;
    do
    :: lists[next].generation > 0 -> next++
    :: else -> break
    od;
    /* @ server/site/site_list.c: list->generation = old->generation + 1; */
    lists[next].generation = lists[old].generation + 1;
    if
    :: true ->
        lists[next].sites[0] = loads; /* @ server/site_opening.c: site_new(loader->undertaker, index, */
        lists[next].count = 1;
        references[loads] = 1;
        loads++;
        if
        :: lists[old].count > 0 -> kept = lists[old].sites[0]
        :: else
        fi
#ifndef LIVENESS /* what is in a list makes no difference to who waits for what */
    :: lists[old].count > 0 -> /* @ server/loader.c: (struct site_change){.removed = site} */
        if
        :: lists[old].count > 1 -> kept = lists[old].sites[1]
        :: else
        fi
#endif
    fi
}

/* The rest of it: the reference of what stays. */
inline keep_older()
{
    if
    :: kept != NONE -> /* @ server/site/site_list.c: site_ref(old->sites[i]), standing, */
        atomic {
#ifndef NO_REFERENCE_OF_LIST
            site_ref(kept);
#endif
            lists[next].sites[lists[next].count] = kept;
            lists[next].count++;
            kept = NONE
        }
    :: else
    fi
}

#define has_taken(w) (generation[w] >= lists[next].generation)
#define knows(w) (uses[w] >= lists[next].generation)

inline wake_all()
{
#ifndef NO_WAKE
    wake[0] = true; /* @ server/site/publication.c: wake_eventfd(at->wake_fd); */
    wake[1] = true
#else
    skip
#endif
}

inline publish()
{
    keep_older();
#ifdef WAKE_FIRST
    wake_all();
#endif
    /* @ server/site/publication.c: atomic_store_explicit(&publication->current, list, memory_o */
    current = next;
#ifndef WAKE_FIRST
    wake_all();
#endif
#ifndef NO_WAIT
    atomic { !mutex -> mutex = true } /* @ server/site/publication.c: pthread_mutex_lock(&public */
    do /* all_use() is one step: who changes a generation holds the mutex */
    :: has_taken(0) && has_taken(1) -> break /* @ server/site/publication.c: while (!all_use( */
    :: else ->
        /* @ server/site/publication.c: pthread_cond_wait(&publication->changed, */
        atomic { is_waiting = true; mutex = false }
        atomic { !is_waiting && !mutex -> mutex = true }
    od;
    atomic {
        mutex = false; /* @ server/site/publication.c: pthread_mutex_unlock(&publication->mutex); */
        assert(knows(0) && knows(1));
        returned = lists[next].generation
    }
#endif
    next = NONE;
#if defined(TELLER) && !defined(FREE_WITHOUT_LOCK)
    /* @ server/site/publication.c: pthread_mutex_lock(&publication->freeing); */
    atomic { !freeing -> freeing = true }
#endif
    list_free(old); /* @ server/site/publication.c: site_list_free(old); */
    old = 0;
#if defined(TELLER) && !defined(FREE_WITHOUT_LOCK)
    freeing = false /* @ server/site/publication.c: pthread_mutex_unlock(&publication->freeing); */
#else
    skip
#endif
}

/* main.c: turn() until all workers have ended, then stop(). A command may come at any time, also
 * while the workers drain; so may the signal to drain, and the end of the drain's time. */
proctype control()
{
    byte loads, old, i, before;
    byte next = NONE;
    byte kept = NONE;
    byte chain = NONE;

    do /* @ server/main.c: while (workers_running(server.workers) > 0) { */
    :: running == 0 -> break
    :: atomic {
            running > 0 ->
            assert(dead == NONE || undertaker_wake || pushing > 0);
            if /* @ server/main.c: int ready = poll(fds, POLL_FIXED + control_count, (int)left); */
            :: undertaker_wake || ended_wake -> ended_wake = false
            :: lists[current].generation <= PUBLICATIONS -> start_list()
            :: !is_draining -> /* @ server/main.c: workers_drain(server->workers); */
                is_draining = true
            :: is_draining && !is_stopped -> /* @ server/main.c: workers_stop(server->workers); */
                is_stopped = true
            fi
        }
        if /* A wake-up more than the code's does no harm: in a drain nobody sleeps. */
        :: next != NONE -> publish()
        :: next == NONE && is_draining -> /* @ server/net/loop.c: wake_eventfd(loop->wake_fd); */
            atomic { wake[0] = true; wake[1] = true }
        :: next == NONE && !is_draining
        fi;
        bury() /* @ server/main.c: undertaker_bury(&server->undertaker); */
    od;
    i = 0;
    do /* @ server/workers.c: loop_free(workers->workers[i].loop); */
    :: i < WORKERS ->
        if
        :: held[i] != NONE -> /* @ server/net/conn.c: site_unref(conn->site); */
#ifndef NO_REFERENCE
            site_unref(held[i]);
#endif
            held[i] = NONE
        :: else
        fi;
        i++
    :: else -> break
    od;
#ifdef TELLER
    has_told; /* @ server/server.c: admin_free(server->admin); */
#endif
    list_free(current); /* @ server/site/publication.c: site_list_free(atomic_load_explicit(&pub */
    bury();             /* @ server/site/site.c: undertaker_bury(undertaker); */
    assert(lists[0].generation == 0 && lists[1].generation == 0);
    i = 0;
    do
    :: i < loads -> assert(freed[i] == 1 && references[i] == 0); i++
    :: else -> break
    od;
    is_over = true
}

init
{
    atomic {
        lists[0].generation = 1; /* @ server/site/publication.c: site_list_new() */
        run worker(0); /* @ server/site/publication.c: atomic_init(&subscriber->generation, 0); */
        run worker(1);
#ifdef TELLER
        run teller();
#endif
        run control()
    }
}

#ifdef LIVENESS
ltl comes_to_an_end { <> is_over }
#endif
