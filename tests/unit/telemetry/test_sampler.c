/* Samplers: what each takes, by its rule and by numbers of traces. */
#include "telemetry/sampler.h"

#include <criterion/criterion.h>

static struct sampler sampler_of(const char *name, const char *argument)
{
    struct sampler sampler;
    const char *why = "";
    cr_assert(sampler_parse(slice_of_string(name), slice_of_string(argument), &sampler, &why),
              "%s %s: %s", name, argument, why);
    return sampler;
}

static bool takes(const struct sampler *sampler, const bool *parent)
{
    struct trace_context context = {.is_sampled = parent != NULL && *parent};
    uint8_t trace_id[TRACE_ID_BYTES] = {[9] = 0x80}; /* half of the range */
    return sampler_takes(sampler, parent == NULL ? NULL : &context, trace_id);
}

Test(sampler, each_takes_what_its_name_says)
{
    static const bool yes = true;
    static const bool no = false;
    static const struct {
        const char *name, *argument;
        bool root, sampled_parent, other_parent, is_off;
    } rows[] = {
        {"always_on", "", true, true, true, false},
        {"always_off", "", false, false, false, true},
        {"traceidratio", "", true, true, true, false},
        {"traceidratio", "0", false, false, false, true},
        {"traceidratio", "0.5", true, true, true, false},
        {"traceidratio", "0.49", false, false, false, false},
        {"traceidratio", "1", true, true, true, false},
        {"traceidratio", "1.0", true, true, true, false},
        {"parentbased_always_on", "", true, true, false, false},
        {"parentbased_always_off", "", false, true, false, false},
        {"parentbased_traceidratio", "0", false, true, false, false},
        {"parentbased_traceidratio", ".75", true, true, false, false},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sampler sampler = sampler_of(rows[i].name, rows[i].argument);
        cr_assert_eq(takes(&sampler, NULL), rows[i].root, "%zu", i);
        cr_assert_eq(takes(&sampler, &yes), rows[i].sampled_parent, "%zu", i);
        cr_assert_eq(takes(&sampler, &no), rows[i].other_parent, "%zu", i);
        cr_assert_eq(sampler_is_off(&sampler), rows[i].is_off, "%zu", i);
    }
}

Test(sampler, what_makes_no_sense_is_refused)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"always", ""},
        {"parentbased_", ""},
        {"parentbased_parentbased_always_on", ""},
        {"jaeger_remote", ""},
        {"traceidratio", "1.1"},
        {"traceidratio", "-0.1"},
        {"traceidratio", "1%"},
        {"traceidratio", "."},
        {"traceidratio", "0.1.1"},
        {"traceidratio", "nan"},
        {"traceidratio", "99999999999999999999999999"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sampler sampler;
        const char *why = NULL;
        cr_assert_not(
            sampler_parse(slice_of_string(rows[i][0]), slice_of_string(rows[i][1]), &sampler, &why),
            "row %zu", i);
        cr_assert_not_null(why);
    }
}

/* With a fixed seed. Six deviations of a binomial distribution on each side. */
Test(sampler, a_ratio_takes_that_part_of_random_traces)
{
    static const struct {
        const char *argument;
        unsigned least, most;
    } rows[] = {{"0.01", 812, 1188}, {"0.25", 24179, 25821}, {"0.999", 99841, 99959}};
    enum { TRACES = 100000 };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct sampler sampler = sampler_of("traceidratio", rows[i].argument);
        struct id_source source = id_source_of(7);
        unsigned taken = 0;
        for (int trace = 0; trace < TRACES; trace++) {
            uint8_t trace_id[TRACE_ID_BYTES];
            id_source_trace(&source, trace_id);
            taken += sampler_takes(&sampler, NULL, trace_id);
        }
        cr_assert(taken >= rows[i].least && taken <= rows[i].most, "%s: %u", rows[i].argument,
                  taken);
    }
}

/* Who takes fewer takes none that the other leaves: a trace is whole or not there. */
Test(sampler, ratios_nest)
{
    struct sampler less = sampler_of("traceidratio", "0.1");
    struct sampler more = sampler_of("traceidratio", "0.3");
    struct id_source source = id_source_of(3);
    for (int trace = 0; trace < 10000; trace++) {
        uint8_t trace_id[TRACE_ID_BYTES];
        id_source_trace(&source, trace_id);
        cr_assert(!sampler_takes(&less, NULL, trace_id) || sampler_takes(&more, NULL, trace_id));
    }
}
