/* server/live_reload/live-reload.js, as the build has put it into the program. */
#ifndef CAIRN_HTTP_LIVE_SCRIPT_H
#define CAIRN_HTTP_LIVE_SCRIPT_H

#include "common/slice.h"

extern const struct slice live_script;

#endif
