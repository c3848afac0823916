#include "packer/watch/quiet.h"

void quiet_note(struct quiet *quiet, int64_t now_ms, bool is_removal)
{
    if (!quiet->is_waiting) {
        quiet->is_waiting = true;
        quiet->first_ms = now_ms;
    }
    int64_t due_ms = now_ms + (is_removal ? QUIET_REMOVED_MS : QUIET_MS);
    int64_t latest_ms = quiet->first_ms + QUIET_LONGEST_MS;
    quiet->due_ms = due_ms < latest_ms ? due_ms : latest_ms;
}

int64_t quiet_wait_ms(const struct quiet *quiet, int64_t now_ms)
{
    if (!quiet->is_waiting) {
        return -1;
    }
    return now_ms < quiet->due_ms ? quiet->due_ms - now_ms : 0;
}

void quiet_end(struct quiet *quiet)
{
    quiet->is_waiting = false;
}
