#include "telemetry/sampler.h"

/* A number from 0 to 1, with point and without exponent or sign: "0.01". Without strtod(), which
 * would read the point of the locale, and more than this. */
static bool parse_ratio(struct slice text, double *out_ratio)
{
    double ratio = 0;
    double unit = 0; /* 0: before the point */
    size_t digits = 0;
    for (size_t i = 0; i < text.count; i++) {
        char byte = text.bytes[i];
        if (byte == '.' && unit == 0) {
            unit = 1;
        } else if (byte >= '0' && byte <= '9') {
            unit /= 10;
            ratio = unit == 0 ? ratio * 10 + (byte - '0') : ratio + unit * (byte - '0');
            digits++;
        } else {
            return false;
        }
    }
    if (digits == 0 || ratio > 1) {
        return false;
    }
    *out_ratio = ratio;
    return true;
}

bool sampler_parse(struct slice name, struct slice argument, struct sampler *out_sampler,
                   const char **out_why)
{
    struct slice root = name;
    bool has_parent_rule = slice_starts_with(name, SLICE("parentbased_"));
    if (has_parent_rule) {
        root = slice_after(name, sizeof "parentbased_" - 1);
    }
    double ratio;
    if (slice_equal(root, SLICE("always_on"))) {
        ratio = 1;
    } else if (slice_equal(root, SLICE("always_off"))) {
        ratio = 0;
    } else if (!slice_equal(root, SLICE("traceidratio"))) {
        *out_why = "it is none of always_on, always_off, traceidratio, parentbased_always_on, "
                   "parentbased_always_off, parentbased_traceidratio";
        return false;
    } else if (argument.count == 0) {
        ratio = 1;
    } else if (!parse_ratio(argument, &ratio)) {
        *out_why = "its argument is not a number from 0 to 1";
        return false;
    }
    *out_sampler = (struct sampler){has_parent_rule, (uint64_t)(ratio * (double)SAMPLER_RANGE)};
    return true;
}

bool sampler_takes(const struct sampler *sampler, const struct trace_context *parent,
                   const uint8_t trace_id[TRACE_ID_BYTES])
{
    if (sampler->has_parent_rule && parent != NULL) {
        return parent->is_sampled;
    }
    uint64_t number = 0;
    for (size_t i = TRACE_ID_BYTES - 7; i < TRACE_ID_BYTES; i++) {
        number = number << 8 | trace_id[i];
    }
    return number >= SAMPLER_RANGE - sampler->threshold;
}

bool sampler_is_off(const struct sampler *sampler)
{
    return sampler->threshold == 0 && !sampler->has_parent_rule;
}
