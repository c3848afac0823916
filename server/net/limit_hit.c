#include "net/limit_hit.h"

bool limit_is_counted(enum limit_id limit)
{
    return limit != LIMIT_ID_rate_ms && limit != LIMIT_ID_drain_ms && limit != LIMIT_ID_ranges &&
           limit != LIMIT_ID_event_ping_ms;
}

/* Two limits have the same status: a head with one field line more than there may be is refused
 * before its length is known. */
static enum limit_id head_limit(const struct turn *turn)
{
    const struct request *request = &turn->request;
    bool is_whole = request->head_bytes > 0;
    bool is_full = request->field_count == turn->limits->fields;
    return is_full && !is_whole ? LIMIT_ID_fields : LIMIT_ID_head_bytes;
}

void limit_hit_refused(struct turn *turn, unsigned status)
{
    switch (status) {
    case 413:
        limit_hit(turn, LIMIT_ID_body_bytes);
        break;
    case 414:
        limit_hit(turn, LIMIT_ID_target_bytes);
        break;
    case 431:
        limit_hit(turn, head_limit(turn));
        break;
    default: /* not by a limit */
        break;
    }
}

void limit_hit_expired(struct turn *turn, enum conn_state state)
{
    switch (state) {
    case CONN_NEW:
        limit_hit(turn, LIMIT_ID_first_byte_ms);
        break;
    case CONN_IDLE:
        limit_hit(turn, LIMIT_ID_idle_ms);
        break;
    case CONN_HEAD:
        limit_hit(turn, LIMIT_ID_head_ms);
        break;
    case CONN_BODY:
    case CONN_WRITING:
        limit_hit(turn, LIMIT_ID_body_rate);
        break;
    case CONN_LINGERING:
        limit_hit(turn, LIMIT_ID_linger_ms);
        break;
    default: /* the others have no time of their own */
        break;
    }
}

void limit_hit_admission(struct turn *turn, enum admission_result result)
{
    if (result != ADMITTED) {
        limit_hit(turn,
                  result == ADMISSION_FULL ? LIMIT_ID_connections : LIMIT_ID_address_connections);
    }
}
