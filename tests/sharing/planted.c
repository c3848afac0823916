/* Mistakes that shared_lines.py must find: linked into a copy of the traced server, before each
 * event of a connection ("-Wl,--wrap=h1_session_turn"). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

struct turn;
struct conn;

_Alignas(64) atomic_uint_fast64_t planted_counter; /* of all workers */
_Alignas(64) uint64_t planted_neighbours[8];       /* one each, in one line */
_Alignas(64) char planted_copy[64];
_Alignas(64) pthread_mutex_t planted_mutex = PTHREAD_MUTEX_INITIALIZER;
_Alignas(64) uint64_t planted_by_one; /* written by one worker, read by the others */

static atomic_size_t worker_count;
static _Thread_local size_t worker_number;

void __real_h1_session_turn(struct turn *turn, struct conn *conn, uint32_t events);
void __wrap_h1_session_turn(struct turn *turn, struct conn *conn, uint32_t events);

void __wrap_h1_session_turn(struct turn *turn, struct conn *conn, uint32_t events)
{
    if (worker_number == 0) {
        worker_number = atomic_fetch_add(&worker_count, 1) + 1;
    }
    atomic_fetch_add_explicit(&planted_counter, 1, memory_order_relaxed);
    planted_neighbours[worker_number % 8]++;
    memcpy(planted_copy + 8 * (worker_number % 8), &events, sizeof events);
    pthread_mutex_lock(&planted_mutex);
    pthread_mutex_unlock(&planted_mutex);
    if (worker_number == 1) {
        planted_by_one++;
    } else if (planted_by_one == UINT64_MAX) {
        return;
    }
    __real_h1_session_turn(turn, conn, events);
}
