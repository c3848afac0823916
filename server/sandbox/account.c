#include "server/sandbox/account.h"

#include "common/mem.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A number that is no user or group yet can still be meant: containers have such. The last one is
 * what system calls take for "leave it". */
static bool parse_id(const char *text, unsigned *out_id)
{
    char *end;
    errno = 0;
    unsigned long id = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || id >= UINT32_MAX) {
        return false;
    }
    *out_id = (unsigned)id;
    return true;
}

/* Who is not there is told by any of these, or by none (getpwnam(3)); everything else is a data
 * base that cannot be asked. */
static bool is_failure(int number)
{
    return number != 0 && number != ENOENT && number != ESRCH && number != EBADF && number != EPERM;
}

static int look_up_failed(const char *text, struct error *error)
{
    return error_set(error, -errno, "--user: %s: %s", text, strerror(errno));
}

static int find_group(const char *text, gid_t *out_gid, struct error *error)
{
    unsigned id;
    errno = 0;
    const struct group *group = getgrnam(text);
    if (group == NULL && is_failure(errno)) {
        return look_up_failed(text, error);
    }
    if (group == NULL && !parse_id(text, &id)) {
        return error_set(error, ERR_USAGE, "--user: there is no group %s", text);
    }
    *out_gid = group != NULL ? group->gr_gid : id;
    return 0;
}

static int find_user(const char *text, bool has_group, struct account *out_account,
                     struct error *error)
{
    unsigned id = 0;
    errno = 0;
    const struct passwd *user = getpwnam(text);
    int number = user == NULL ? errno : 0;
    bool is_number = user == NULL && parse_id(text, &id);
    if (is_number && !is_failure(number)) {
        errno = 0;
        user = getpwuid(id);
        number = user == NULL ? errno : 0;
    }
    if (is_failure(number)) {
        errno = number;
        return look_up_failed(text, error);
    }
    if (user == NULL && !is_number) {
        return error_set(error, ERR_USAGE, "--user: there is no user %s", text);
    }
    if (user == NULL && !has_group) {
        return error_set(error, ERR_USAGE, "--user: user %s has no group; say %s:GROUP", text,
                         text);
    }
    *out_account = (struct account){.uid = user == NULL ? id : user->pw_uid};
    if (user != NULL) {
        out_account->gid = user->pw_gid;
        out_account->name = has_group ? NULL : mem_string(user->pw_name, strlen(user->pw_name));
    }
    return 0;
}

int account_find(const char *text, struct account *out_account, struct error *error)
{
    const char *colon = strchr(text, ':');
    char *user = mem_string(text, colon == NULL ? strlen(text) : (size_t)(colon - text));
    struct account account;
    int status = find_user(user, colon != NULL, &account, error);
    free(user);
    if (status == 0 && colon != NULL) {
        status = find_group(colon + 1, &account.gid, error);
    }
    if (status == 0) {
        *out_account = account;
    }
    return status;
}

static bool is_current(const struct account *account)
{
    uid_t uid, effective_uid, saved_uid;
    gid_t gid, effective_gid, saved_gid;
    return getresuid(&uid, &effective_uid, &saved_uid) == 0 &&
           getresgid(&gid, &effective_gid, &saved_gid) == 0 && uid == account->uid &&
           effective_uid == uid && saved_uid == uid && gid == account->gid &&
           effective_gid == gid && saved_gid == gid;
}

/* No way back: neither to root nor to root's group. */
static bool is_final(const struct account *account)
{
    return (account->uid == 0 || (setuid(0) != 0 && seteuid(0) != 0)) &&
           (account->uid == 0 || account->gid == 0 || (setgid(0) != 0 && setegid(0) != 0));
}

int account_become(const struct account *account, struct error *error)
{
    if (geteuid() != 0) {
        return is_current(account)
                   ? 0
                   : error_set(error, -EPERM,
                               "--user: only root can become another user; this is user %lu with "
                               "group %lu, and %lu:%lu is wanted",
                               (unsigned long)geteuid(), (unsigned long)getegid(),
                               (unsigned long)account->uid, (unsigned long)account->gid);
    }
    int groups = account->name != NULL ? initgroups(account->name, account->gid)
                                       : setgroups(1, &account->gid);
    if (groups != 0 || setresgid(account->gid, account->gid, account->gid) != 0 ||
        setresuid(account->uid, account->uid, account->uid) != 0) {
        return error_set(error, -errno, "--user: %s", strerror(errno));
    }
    if (!is_current(account) || !is_final(account)) {
        return error_set(error, -EPERM, "--user: the system lets this process become root again");
    }
    return 0;
}

void account_fini(struct account *account)
{
    free(account->name);
    *account = (struct account){0};
}
