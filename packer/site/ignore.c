#include "packer/site/ignore.h"

#include "common/mem.h"

#include <stdlib.h>

/* One pattern, taken apart. */
struct pattern {
    struct slice glob;    /* without '!', and without a '/' at its start or end */
    bool is_negated;      /* what matches is packed after all */
    bool is_folders_only; /* it ended in '/' */
    bool is_path; /* it had another '/': matched from the folder, else against the last name */
};

/* The patterns of one file. */
struct group {
    char *folder;
    size_t folder_count; /* bytes */
    char *text;          /* what the patterns are slices of */
    struct pattern *patterns;
    size_t count;
    size_t capacity;
};

struct ignore {
    struct group *groups;
    size_t count;
    size_t capacity;
};

/* The classes of POSIX's C locale, whatever the locale. */
static bool is_in_class(struct slice name, unsigned char byte, bool *out_matches)
{
    bool is_lower = byte >= 'a' && byte <= 'z';
    bool is_upper = byte >= 'A' && byte <= 'Z';
    bool is_digit = byte >= '0' && byte <= '9';
    bool is_graph = byte > ' ' && byte < 0x7f;
    bool is_alnum = is_lower || is_upper || is_digit;
    const struct {
        struct slice name;
        bool matches;
    } classes[] = {
        {SLICE("alnum"), is_alnum},
        {SLICE("alpha"), is_lower || is_upper},
        {SLICE("blank"), byte == ' ' || byte == '\t'},
        {SLICE("cntrl"), byte < ' ' || byte == 0x7f},
        {SLICE("digit"), is_digit},
        {SLICE("graph"), is_graph},
        {SLICE("lower"), is_lower},
        {SLICE("print"), is_graph || byte == ' '},
        {SLICE("punct"), is_graph && !is_alnum},
        {SLICE("space"), byte == ' ' || (byte >= '\t' && byte <= '\r')},
        {SLICE("upper"), is_upper},
        {SLICE("xdigit"), is_digit || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F')},
    };
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (slice_equal(name, classes[i].name)) {
            *out_matches = classes[i].matches;
            return true;
        }
    }
    return false;
}

/* A set, "[...]", while it is read. */
struct set {
    struct slice glob;
    size_t at;
    unsigned char byte; /* is it in the set? */
    bool matches;
    const char *problem;
};

static const char unterminated[] = "a '[' without its ']'";

/* One byte of the set, '\' taken off. */
static unsigned char set_byte(struct set *set)
{
    if (set->at < set->glob.count && set->glob.bytes[set->at] == '\\') {
        set->at++;
    }
    if (set->at >= set->glob.count) {
        set->problem = unterminated;
        return 0;
    }
    return (unsigned char)set->glob.bytes[set->at++];
}

/* "[:name:]" at set->at. False if it only starts like one: then '[' is a byte like others. */
static bool set_class(struct set *set)
{
    struct slice rest = slice_after(set->glob, set->at);
    if (!slice_starts_with(rest, SLICE("[:"))) {
        return false;
    }
    const char *end = memchr(rest.bytes + 2, ']', rest.count - 2);
    if (end == NULL) {
        set->problem = unterminated;
        return true;
    }
    size_t count = (size_t)(end - rest.bytes);
    if (count < 3 || rest.bytes[count - 1] != ':') {
        return false;
    }
    bool matches = false;
    if (!is_in_class((struct slice){rest.bytes + 2, count - 3}, set->byte, &matches)) {
        set->problem = "an unknown class between '[:' and ':]'";
    }
    set->matches |= matches;
    set->at += count + 1;
    return true;
}

/* One member: a class, a byte, or a range. A '-' at either end of the set is a byte. */
static void set_member(struct set *set)
{
    if (set_class(set)) {
        return;
    }
    unsigned char low = set_byte(set);
    unsigned char high = low;
    struct slice rest = slice_after(set->glob, set->at);
    if (rest.count >= 2 && rest.bytes[0] == '-' && rest.bytes[1] != ']') {
        set->at++;
        high = set_byte(set);
    }
    set->matches |= set->byte >= low && set->byte <= high;
    /* what a range starts with is in the set even where the range is empty, "z-a" */
    set->matches |= set->byte == low;
}

/* Is `byte` in the set whose '[' stands at *at? *at moves behind the ']'. *out_problem is set where
 * the set is none. */
static bool set_matches(struct slice glob, size_t *at, unsigned char byte, const char **out_problem)
{
    struct set set = {glob, *at + 1, byte, false, NULL};
    struct slice rest = slice_after(glob, set.at);
    bool is_negated = rest.count > 0 && (rest.bytes[0] == '!' || rest.bytes[0] == '^');
    set.at += is_negated ? 1 : 0;
    do { /* a ']' that comes first is a member */
        set_member(&set);
        if (set.problem == NULL && set.at >= glob.count) {
            set.problem = unterminated;
        }
    } while (set.problem == NULL && glob.bytes[set.at] != ']');
    *out_problem = set.problem;
    *at = set.at + 1;
    return byte != '/' && set.matches != is_negated;
}

/* What a run of stars at the start of the rest of a pattern stands for. */
enum star {
    STAR_NAME,    /* bytes other than '/' */
    STAR_FOLDERS, /* "**" and a '/': any number of whole folders, none too */
    STAR_ALL,     /* "**" at the end of a path: everything below */
};

/* *at moves behind the stars, and behind the '/' of STAR_FOLDERS. */
static enum star read_star(struct slice glob, size_t *at)
{
    size_t start = *at;
    size_t end = start;
    while (end < glob.count && glob.bytes[end] == '*') {
        end++;
    }
    *at = end;
    bool is_whole = end - start >= 2 && (start == 0 || glob.bytes[start - 1] == '/');
    if (!is_whole || (end < glob.count && glob.bytes[end] != '/')) {
        return STAR_NAME;
    }
    if (end == glob.count) {
        return STAR_ALL;
    }
    *at = end + 1;
    return STAR_FOLDERS;
}

/* Does what stands at *at, no star, match the byte? *at moves behind it. The pattern is valid. */
static bool match_one(struct slice glob, size_t *at, unsigned char byte)
{
    const char *problem;
    switch (glob.bytes[*at]) {
    case '?':
        ++*at;
        return byte != '/';
    case '[':
        return set_matches(glob, at, byte, &problem);
    case '\\':
        ++*at;
        break;
    default:
        break;
    }
    return (unsigned char)glob.bytes[(*at)++] == byte;
}

/* Where to go on when a match fails: with the rest of the pattern, one step further on in the name.
 * A star that comes later can take whatever an earlier one of its kind could, so only the last of
 * each kind is kept, and the whole takes no more than |glob| * |name|^2 steps. */
struct retry {
    bool is_set;
    size_t glob_at;
    size_t name_at;
};

/* Moves the retry point on: over one byte of a name, or over one folder. */
static bool retry_advance(struct retry *retry, struct slice name, bool by_folder)
{
    if (!retry->is_set) {
        return false;
    }
    struct slice rest = slice_after(name, retry->name_at);
    size_t step = 1;
    if (by_folder) {
        const char *slash = rest.count == 0 ? NULL : memchr(rest.bytes, '/', rest.count);
        step = slash == NULL ? 0 : (size_t)(slash - rest.bytes) + 1;
    } else if (rest.count == 0 || rest.bytes[0] == '/') {
        step = 0;
    }
    retry->name_at += step;
    retry->is_set = step > 0;
    return retry->is_set;
}

/* The whole of the name against the whole of a valid pattern. */
static bool match(struct slice glob, struct slice name)
{
    struct retry in_name = {0};
    struct retry in_folders = {0};
    size_t glob_at = 0;
    size_t name_at = 0;
    while (glob_at < glob.count || name_at < name.count) {
        if (glob_at < glob.count && glob.bytes[glob_at] == '*') {
            enum star star = read_star(glob, &glob_at);
            if (star == STAR_ALL) {
                return true;
            }
            struct retry here = {true, glob_at, name_at};
            in_folders = star == STAR_FOLDERS ? here : in_folders;
            in_name = star == STAR_NAME ? here : (struct retry){0};
            continue;
        }
        if (glob_at < glob.count && name_at < name.count &&
            match_one(glob, &glob_at, (unsigned char)name.bytes[name_at])) {
            name_at++;
            continue;
        }
        const struct retry *retry = &in_name;
        if (!retry_advance(&in_name, name, false)) {
            retry = &in_folders;
            if (!retry_advance(&in_folders, name, true)) {
                return false;
            }
        }
        glob_at = retry->glob_at;
        name_at = retry->name_at;
    }
    return true;
}

/* Why a pattern can match nothing: git's documentation calls it invalid, and never says so. */
static const char *find_problem(struct slice glob)
{
    if (glob.count == 0) {
        return "a pattern without a name";
    }
    for (size_t at = 0; at < glob.count;) {
        if (glob.bytes[at] == '[') {
            const char *problem = NULL;
            set_matches(glob, &at, 0, &problem);
            if (problem != NULL) {
                return problem;
            }
        } else if (glob.bytes[at] == '\\') {
            if (at + 1 == glob.count) {
                return "a '\\' with nothing behind it";
            }
            at += 2;
        } else {
            at++;
        }
    }
    return NULL;
}

/* Takes a pattern apart whose '!' is off. */
static struct pattern pattern_of(struct slice text)
{
    struct pattern pattern = {.glob = text};
    struct slice *glob = &pattern.glob;
    if (glob->count > 0 && glob->bytes[glob->count - 1] == '/') {
        pattern.is_folders_only = true;
        glob->count--;
    }
    pattern.is_path = glob->count > 0 && memchr(glob->bytes, '/', glob->count) != NULL;
    if (glob->count > 0 && glob->bytes[0] == '/') {
        *glob = slice_after(*glob, 1);
    }
    return pattern;
}

/* `name` is the path below the folder of the pattern. */
static bool pattern_matches(const struct pattern *pattern, struct slice name, bool is_folder)
{
    if (pattern->is_folders_only && !is_folder) {
        return false;
    }
    if (!pattern->is_path) {
        const char *slash = memrchr(name.bytes, '/', name.count);
        name = slash == NULL ? name : slice_after(name, (size_t)(slash - name.bytes) + 1);
    }
    return match(pattern->glob, name);
}

/* Spaces at the end are no part of a pattern, unless a '\' stands before them. */
static struct slice without_spaces(struct slice line)
{
    size_t end = 0;
    for (size_t at = 0; at < line.count; at++) {
        if (line.bytes[at] == '\\' && at + 1 < line.count) {
            at++;
            end = at + 1;
        } else if (line.bytes[at] != ' ') {
            end = at + 1;
        }
    }
    return (struct slice){line.bytes, end};
}

static void add_problem(struct ignore_problems *problems, unsigned line, const char *why)
{
    if (problems->count == problems->capacity) {
        problems->capacity = mem_capacity(problems->capacity, problems->count + 1);
        problems->rows = mem_resize(problems->rows, problems->capacity, sizeof *problems->rows);
    }
    problems->rows[problems->count++] = (struct ignore_problem){line, why};
}

/* Returns NULL or why the line is not understood. */
static const char *add_line(struct group *group, struct slice line)
{
    if (line.count > 0 && line.bytes[line.count - 1] == '\r') {
        line.count--;
    }
    if (line.count > 0 && line.bytes[0] == '#') {
        return NULL;
    }
    line = without_spaces(line);
    if (line.count == 0) {
        return NULL;
    }
    bool is_negated = line.bytes[0] == '!';
    struct pattern pattern = pattern_of(slice_after(line, is_negated ? 1 : 0));
    pattern.is_negated = is_negated;
    const char *problem = find_problem(pattern.glob);
    if (problem != NULL) {
        return problem;
    }
    if (group->count == group->capacity) {
        group->capacity = mem_capacity(group->capacity, group->count + 1);
        group->patterns = mem_resize(group->patterns, group->capacity, sizeof *group->patterns);
    }
    group->patterns[group->count++] = pattern;
    return NULL;
}

struct ignore *ignore_new(void)
{
    return mem_zeroed(1, sizeof(struct ignore));
}

void ignore_free(struct ignore *ignore)
{
    if (ignore == NULL) {
        return;
    }
    for (size_t i = 0; i < ignore->count; i++) {
        free(ignore->groups[i].folder);
        free(ignore->groups[i].text);
        free(ignore->groups[i].patterns);
    }
    free(ignore->groups);
    free(ignore);
}

void ignore_add(struct ignore *ignore, struct slice folder, struct slice text,
                struct ignore_problems *problems)
{
    struct group group = {.folder = mem_string(folder.bytes, folder.count),
                          .folder_count = folder.count,
                          .text = mem_string(text.bytes, text.count)};
    struct slice rest = {group.text, text.count};
    if (slice_starts_with(rest, SLICE("\xef\xbb\xbf"))) {
        rest = slice_after(rest, 3);
    }
    for (unsigned line = 1; rest.count > 0; line++) {
        const char *end = memchr(rest.bytes, '\n', rest.count);
        size_t count = end == NULL ? rest.count : (size_t)(end - rest.bytes);
        const char *why = add_line(&group, (struct slice){rest.bytes, count});
        if (why != NULL) {
            add_problem(problems, line, why);
        }
        rest = slice_after(rest, count + 1);
    }
    if (ignore->count == ignore->capacity) {
        ignore->capacity = mem_capacity(ignore->capacity, ignore->count + 1);
        ignore->groups = mem_resize(ignore->groups, ignore->capacity, sizeof *ignore->groups);
    }
    ignore->groups[ignore->count++] = group;
}

/* The path below the group's folder; an empty one if the name is not in there. */
static struct slice name_below(const struct group *group, struct slice name)
{
    if (group->folder_count == 0) {
        return name;
    }
    struct slice folder = {group->folder, group->folder_count};
    if (name.count <= folder.count + 1 || name.bytes[folder.count] != '/' ||
        !slice_starts_with(name, folder)) {
        return SLICE("");
    }
    return slice_after(name, folder.count + 1);
}

bool ignore_matches(const struct ignore *ignore, struct slice name, bool is_folder)
{
    for (size_t i = ignore->count; i-- > 0;) {
        const struct group *group = &ignore->groups[i];
        struct slice below = name_below(group, name);
        for (size_t j = below.count == 0 ? 0 : group->count; j-- > 0;) {
            if (pattern_matches(&group->patterns[j], below, is_folder)) {
                return !group->patterns[j].is_negated;
            }
        }
    }
    return false;
}

const char *glob_problem(struct slice pattern)
{
    if (pattern.count > 0 && pattern.bytes[0] == '!') {
        return "a '!' means nothing here (a name that starts with one: \"\\!\")";
    }
    return find_problem(pattern_of(pattern).glob);
}

bool glob_matches(struct slice pattern, struct slice name)
{
    if (glob_problem(pattern) != NULL) {
        return false;
    }
    struct pattern parsed = pattern_of(pattern);
    for (size_t i = 1; i < name.count; i++) {
        if (name.bytes[i] == '/' && pattern_matches(&parsed, (struct slice){name.bytes, i}, true)) {
            return true;
        }
    }
    return name.count > 0 && pattern_matches(&parsed, name, false);
}
