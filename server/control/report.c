#include "server/control/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* RFC 3339. An index may say any time: one without four digits of a year counts as none. */
static void format_time(int64_t seconds, char out[21])
{
    time_t time = seconds;
    struct tm parts;
    if (gmtime_r(&time, &parts) == NULL || parts.tm_year < 1000 - 1900 ||
        parts.tm_year > 9999 - 1900 || strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0) {
        memcpy(out, "1970-01-01T00:00:00Z", 21);
    }
}

static const char *state_of(const struct site_list *sites, size_t i)
{
    if (site_is_damaged(sites->sites[i])) {
        return "damaged";
    }
    if (sites->standings[i].is_retired) {
        return "retired";
    }
    return sites->standings[i].superseded_s == 0 ? "live" : "below";
}

/* A row of JSON: an object on a line of its own. */
struct json_row {
    struct json_writer json;
    char *text;
    size_t count;
    FILE *stream;
};

static void begin_row(struct json_row *row)
{
    row->stream = open_memstream(&row->text, &row->count);
    if (row->stream == NULL) {
        abort(); /* out of memory */
    }
    row->json = json_writer(row->stream);
    json_begin_object(&row->json);
}

static void end_row(struct json_row *row, struct reply *reply)
{
    json_end_object(&row->json);
    json_end(&row->json);
    fclose(row->stream);
    reply_format(reply, "%.*s", (int)row->count, row->text);
    free(row->text);
}

static void put_string(struct json_writer *json, const char *key, const char *text)
{
    json_key(json, key);
    json_string(json, slice_of_string(text));
}

static void put_number(struct json_writer *json, const char *key, uint64_t number)
{
    json_key(json, key);
    json_u64(json, number);
}

static const char *kind_of(const struct site *site)
{
    return (site->index->flags & INDEX_OVERLAY) != 0 ? "overlay" : "snapshot";
}

void report_write_site(struct json_writer *json, const struct site_list *sites, size_t i)
{
    const struct site *site = sites->sites[i];
    char loaded[21];
    char *hosts = mount_hosts_text(&site->mount);
    struct slice rest = slice_of_string(hosts);
    format_time(site->loaded_s, loaded);
    put_number(json, "id", site->id);
    put_number(json, "release", site->index->release);
    put_string(json, "kind", kind_of(site));
    put_string(json, "state", state_of(sites, i));
    put_number(json, "paths", site->index->entry_count);
    json_key(json, "hosts");
    json_begin_array(json, false);
    while (rest.count > 0) {
        json_string(json, slice_take(&rest, ','));
    }
    json_end_array(json);
    json_key(json, "at");
    json_string(json,
                site->mount.prefix[0] == '\0' ? SLICE("/") : slice_of_string(site->mount.prefix));
    put_string(json, "loaded", loaded);
    put_string(json, "index", site->index_path);
    put_string(json, "archive", site->archive->path);
    free(hosts);
}

static void list_json(const struct site_list *sites, size_t i, struct reply *reply)
{
    struct json_row row;
    begin_row(&row);
    report_write_site(&row.json, sites, i);
    end_row(&row, reply);
}

static void list_text(const struct site_list *sites, size_t i, struct reply *reply)
{
    const struct site *site = sites->sites[i];
    char loaded[21];
    char *hosts = mount_hosts_text(&site->mount);
    format_time(site->loaded_s, loaded);
    reply_format(reply,
                 "site id=%" PRIu64 " release=%" PRIu64 " kind=%s state=%s paths=%" PRIu32
                 " host=%s at=%s/ loaded=%s index=%s\n",
                 site->id, site->index->release, kind_of(site), state_of(sites, i),
                 site->index->entry_count, hosts, site->mount.prefix_url, loaded, site->index_path);
    free(hosts);
}

void report_list(const struct site_list *sites, bool is_json, struct reply *reply)
{
    for (size_t i = 0; i < sites->count; i++) {
        (is_json ? list_json : list_text)(sites, i, reply);
    }
    reply_format(reply, "ok list sites=%zu\n", sites->count);
}

static void list_index_json(const struct index_file *file, const char *created, struct reply *reply)
{
    struct json_row row;
    begin_row(&row);
    put_number(&row.json, "release", file->release);
    put_number(&row.json, "paths", file->paths);
    put_string(&row.json, "created", created);
    put_string(&row.json, "path", file->path);
    end_row(&row, reply);
}

static void list_index_text(const struct index_file *file, const char *created, struct reply *reply)
{
    reply_format(reply, "index release=%" PRIu64 " paths=%" PRIu32 " created=%s path=%s\n",
                 file->release, file->paths, created, file->path);
}

void report_indexes(const struct index_files *files, bool is_json, struct reply *reply)
{
    size_t rows = 0;
    while (rows < files->count && (!is_json || reply->count < REPORT_JSON_BYTES_MAX)) {
        char created[21];
        format_time(files->at[rows].created_s, created);
        (is_json ? list_index_json : list_index_text)(&files->at[rows], created, reply);
        rows++;
    }
    reply_format(reply, "ok indexes count=%zu", rows);
    if (rows < files->count) {
        reply_format(reply, " more=%zu", files->count - rows);
    }
    reply_format(reply, "\n");
}

void report_status(const struct command_context *context, bool is_json, struct reply *reply)
{
    struct loop_totals totals = {0};
    size_t running = 0;
    if (context->workers != NULL) {
        totals = workers_totals(context->workers);
        running = workers_running(context->workers);
    }
    uint64_t connections = 0;
    for (size_t i = 0; i < CONN_STATES; i++) {
        connections += totals.connections[i];
    }
    const struct {
        const char *key;
        uint64_t number;
    } facts[] = {
        {"pid", (uint64_t)getpid()},
        {"uptime_s", (uint64_t)((int64_t)time(NULL) - context->started_s)},
        {"workers", running},
        {"sites", loader_sites(context->loader)->count},
        {"connections", connections},
        {"listeners", context->events == NULL ? 0 : events_listener_count(context->events)},
        {"accepted", totals.accepted},
        {"requests", totals.requests},
        {"bytes", totals.bytes},
        {"log_lost", totals.log_lost},
        {"disk_reads", totals.disk_reads},
    };
    char sandbox[SANDBOX_TEXT_BYTES] = "none";
    if (context->sandbox != NULL) {
        sandbox_text(context->sandbox, sandbox);
    }
    if (is_json) {
        struct json_row row;
        begin_row(&row);
        put_string(&row.json, "version", CAIRN_VERSION);
        put_string(&row.json, "sandbox", sandbox);
        for (size_t i = 0; i < ARRAY_COUNT(facts); i++) {
            put_number(&row.json, facts[i].key, facts[i].number);
        }
        end_row(&row, reply);
    }
    reply_format(reply, "ok status version=%s", CAIRN_VERSION);
    for (size_t i = 0; i < ARRAY_COUNT(facts) && !is_json; i++) {
        reply_format(reply, " %s=%" PRIu64, facts[i].key, facts[i].number);
    }
    if (!is_json) {
        reply_format(reply, " sandbox=%s", sandbox);
    }
    reply_format(reply, "\n");
}
