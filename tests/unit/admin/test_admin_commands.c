/* Commands on their way from the admin address to the control thread: the order, whose reply is
 * whose, and that nobody who only asks takes the places of those who change something. */
#include "admin/commands.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct admin_commands commands;
    int control; /* the other end */
};

static void fixture_init(struct fixture *fixture)
{
    int ends[2];
    cr_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    admin_commands_init(&fixture->commands, ends[0]);
    fixture->control = ends[1];
}

static void fixture_fini(struct fixture *fixture)
{
    admin_commands_fini(&fixture->commands);
    close(fixture->control);
}

/* What the control thread has got since it was asked last. */
static const char *received(struct fixture *fixture)
{
    static char text[256];
    admin_commands_run(&fixture->commands);
    ssize_t count = recv(fixture->control, text, sizeof text - 1, 0);
    text[count > 0 ? count : 0] = '\0';
    return text;
}

/* Whose reply this is. */
static void *replied(struct fixture *fixture, const char *reply)
{
    void *sender = NULL;
    struct slice got;
    cr_assert(send(fixture->control, reply, strlen(reply), 0) == (ssize_t)strlen(reply));
    admin_commands_run(&fixture->commands);
    cr_assert(admin_commands_take(&fixture->commands, &sender, &got));
    cr_assert(slice_equal(got, slice_of_string(reply)));
    return sender;
}

Test(admin_commands, one_after_the_other)
{
    struct fixture fixture;
    int senders[2];
    fixture_init(&fixture);
    cr_assert(admin_commands_submit(&fixture.commands, "rollback", true, &senders[0]));
    cr_assert(admin_commands_submit(&fixture.commands, "indexes", false, &senders[1]));
    cr_expect_str_eq(received(&fixture), "rollback\n");
    cr_expect_str_eq(received(&fixture), "");
    cr_expect_eq(replied(&fixture, "error rollback: no\n"), (void *)&senders[0]);
    cr_expect_str_eq(received(&fixture), "indexes\n");
    cr_expect_eq(replied(&fixture, "{}\n{}\nok indexes count=2\n"), (void *)&senders[1]);
    fixture_fini(&fixture);
}

Test(admin_commands, questions_leave_places_for_changes)
{
    struct fixture fixture;
    int sender;
    fixture_init(&fixture);
    for (int i = 0; i < ADMIN_QUESTIONS_MAX; i++) {
        cr_assert(admin_commands_submit(&fixture.commands, "indexes", false, &sender));
    }
    cr_expect_not(admin_commands_submit(&fixture.commands, "indexes", false, &sender));
    for (int i = ADMIN_QUESTIONS_MAX; i < ADMIN_COMMANDS_MAX; i++) {
        cr_assert(admin_commands_submit(&fixture.commands, "rollback", true, &sender));
    }
    cr_expect_not(admin_commands_submit(&fixture.commands, "rollback", true, &sender));
    cr_expect_str_eq(received(&fixture), "indexes\n");
    (void)replied(&fixture, "ok indexes count=0\n");
    cr_expect(admin_commands_submit(&fixture.commands, "indexes", false, &sender));
    fixture_fini(&fixture);
}

Test(admin_commands, who_goes_gives_the_place_back)
{
    struct fixture fixture;
    int first, others, last;
    fixture_init(&fixture);
    cr_assert(admin_commands_submit(&fixture.commands, "indexes", false, &first));
    cr_expect_str_eq(received(&fixture), "indexes\n");
    for (int i = 1; i < ADMIN_QUESTIONS_MAX; i++) {
        cr_assert(admin_commands_submit(&fixture.commands, "indexes", false, &others));
    }
    cr_assert(admin_commands_submit(&fixture.commands, "rollback", true, &others));
    cr_assert(admin_commands_submit(&fixture.commands, "promote 7", true, &last));
    admin_commands_forget(&fixture.commands, &others);
    admin_commands_forget(&fixture.commands, &first); /* under way: only its reply is nobody's */
    for (int i = 1; i < ADMIN_QUESTIONS_MAX; i++) {
        cr_expect(admin_commands_submit(&fixture.commands, "indexes", false, &last));
    }
    cr_expect_null(replied(&fixture, "ok indexes count=0\n"));
    cr_expect_str_eq(received(&fixture), "promote 7\n");
    cr_expect_eq(replied(&fixture, "ok promote id=8\n"), (void *)&last);
    fixture_fini(&fixture);
}
