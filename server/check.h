/* --check: what a start would do, said on standard output, and every reason why it would fail, on
 * standard error. Nothing is listened on, made or removed, so a server that runs with the same
 * words goes on undisturbed. Main thread. */
#ifndef CAIRN_SERVER_CHECK_H
#define CAIRN_SERVER_CHECK_H

#include "server/config.h"
#include "server/loader.h"
#include "server/sandbox/sandbox.h"

/* Reads keys, loads the indexes of the configuration, and at last enters the sandbox: the process
 * has nothing left to do but to end. `program` is as in struct sandbox_needs. Would it start? False
 * too if nobody can read what was said. */
bool check_start(const struct config *config, struct loader *loader, struct trust *trust,
                 struct sandbox *sandbox, const char *program);

#endif
