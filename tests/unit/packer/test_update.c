/* Releases of what has changed, in a session that goes on. */
#include "packer/watch/update.h"

#include "scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

static void enter_scratch(void)
{
    scratch_enter();
    scratch_folder("site");
    scratch_file("site/a.css", "a");
    scratch_file("site/b.css", "b");
}

TestSuite(update, .init = enter_scratch, .fini = scratch_leave);

static void update(struct session *session, const char *name)
{
    struct change_set changes = {0};
    struct update_result result;
    struct error error = {""};
    if (name == NULL) {
        change_set_add_all(&changes);
    } else {
        change_set_add(&changes, name);
    }
    change_set_settle(&changes);
    cr_assert_eq(update_pack(session, &changes, &result, &error), 0, "%s", error.text);
    cr_expect(result.is_release);
    change_set_clear(&changes);
}

/* It says as of when all files are known; a look at some does not make the others newer. */
Test(update, the_time_of_the_session_is_that_of_the_last_look_at_everything)
{
    struct site_options site;
    site_options_init(&site);
    size_t count;
    char *messages;
    struct add_options options = {
        .site_directory = "site",
        .archive_path = "site.cairn",
        .site = &site,
        .quiet = true,
        .messages = open_memstream(&messages, &count),
    };
    struct session session;
    struct error error = {""};
    cr_assert_eq(session_init(&session, &options, &error), 0, "%s", error.text);
    cr_assert_eq(session_pack(&session, &error), 0, "%s", error.text);
    cr_assert_eq(update_begin(&session, &error), 0, "%s", error.text);
    session.started_at_s = 1000;
    scratch_file("site/a.css", "another");
    update(&session, "a.css");
    cr_expect_eq(session.started_at_s, 1000);
    int64_t now_s = time(NULL);
    scratch_file("site/b.css", "another b");
    update(&session, NULL);
    cr_expect_geq(session.started_at_s, now_s);
    session_fini(&session);
    fclose(options.messages);
    free(messages);
}
