#include "admin/hosts.h"

#include "http/address.h"
#include "site/mount.h"

static bool is_numeric(struct slice name)
{
    struct ip_address address;
    return slice_starts_with(name, SLICE("[")) || ip_address_parse(name, &address);
}

/* RFC 6761 §6.3: resolvers of browsers never ask the network for these. */
static bool is_localhost(struct slice name)
{
    static const struct slice end = {".localhost", 10};
    return slice_equal(name, SLICE("localhost")) ||
           (name.count > end.count && slice_equal(slice_after(name, name.count - end.count), end));
}

bool admin_hosts_allow(const struct admin_hosts *hosts, struct slice host)
{
    char buffer[HOST_NAME_BYTES_MAX];
    struct slice name = host_name(host, buffer);
    if (host.count == 0 || is_numeric(name) || is_localhost(name)) {
        return true;
    }
    for (size_t i = 0; i < hosts->count && name.count > 0; i++) {
        if (slice_equal_ignoring_case(name, slice_of_string(hosts->names[i]))) {
            return true;
        }
    }
    return false;
}

bool admin_origin_is_own(struct slice origin, struct slice host)
{
    static const struct slice schemes[] = {{"http://", 7}, {"https://", 8}};
    for (size_t i = 0; i < ARRAY_COUNT(schemes); i++) {
        if (slice_starts_with(origin, schemes[i])) {
            return host.count > 0 &&
                   slice_equal_ignoring_case(slice_after(origin, schemes[i].count), host);
        }
    }
    return false;
}
