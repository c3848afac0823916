/* Which routes of a plan may answer otherwise than those of the plan before it. Pure. */
#ifndef CAIRN_PACKER_PLAN_CHANGE_H
#define CAIRN_PACKER_PLAN_CHANGE_H

#include "packer/site/site_plan.h"

/* By row of the new plan's routes; the caller frees. Both plans have the same options and the same
 * rules. is_changed tells which files of the new plan have other bytes or times than in the old
 * one, or were not there. The two may be the same plan, with new files. */
bool *plan_change_routes(const struct site_plan *old, const struct site_plan *new_plan,
                         const bool *is_changed);

#endif
