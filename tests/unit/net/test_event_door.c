/* The door between workers and the thread that listeners are with: places, order, its end. */
#include "net/event_door.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { MOST = 3 };

static struct event_door door;

static void open_door(void)
{
    event_door_init(&door, NULL, MOST, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static void close_door(void)
{
    close(door.wake_fd);
    event_door_fini(&door);
}

TestSuite(event_door, .init = open_door, .fini = close_door);

static bool is_woken(void)
{
    uint64_t count;
    return read(door.wake_fd, &count, sizeof count) == (ssize_t)sizeof count;
}

static struct event_visitor *send_in(const char *host)
{
    cr_assert(event_door_reserve(&door) == DOOR_OPEN);
    struct event_visitor *visitor =
        event_visitor_new(slice_of_string(host), SLICE("opening"), SLICE(""));
    cr_assert(event_door_enter(&door, visitor));
    return visitor;
}

Test(event_door, there_are_so_many_places)
{
    for (int i = 0; i < MOST; i++) {
        cr_expect(event_door_reserve(&door) == DOOR_OPEN);
    }
    cr_expect(event_door_reserve(&door) == DOOR_FULL);
    cr_expect(event_door_reserve(&door) == DOOR_FULL, "a refusal takes no place");
    event_door_leave(&door);
    cr_expect(event_door_reserve(&door) == DOOR_OPEN);
    cr_expect(event_door_reserve(&door) == DOOR_FULL);
}

Test(event_door, who_comes_first_wakes_and_all_are_taken_in_order)
{
    cr_expect(event_door_take(&door) == NULL);
    struct event_visitor *first = send_in("a");
    cr_expect(is_woken());
    struct event_visitor *second = send_in("b");
    cr_expect(!is_woken());
    cr_expect(event_door_take(&door) == first);
    cr_expect(first->next == second && second->next == NULL);
    cr_expect(event_door_take(&door) == NULL);
    struct event_visitor *third = send_in("c");
    cr_expect(is_woken(), "nobody is on the way any more: woken again");
    cr_expect(event_door_take(&door) == third);
    free(first);
    free(second);
    free(third);
}

Test(event_door, a_visitor_has_copies)
{
    char host[] = "a.example", opening[] = "key", input[] = "\x89\x80";
    struct event_visitor *visitor =
        event_visitor_new(slice_of_string(host), slice_of_string(opening), slice_of_string(input));
    host[0] = opening[0] = input[0] = 'x';
    cr_expect(slice_equal(visitor->host, SLICE("a.example")));
    cr_expect(slice_equal(visitor->opening, SLICE("key")));
    cr_expect(slice_equal(visitor->input, SLICE("\x89\x80")));
    free(visitor);
}

/* Who had a place when it was closed keeps what it has. */
Test(event_door, a_closed_one_lets_nobody_in)
{
    struct event_visitor *before = send_in("a");
    cr_assert(event_door_reserve(&door) == DOOR_OPEN);
    event_door_close(&door);
    struct event_visitor *late = event_visitor_new(SLICE("b"), SLICE(""), SLICE(""));
    cr_expect(!event_door_enter(&door, late));
    cr_expect(event_door_reserve(&door) == DOOR_CLOSED);
    cr_expect(event_door_take(&door) == before, "those who were on the way are still taken");
    cr_expect(atomic_load(&door.inside) == 2, "each gives its own place back");
    free(before);
    free(late);
}
