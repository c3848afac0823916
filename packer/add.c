#include "packer/add.h"

#include "common/clock.h"
#include "packer/archive/compress.h"
#include "packer/session.h"

#include <inttypes.h>
#include <stdlib.h>

static void print_bytes(FILE *file, double bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit + 1 < ARRAY_COUNT(units)) {
        bytes /= 1000;
        unit++;
    }
    fprintf(file, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

static const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

static void print_savings(FILE *file, const struct site_savings *savings)
{
    static const enum codec order[] = {CODEC_BR, CODEC_ZSTD, CODEC_GZIP};
    for (size_t i = 0; i < ARRAY_COUNT(order); i++) {
        uint64_t before = savings->identity_bytes[order[i]];
        uint64_t after = savings->coded_bytes[order[i]];
        if (before > 0) {
            fprintf(file, ", %s saves %.0f%%", codec_token(order[i]),
                    100.0 - 100.0 * (double)after / (double)before);
            return;
        }
    }
}

static void print_summary(const struct add_result *result, FILE *file)
{
    fprintf(file, "cairn-pack: %" PRIu64 " path%s, %" PRIu64 " new, ", result->path_count,
            plural(result->path_count), result->new_count);
    print_bytes(file, (double)result->appended_bytes);
    fputs(" appended", file);
    print_savings(file, &result->savings);
    fprintf(file, ", release %" PRIu64 ", %.1f s\n", result->release, result->seconds);
}

static void fill_result(struct session *session, double started_ms, struct add_result *result)
{
    *result = (struct add_result){
        .index_path = session->index_path,
        .release = session->writer->last_commit.release,
        .file_count = session->file_count,
        .path_count = session->plan.routes.count,
        .read_count = session->store.read_count,
        .new_count = session->store.stored_count,
        .file_bytes = session->store.file_bytes,
        .appended_bytes = session->writer->offset - session->old_bytes,
        .index_bytes = session->image.count,
        .savings = session->savings,
        .seconds = (monotonic_exact_ms() - started_ms) / 1e3,
    };
    session->index_path = NULL; /* the result's now */
}

static void tell_result(struct operation *operation, const struct add_result *result)
{
    operation_text(operation, "cairn.index.path", slice_of_string(result->index_path));
    operation_number(operation, "cairn.release", result->release);
    operation_number(operation, "cairn.files", result->file_count);
    operation_number(operation, "cairn.files.size", result->file_bytes);
    operation_number(operation, "cairn.paths", result->path_count);
    operation_number(operation, "cairn.archive.appended.size", result->appended_bytes);
}

int add_release(const struct add_options *options, struct add_result *out_result,
                struct error *error)
{
    double started_ms = monotonic_exact_ms();
    *out_result = (struct add_result){0};
    struct session session;
    int status = session_init(&session, options, error);
    if (status == 0) {
        status = session_pack(&session, error);
    }
    if (status == 0) {
        session_save_cache(&session);
        fill_result(&session, started_ms, out_result);
        tell_result(options->operation, out_result);
        if (!options->quiet) {
            print_summary(out_result, options->messages);
        }
    }
    session_fini(&session);
    return status;
}

void add_result_fini(struct add_result *result)
{
    free(result->index_path);
    result->index_path = NULL;
}
