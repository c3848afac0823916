/* What an `add` did, for programs. */
#ifndef CAIRN_PACKER_ADD_REPORT_H
#define CAIRN_PACKER_ADD_REPORT_H

#include "packer/add.h"

/* One JSON object. */
void add_result_print_json(const struct add_result *result, FILE *out);

#endif
