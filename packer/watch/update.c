#include "packer/watch/update.h"

#include "common/mem.h"
#include "packer/site/folder_watch.h"
#include "packer/site/plan_change.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct update {
    struct session *session;
    const struct change_set *changes;
    bool is_all;
    struct walk walk;          /* if all was walked */
    struct stored_file *found; /* what is at the names of the changes now */
    size_t found_count;
    struct stored_file *files; /* of the release that is to be */
    bool *is_changed;          /* of these: they were not there, or otherwise */
    size_t file_count;
    bool has_other_names;
    bool has_other_rules;
    struct rule_texts texts;
    struct site_plan plan;
    bool has_plan; /* the session's will not do */
    struct update_result result;
};

int update_begin(struct session *session, struct error *error)
{
    session->progress.file = NULL; /* it is for those who wait */
    int status = archive_writer_refresh(session->writer, error);
    return status != 0
               ? status
               : layers_init(&session->layers, session->stem, session->writer->last_commit.release,
                             session->writer->reader->superblock.uuid, error);
}

bool update_has_spoilt(const struct session *session)
{
    return session->writer->is_torn;
}

/* ---- what is there now ---- */

static int walk_all(struct update *update, struct error *error)
{
    const struct add_options *options = update->session->options;
    int status = walk_init(options->site_directory, &options->walk, &update->walk, error);
    content_store_forget_all(&update->session->store, update->session->started_at_s);
    return status;
}

static int walk_changes(struct update *update, struct error *error)
{
    struct session *session = update->session;
    for (size_t i = 0; i < session->file_count; i++) {
        if (change_set_covers(update->changes, session->files[i].name)) {
            content_store_forget(&session->store, session->files[i].name);
        }
    }
    for (size_t i = 0; i < update->changes->count;
         i++) { /* what an update that failed has stored */
        content_store_forget(&session->store, update->changes->names[i]);
    }
    return walk_again(&session->walk, update->changes, error);
}

static int find_files(struct update *update, struct error *error)
{
    struct session *session = update->session;
    int64_t now_s = time(NULL);
    folder_watch_forget(session->options->walk.watch, update->changes);
    int status = session_choose_time(session, error);
    if (status == 0) {
        status = update->is_all ? walk_all(update, error) : walk_changes(update, error);
    }
    if (status != 0) {
        return status;
    }
    struct walk *walk = update->is_all ? &update->walk : &session->walk;
    update->found_count = walk->file_count;
    update->found = mem_zeroed(update->found_count, sizeof *update->found);
    status = content_store_add(&session->store, walk, update->found, error);
    if (update->is_all) { /* what is not looked at now is known as of then */
        session->started_at_s = now_s;
    }
    return status;
}

/* ---- how it differs ---- */

static bool is_same_file(const struct stored_file *a, const struct stored_file *b)
{
    return a->content == b->content && a->modified_s == b->modified_s &&
           a->is_rebound == b->is_rebound;
}

static void keep_file(struct update *update, struct stored_file file, bool is_changed)
{
    update->is_changed[update->file_count] = is_changed;
    update->files[update->file_count++] = file;
    update->has_other_rules |= is_changed && file.role == FILE_RULES;
}

static void take_removed(struct update *update, const struct stored_file *file)
{
    update->result.removed_count++;
    update->has_other_names = true;
    update->has_other_rules |= file->role == FILE_RULES;
}

static void take_found(struct update *update, const struct stored_file *old,
                       const struct stored_file *found)
{
    struct stored_file file = *found;
    bool is_changed = old == NULL || !is_same_file(old, found);
    if (old == NULL) {
        update->result.added_count++;
        update->has_other_names = true;
    } else {
        update->result.changed_count += is_changed;
        file.name = update->is_all ? file.name : old->name; /* which is there to stay */
    }
    keep_file(update, file, is_changed);
}

/* Both lists are sorted, and what was found is all that there is at the names of the changes. */
static void compare_files(struct update *update)
{
    const struct session *session = update->session;
    const struct stored_file *old = session->files;
    const struct stored_file *old_end = old + session->file_count;
    const struct stored_file *found = update->found;
    const struct stored_file *found_end = found + update->found_count;
    size_t most = session->file_count + update->found_count;
    update->files = mem_zeroed(most, sizeof *update->files);
    update->is_changed = mem_zeroed(most, sizeof *update->is_changed);
    while (old < old_end || found < found_end) {
        int order = old == old_end ? 1 : found == found_end ? -1 : strcmp(old->name, found->name);
        if (order < 0 && change_set_covers(update->changes, old->name)) {
            take_removed(update, old++);
        } else if (order < 0) {
            keep_file(update, *old++, false);
            update->files[update->file_count - 1].was_read = false;
        } else {
            take_found(update, order == 0 ? old : NULL, found);
            old += order == 0;
            found++;
        }
    }
    const struct update_result *result = &update->result;
    update->result.is_release =
        result->changed_count + result->added_count + result->removed_count > 0;
}

static int check_is_there(const struct update *update, struct error *error)
{
    const struct add_options *options = update->session->options;
    return update->file_count > 0 || options->allow_empty
               ? 0
               : error_set(error, ERR_EMPTY, "%s: no file in it", options->site_directory);
}

/* ---- what follows from it ---- */

/* With the same names and rules the session's plan stands. */
static int plan_site(struct update *update, struct error *error)
{
    struct session *session = update->session;
    update->has_plan = update->is_all || update->has_other_names || update->has_other_rules;
    if (!update->has_plan) {
        site_plan_take_files(&session->plan, update->files, update->is_changed);
        return 0;
    }
    int status =
        session_read_texts(session, update->files, update->file_count, &update->texts, error);
    if (status == 0) {
        site_plan_init(&update->plan, update->files, update->file_count, &session->site,
                       &update->texts);
        status = update->has_other_rules
                     ? session_check_plan(session, &update->plan, error)
                     : site_plan_problem(&update->plan, session->options->strict, error);
    }
    return status;
}

static const struct site_plan *plan_of(const struct update *update)
{
    return update->has_plan ? &update->plan : &update->session->plan;
}

static int build_index(struct update *update, struct error *error)
{
    struct session *session = update->session;
    const struct site_plan *plan = plan_of(update);
    struct index_properties properties;
    session_index_properties(session, &properties);
    free(session->image.bytes);
    session->image = (struct index_image){0};
    if (update->result.is_whole) {
        return site_index_build(plan, &session->store.catalog, &properties, &session->image, NULL,
                                error);
    }
    bool *routes = plan_change_routes(&session->plan, plan, update->is_changed);
    const struct overlay_scope scope = {.routes = routes, .has_gone = update->has_plan};
    int status = overlay_build(plan, &session->store.catalog, &session->layers, &scope, &properties,
                               &session->image, NULL, error);
    free(routes);
    return status;
}

/* Records that paths are gone, by the records that bound them: those of an update that failed are
 * not in the reader's mapping yet. */
static int record_gone(struct update *update, struct error *error)
{
    struct session *session = update->session;
    int status = 0;
    if (session->has_strays) {
        status = archive_writer_flush(session->writer, error);
        if (status == 0) {
            status = archive_writer_refresh(session->writer, error);
        }
    }
    if (status == 0 && (session->has_strays || update->result.removed_count > 0)) {
        status = content_store_record_gone(&session->store, error);
    }
    return status;
}

static int make_release(struct update *update, struct error *error)
{
    struct session *session = update->session;
    /* what rules say concerns any path, in ways that no overlay can take back */
    update->result.is_whole = update->has_other_rules || session->layers.count >= UPDATE_LAYERS_MAX;
    session->site.overlay = !update->result.is_whole;
    int status = session_record_options(session, error);
    if (status == 0) {
        status = record_gone(update, error);
    }
    if (status == 0) {
        status = session_make_variants(session, plan_of(update), update->found, update->found_count,
                                       error);
    }
    if (status == 0) {
        status = build_index(update, error);
    }
    if (status == 0) {
        status = session_publish(session, error);
    }
    if (status == 0) {
        status = archive_writer_refresh(session->writer, error);
    }
    return status == 0 ? layers_push(&session->layers, session->index_path, error) : status;
}

/* What was bound is of no release, and may be gone when the changes are looked at again. */
static void give_up(struct update *update)
{
    struct session *session = update->session;
    for (size_t i = 0; i < update->found_count; i++) {
        if (update->found[i].name != NULL) {
            content_store_forget(&session->store, update->found[i].name);
        }
    }
    session->has_strays = true;
    session->plan.files = session->files;
}

/* The session is of the new state of the site. */
static void adopt(struct update *update)
{
    struct session *session = update->session;
    session->has_strays &= !update->result.is_release;
    if (update->has_plan) {
        site_plan_fini(&session->plan);
        session_free_texts(&session->texts);
        session->plan = update->plan;
        session->texts = update->texts;
        update->plan = (struct site_plan){0};
        update->texts = (struct rule_texts){0};
    }
    if (update->is_all) {
        walk_fini(&session->walk);
        walk_forget_states(&update->walk);
        session->walk = update->walk;
        update->walk = (struct walk){0};
    }
    free(session->files);
    session->files = update->files;
    session->file_count = update->file_count;
    update->files = NULL;
}

static int run(struct update *update, struct error *error)
{
    int status = find_files(update, error);
    if (status == 0) {
        compare_files(update);
        status = check_is_there(update, error);
    }
    if (status == 0 && (update->result.is_release || update->is_all)) {
        status = plan_site(update, error);
        if (status == 0 && update->result.is_release) {
            status = make_release(update, error);
        }
        if (status == 0) {
            adopt(update);
        }
    }
    if (status != 0) {
        give_up(update);
    }
    return status;
}

int update_pack(struct session *session, const struct change_set *changes,
                struct update_result *out_result, struct error *error)
{
    struct update update = {
        .session = session,
        .changes = changes,
        .is_all = walk_needs_all(&session->walk, changes),
    };
    struct change_set everything = {.is_all = true};
    if (update.is_all) {
        update.changes = &everything;
    }
    struct names_mark mark = names_mark(&session->walk.names);
    size_t ignore_folders = session->walk.ignore_folder_count;
    int status = run(&update, error);
    if (!update.is_all && (status != 0 || update.result.added_count == 0) &&
        session->walk.ignore_folder_count == ignore_folders) {
        names_rewind(&session->walk.names, &mark); /* nothing refers to what was found */
    }
    site_plan_fini(&update.plan);
    session_free_texts(&update.texts);
    walk_fini(&update.walk);
    free(update.found);
    free(update.files);
    free(update.is_changed);
    if (status == 0) {
        *out_result = update.result;
    }
    return status;
}
