/* What the system tells of a tree, as names; and a walk of only these. */
#include "packer/site/folder_watch.h"

#include "common/mem.h"
#include "packer/site/walk.h"
#include "scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct folder_watch *watch;
static struct walk walk;
static struct change_set changes;

static void enter(void)
{
    scratch_enter();
    scratch_file("site/index.html", "one");
    scratch_file("site/docs/a.html", "a");
    scratch_file("site/.hidden/x", "x");
    scratch_file("site/.cairnignore", "*.map\nleft/\n");
    watch = folder_watch_new();
    cr_assert(walk_init("site", &(struct walk_options){.watch = watch}, &walk, NULL) == 0);
    folder_watch_add_root(watch, "site");
    changes = (struct change_set){0};
}

static void leave(void)
{
    change_set_clear(&changes);
    walk_fini(&walk);
    folder_watch_free(watch);
    scratch_leave();
}

TestSuite(folder_watch, .init = enter, .fini = leave);

static struct folder_news read_news(void)
{
    struct folder_news news;
    folder_watch_read(watch, &walk, &changes, &news);
    change_set_settle(&changes);
    return news;
}

/* The names that are told, then what the walk finds there: "docs/a.html: docs/a.html". */
static const char *told(void)
{
    static char text[1024];
    read_news();
    text[0] = '\0';
    if (changes.is_all) {
        change_set_clear(&changes);
        return "all";
    }
    for (size_t i = 0; i < changes.count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%s", i > 0 ? " " : "",
                 changes.names[i]);
    }
    struct error error = {""};
    folder_watch_forget(watch, &changes);
    int status = walk_again(&walk, &changes, &error);
    snprintf(text + strlen(text), sizeof text - strlen(text), ":%s", status == 0 ? "" : error.text);
    for (size_t i = 0; i < walk.file_count; i++) {
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s", walk.files[i].name);
    }
    change_set_clear(&changes);
    return text;
}

#define EXPECT_TOLD(wanted)                                                                        \
    do {                                                                                           \
        const char *is_told = told();                                                              \
        cr_expect(strcmp(is_told, wanted) == 0, "%s", is_told);                                    \
    } while (0)

Test(folder_watch, files)
{
    EXPECT_TOLD(":");
    scratch_file("site/index.html", "two");
    EXPECT_TOLD("index.html: index.html");
    scratch_file("site/new.html", "new");
    cr_assert(unlink("site/docs/a.html") == 0);
    EXPECT_TOLD("docs/a.html new.html: new.html");
    cr_assert(rename("site/new.html", "site/docs/b.html") == 0);
    EXPECT_TOLD("docs/b.html new.html: docs/b.html");
}

/* What is in a folder before it is watched is found by the walk that begins to watch it. */
Test(folder_watch, folders)
{
    scratch_file("site/new/er/x.html", "x");
    EXPECT_TOLD("new: new/er/x.html");
    scratch_file("site/new/er/x.html", "y");
    EXPECT_TOLD("new/er/x.html: new/er/x.html");
    cr_assert(rename("site/new", "site/old") == 0);
    EXPECT_TOLD("new old: old/er/x.html");
    scratch_file("site/old/er/y.html", "y");
    EXPECT_TOLD("old/er/y.html: old/er/y.html");
    size_t count = folder_watch_count(watch);
    cr_assert(rename("site/old", "elsewhere") == 0);
    EXPECT_TOLD("old:");
    cr_expect(folder_watch_count(watch) == count - 2);
    scratch_file("elsewhere/er/y.html", "nobody looks");
    EXPECT_TOLD(":");
}

Test(folder_watch, what_is_left_out_is_no_news)
{
    scratch_file("site/x.map", "map");
    scratch_file("site/.env", "secret");
    scratch_file("site/.hidden/x", "y");
    scratch_folder("site/left");
    scratch_file("site/left/x.html", "x");
    scratch_folder("site/.git");
    struct folder_news news = read_news();
    cr_expect(!news.is_any && !news.is_root_lost && change_set_is_empty(&changes));
    scratch_file("site/.cairnignore", "");
    cr_expect(read_news().is_any);
    EXPECT_TOLD("all");
}

/* While no walk stands, since the one before has failed, there are news and no names. */
Test(folder_watch, without_a_walk)
{
    struct folder_news news;
    scratch_file("site/new.html", "new");
    scratch_file("site/.env", "secret");
    folder_watch_read(watch, NULL, &changes, &news);
    cr_expect(news.is_any && change_set_is_empty(&changes));
}

Test(folder_watch, removals)
{
    cr_assert(unlink("site/docs/a.html") == 0);
    struct folder_news news = read_news();
    cr_expect(news.is_any && news.is_removal);
    scratch_file("site/docs/a.html", "a");
    news = read_news();
    cr_expect(news.is_any && !news.is_removal);
}

Test(folder_watch, the_root)
{
    scratch_file("beside", "x"); /* in the same folder */
    cr_expect(!read_news().is_root_lost);
    cr_assert(rename("site", "aside") == 0);
    cr_expect(read_news().is_root_lost);
    scratch_folder("site");
    cr_expect(read_news().is_root_lost);
}

/* One folder under two names, and a link whose target lies where nobody walks. */
Test(folder_watch, links)
{
    scratch_link("docs", "site/papers");
    scratch_link(".hidden/x", "site/x");
    EXPECT_TOLD("papers x: papers/a.html x");
    scratch_file("site/docs/b.html", "b");
    EXPECT_TOLD("docs/b.html papers/b.html: docs/b.html papers/b.html");
    scratch_file("site/.hidden/x", "changed");
    cr_expect(read_news().is_any);
    walk_find_changed_links(&walk, &changes);
    change_set_settle(&changes);
    cr_expect(changes.count == 1 && strcmp(changes.names[0], "x") == 0);
}

/* A name that is told may by now lead through a folder that is no part of the site. */
Test(folder_watch, a_folder_that_became_a_link_outside)
{
    scratch_file("outside/a.html", "secret");
    change_set_add(&changes, "docs/a.html");
    cr_assert(rename("site/docs", "site/papers") == 0);
    scratch_link("../outside", "site/docs");
    struct error error = {""};
    cr_assert(walk_again(&walk, &changes, &error) == 0, "%s", error.text);
    cr_expect(walk.file_count == 0);
}

Test(folder_watch, a_folder_with_rules_of_its_own_needs_everything)
{
    change_set_add(&changes, "docs");
    cr_expect(!walk_needs_all(&walk, &changes));
    change_set_clear(&changes);
    scratch_file("site/api/.cairnignore", "*.html\n");
    scratch_file("site/api/x.html", "x");
    EXPECT_TOLD("api:");
    change_set_add(&changes, "api");
    cr_expect(walk_needs_all(&walk, &changes));
}
