/* When files are looked at, and what is told from what: a file that was written to from one that
 * has only another time. */
#include "server/overwrite_check.h"

#include "samples.h"
#include "scratch.h"
#include "server/loader.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void enter_scratch(void)
{
    scratch_enter();
    unsetenv("SOURCE_DATE_EPOCH");
}

TestSuite(overwrite_check, .init = enter_scratch, .fini = scratch_leave);

/* Times of files go on in steps: until a change would have another one. */
static void await_next_time(void)
{
    struct stat status;
    struct timespec now;
    cr_assert(stat("site.000001.idx", &status) == 0);
    do {
        (void)poll(NULL, 0, 1);
        clock_gettime(CLOCK_REALTIME_COARSE, &now);
    } while (now.tv_sec == status.st_ctim.tv_sec && now.tv_nsec == status.st_ctim.tv_nsec);
}

Test(overwrite_check, once_a_minute)
{
    struct publication publication;
    struct undertaker undertaker;
    struct load_result result;
    struct error error = {""};
    publication_init(&publication);
    cr_assert(undertaker_init(&undertaker, NULL) == 0);
    struct loader loader = {
        .publication = &publication, .undertaker = &undertaker, .retention = {1, 0}};
    scratch_file("site/a", "a");
    sample_pack("site.cairn");
    const struct load_request request = {.path = "site.idx"};
    cr_assert(loader_load(&loader, &request, &result, &error) == 0, "%s", error.text);
    const struct site_list *sites = loader_sites(&loader);
    struct overwrite_check check = {.due_ms = 0};
    cr_expect_eq(overwrite_check_turn(&check, sites, 5), OVERWRITE_CHECK_MS);
    await_next_time();
    cr_assert(chmod("site.000001.idx", 0600) == 0);
    overwrite_check_run(sites);
    cr_expect_not(site_is_damaged(sites->sites[0]));
    await_next_time();
    scratch_patch("site.000001.idx", 0, "X", 1);
    cr_expect_eq(overwrite_check_turn(&check, sites, OVERWRITE_CHECK_MS + 4), 1);
    cr_expect_not(site_is_damaged(sites->sites[0]));
    cr_expect_eq(overwrite_check_turn(&check, sites, OVERWRITE_CHECK_MS + 5), OVERWRITE_CHECK_MS);
    cr_expect(site_is_damaged(sites->sites[0]));
    publication_fini(&publication);
    undertaker_fini(&undertaker);
}
