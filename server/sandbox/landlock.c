#include "server/sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's header may be older than the kernel: names that came after version 1. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14)
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15)
#endif
#ifndef LANDLOCK_ACCESS_NET_BIND_TCP
#define LANDLOCK_ACCESS_NET_BIND_TCP    (1ULL << 0)
#define LANDLOCK_ACCESS_NET_CONNECT_TCP (1ULL << 1)
#endif
#ifndef LANDLOCK_SCOPE_SIGNAL
#define LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define LANDLOCK_SCOPE_SIGNAL               (1ULL << 1)
#endif

/* LANDLOCK_RULE_NET_PORT and its struct landlock_net_port_attr, of version 4. */
enum { RULE_NET_PORT = 2, NET_VERSION = 4 };
struct net_port_rule {
    uint64_t allowed_access;
    uint64_t port;
};

/* struct landlock_ruleset_attr as of version 6. An older kernel takes it as long as what it does
 * not know is zero. */
struct ruleset {
    uint64_t files;
    uint64_t net;
    uint64_t scoped;
};

enum { VERSION_1_RIGHTS = 13 };

static uint64_t rights_of_version(int version)
{
    uint64_t rights = (1ULL << VERSION_1_RIGHTS) - 1;
    rights |= version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    rights |= version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0;
    rights |= version >= 5 ? LANDLOCK_ACCESS_FS_IOCTL_DEV : 0;
    return rights;
}

int landlock_open(struct landlock *landlock, bool has_abstract_sockets)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 0) {
        return -errno;
    }
    struct ruleset rules = {.files = rights_of_version((int)version)};
    if (version >= NET_VERSION) {
        rules.net = LANDLOCK_ACCESS_NET_BIND_TCP | LANDLOCK_ACCESS_NET_CONNECT_TCP;
    }
    if (version >= 6) {
        rules.scoped = LANDLOCK_SCOPE_SIGNAL |
                       (has_abstract_sockets ? 0 : LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET);
    }
    long fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof rules, 0);
    if (fd < 0) {
        return -errno;
    }
    *landlock =
        (struct landlock){.version = (int)version, .rules_fd = (int)fd, .handled = rules.files};
    return 0;
}

static uint64_t access_of(unsigned rights)
{
    static const struct {
        unsigned right;
        uint64_t access;
    } accesses[] = {
        {LANDLOCK_READ, LANDLOCK_ACCESS_FS_READ_FILE},
        {LANDLOCK_LIST, LANDLOCK_ACCESS_FS_READ_DIR},
        {LANDLOCK_EXECUTE, LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE},
        {LANDLOCK_SOCKETS, LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_REMOVE_FILE},
        {LANDLOCK_WRITE, LANDLOCK_ACCESS_FS_WRITE_FILE},
        {LANDLOCK_MAKE, LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_WRITE_FILE},
    };
    uint64_t all = 0;
    for (size_t i = 0; i < ARRAY_COUNT(accesses); i++) {
        all |= (rights & accesses[i].right) != 0 ? accesses[i].access : 0;
    }
    return all;
}

/* The rights that a file can have; the others are a folder's, and refused for a file. */
static const uint64_t file_accesses = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                                      LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE |
                                      LANDLOCK_ACCESS_FS_IOCTL_DEV;

int landlock_allow(const struct landlock *landlock, const char *path, unsigned rights,
                   struct error *error)
{
    struct stat status;
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES)) {
        return 0; /* what cannot be reached needs no rule */
    }
    if (fd < 0 || fstat(fd, &status) != 0) {
        return error_set(error, -errno, "%s: %s", path, strerror(errno));
    }
    uint64_t possible = S_ISDIR(status.st_mode) ? UINT64_MAX : file_accesses;
    const struct landlock_path_beneath_attr rule = {
        .allowed_access = access_of(rights) & landlock->handled & possible,
        .parent_fd = fd,
    };
    long result =
        syscall(SYS_landlock_add_rule, landlock->rules_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    int number = errno;
    close(fd);
    return result == 0 ? 0 : error_set(error, -number, "%s: Landlock: %s", path, strerror(number));
}

int landlock_allow_port(const struct landlock *landlock, uint16_t port, struct error *error)
{
    const struct net_port_rule rule = {LANDLOCK_ACCESS_NET_CONNECT_TCP, port};
    if (landlock->version < NET_VERSION) {
        return 0;
    }
    long result = syscall(SYS_landlock_add_rule, landlock->rules_fd, RULE_NET_PORT, &rule, 0);
    return result == 0 ? 0
                       : error_set(error, -errno, "port %u: Landlock: %s", port, strerror(errno));
}

int landlock_enter(const struct landlock *landlock)
{
    return syscall(SYS_landlock_restrict_self, landlock->rules_fd, 0) == 0 ? 0 : -errno;
}

void landlock_close(struct landlock *landlock)
{
    if (landlock->rules_fd >= 0) {
        close(landlock->rules_fd);
        landlock->rules_fd = -1;
    }
}
