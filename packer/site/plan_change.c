#include "packer/site/plan_change.h"

#include "common/mem.h"

#include <stdlib.h>

/* By served file: its own bytes, or those of a file that is its coded form. */
static bool *changed_served(const struct site_plan *plan, const bool *is_changed)
{
    bool *served = mem_zeroed(plan->served_count, sizeof *served);
    for (size_t i = 0; i < plan->served_count; i++) {
        served[i] = is_changed[plan->served[i]];
        for (int codec = 0; codec < CODEC_COUNT && plan->sidecars != NULL; codec++) {
            uint32_t number = plan->sidecars[i][codec];
            served[i] |= number != 0 && is_changed[number - 1];
        }
    }
    return served;
}

/* Do both have coded forms of the same codings, given with the site? */
static bool has_same_sidecars(const struct site_plan *a, uint32_t x, const struct site_plan *b,
                              uint32_t y)
{
    for (int codec = 0; codec < CODEC_COUNT && a->sidecars != NULL; codec++) {
        if ((a->sidecars[x][codec] == 0) != (b->sidecars[y][codec] == 0)) {
            return false;
        }
    }
    return true;
}

static bool is_same_file(const struct site_plan *a, uint32_t x, const struct site_plan *b,
                         uint32_t y)
{
    return slice_equal(a->names[x], b->names[y]) && a->is_immutable[x] == b->is_immutable[y] &&
           has_same_sidecars(a, x, b, y);
}

static bool is_same_route(const struct site_plan *a, const struct route *x,
                          const struct site_plan *b, const struct route *y)
{
    if (x->kind != y->kind || x->status != y->status || x->is_derived != y->is_derived ||
        x->asks_rules != y->asks_rules || x->keeps_query != y->keeps_query ||
        (x->line != 0) != (y->line != 0)) {
        return false;
    }
    if (x->kind == ROUTE_FILE) {
        return is_same_file(a, x->file, b, y->file);
    }
    return x->kind != ROUTE_REDIRECT || strcmp(x->target, y->target) == 0;
}

bool *plan_change_routes(const struct site_plan *old, const struct site_plan *new_plan,
                         const bool *is_changed)
{
    const struct routes *routes = &new_plan->routes;
    bool *served = changed_served(new_plan, is_changed);
    bool *rows = mem_zeroed(routes->count, sizeof *rows);
    for (size_t i = 0; i < routes->count; i++) {
        const struct route *route = &routes->rows[i];
        const struct route *before =
            old == new_plan ? route : routes_find(&old->routes, route->path);
        rows[i] = (route->kind == ROUTE_FILE && served[route->file]) || before == NULL ||
                  !is_same_route(old, before, new_plan, route);
    }
    free(served);
    return rows;
}
