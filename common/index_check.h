/* Are the tables of an index what docs/format.md says? For index_init() alone, which has decoded
 * the header and adopted the sections; index_check_deep(), which asks for more, is in
 * common/index.h. */
#ifndef CAIRN_COMMON_INDEX_CHECK_H
#define CAIRN_COMMON_INDEX_CHECK_H

#include "common/index.h"

/* Does every reference in every entry, representation, head and rule lead to something in the file,
 * and every offset to what the archive has committed? ERR_FORMAT with a sentence that names the
 * row. What is used of an index without another look relies on this. */
int index_check_tables(const struct index *index, struct error *error) CAIRN_MUST_CHECK;

#endif
