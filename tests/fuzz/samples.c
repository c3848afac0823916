#include "samples.h"

#include "common/mem.h"
#include "fuzz.h"
#include "packer/add.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- files ---- */

enum { ROOTS_MAX = 4, FOLDERS_OPEN = 16 };

static char *roots[ROOTS_MAX];
static pid_t owner; /* of the roots: a child that ends leaves them alone */
static size_t names;

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

void fuzz_remove(const char *path)
{
    FUZZ_CHECK(nftw(path, remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT);
}

static int count_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)path;
    (void)status;
    (void)kind;
    names += where->level > 0;
    return 0;
}

size_t fuzz_names_below(const char *path)
{
    names = 0;
    FUZZ_CHECK(nftw(path, count_one, FOLDERS_OPEN, FTW_PHYS) == 0);
    return names;
}

static void remove_roots(void)
{
    for (size_t i = 0; i < ROOTS_MAX && getpid() == owner; i++) {
        if (roots[i] != NULL) {
            (void)nftw(roots[i], remove_one, FOLDERS_OPEN, FTW_DEPTH | FTW_PHYS);
        }
    }
}

static char *new_root(void)
{
    const char *place = getenv("TMPDIR");
    if (place == NULL) {
        place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    }
    char *root = mem_format("%s/cairn-fuzz-XXXXXX", place);
    FUZZ_CHECK(mkdtemp(root) != NULL);
    size_t i = 0;
    while (i < ROOTS_MAX && roots[i] != NULL) {
        i++;
    }
    FUZZ_CHECK(i < ROOTS_MAX);
    if (i == 0) {
        owner = getpid();
        FUZZ_CHECK(atexit(remove_roots) == 0);
    }
    roots[i] = root;
    return root;
}

char *fuzz_scratch(unsigned depth)
{
    char *folder = mem_format("%s", new_root());
    for (unsigned i = 0; i < depth; i++) {
        char *deeper = mem_format("%s/%u", folder, i);
        FUZZ_CHECK(mkdir(deeper, 0700) == 0);
        free(folder);
        folder = deeper;
    }
    return folder;
}

static void make_folders(char *path)
{
    for (char *at = strchr(path + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        FUZZ_CHECK(mkdir(path, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
}

void fuzz_write(const char *folder, const char *name, const void *bytes, size_t count)
{
    const struct timespec times[2] = {{.tv_sec = 1600000000}, {.tv_sec = 1600000000}};
    char *path = mem_format("%s/%s", folder, name);
    make_folders(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_CHECK(fd >= 0);
    FUZZ_CHECK(write(fd, bytes, count) == (ssize_t)count);
    FUZZ_CHECK(futimens(fd, times) == 0);
    close(fd);
    free(path);
}

uint8_t *fuzz_read(const char *path, size_t *out_count)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    FUZZ_CHECK(fd >= 0 && fstat(fd, &status) == 0);
    uint8_t *bytes = mem_zeroed((size_t)status.st_size, 1);
    FUZZ_CHECK(read(fd, bytes, (size_t)status.st_size) == status.st_size);
    close(fd);
    *out_count = (size_t)status.st_size;
    return bytes;
}

FILE *fuzz_nowhere(void)
{
    static FILE *nowhere;
    if (nowhere == NULL) {
        nowhere = fopen("/dev/null", "w");
        FUZZ_CHECK(nowhere != NULL);
    }
    return nowhere;
}

/* ---- a site ---- */

uint8_t *fuzz_noise(size_t count)
{
    uint8_t *bytes = mem_zeroed(count, 1);
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1103515245 + 12345;
        bytes[i] = (uint8_t)(state >> 16);
    }
    return bytes;
}

static void write_text(const char *folder, const char *name, const char *text)
{
    fuzz_write(folder, name, text, strlen(text));
}

static void write_style(const char *folder)
{
    char *text = mem_zeroed(1, 1);
    for (int i = 0; i < 40; i++) {
        char *longer = mem_format("%s.class-%d { margin: %dpx; color: #%06x }\n", text, i, i % 7,
                                  i * 123457 % 0xffffff);
        free(text);
        text = longer;
    }
    write_text(folder, "site/style.css", text);
    free(text);
}

void fuzz_write_site(const char *folder)
{
    static const struct {
        const char *name;
        const char *text;
    } files[] = {
        {"site/index.html", "<!doctype html><title>home</title>\n"},
        {"site/404.html", "<!doctype html><title>not here</title>\n"},
        {"site/docs/index.html", "<title>docs</title>\n"},
        {"site/docs/404.html", "<title>not in the docs</title>\n"},
        {"site/docs/a b.html", "<title>a space in its name</title>\n"},
        {"site/page.html", "<title>a page</title>\n"},
        {"site/copy.html", "<title>a page</title>\n"},
        {"site/app.3f9a8b7c6d5e4f30.js", "console.log('fingerprint')\n"},
        {"site/empty.txt", ""},
        {"site/_redirects", "/old/* /new/:splat 301\n/news/:year/:name /docs/?y=:year 302\n"
                            "/find q=:q /page?query=:q 307\n/app/* /index.html 200\n"
                            "/secret/* /404.html 404\n/page/x https://b.example/ 308\n"
                            "/forced /page 302!\n"},
        {"site/_headers", "/*\n  X-All: yes\n/docs/*\n  X-Docs: :splat\n  Cache-Control: no-cache\n"
                          "/page\n  ! X-All\n  Link: </style.css>; rel=preload\n"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(files); i++) {
        write_text(folder, files[i].name, files[i].text);
    }
    write_style(folder);
}

int fuzz_pack(const char *folder, bool is_overlay, struct error *error)
{
    FUZZ_CHECK(setenv("SOURCE_DATE_EPOCH", "1650000000", 1) == 0);
    char *directory = mem_format("%s/site", folder);
    char *archive = mem_format("%s/site.cairn", folder);
    struct site_options site;
    site_options_init(&site);
    site.overlay = is_overlay;
    const struct add_options options = {.site_directory = directory,
                                        .archive_path = archive,
                                        .site = &site,
                                        .thread_count = 1,
                                        .quiet = true,
                                        .messages = fuzz_nowhere()};
    struct add_result result;
    int status = add_release(&options, &result, error);
    if (status == 0) {
        add_result_fini(&result);
    }
    site_options_fini(&site);
    free(directory);
    free(archive);
    return status;
}

static void pack(const char *folder, bool is_overlay)
{
    struct error error = {""};
    if (fuzz_pack(folder, is_overlay, &error) != 0) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
}

static void remove_below(const char *folder, const char *name)
{
    char *path = mem_format("%s/%s", folder, name);
    fuzz_remove(path);
    free(path);
}

void fuzz_pack_releases(const char *folder)
{
    fuzz_write_site(folder);
    pack(folder, false);
    write_text(folder, "site/index.html", "<!doctype html><title>home again</title>\n");
    write_text(folder, "site/moved.html", "<title>docs</title>\n");
    remove_below(folder, "site/docs/index.html");
    pack(folder, false);
    write_text(folder, "site/new.txt", "new\n");
    remove_below(folder, "site/page.html");
    remove_below(folder, "site/docs");
    pack(folder, true);
}

/* ---- memory ---- */

static void reserve(struct guarded *guarded, size_t count)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (guarded->start != NULL && count <= guarded->capacity) {
        return;
    }
    if (guarded->start != NULL) {
        FUZZ_CHECK(munmap(guarded->start - page, guarded->capacity + 2 * page) == 0);
    }
    guarded->capacity = (mem_capacity(page, count) + page - 1) / page * page;
    uint8_t *map =
        mmap(NULL, guarded->capacity + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FUZZ_CHECK(map != MAP_FAILED);
    guarded->start = map + page;
    FUZZ_CHECK(mprotect(guarded->start, guarded->capacity, PROT_READ | PROT_WRITE) == 0);
}

uint8_t *guarded_at_end(struct guarded *guarded, const void *bytes, size_t count)
{
    reserve(guarded, count);
    uint8_t *at = guarded->start + (guarded->capacity - count);
    if (count > 0) {
        memcpy(at, bytes, count);
    }
    return at;
}

uint8_t *guarded_at_start(struct guarded *guarded, const void *bytes, size_t count)
{
    reserve(guarded, count);
    if (count > 0) {
        memcpy(guarded->start, bytes, count);
    }
    return guarded->start;
}

/* ---- edits ---- */

static void part_reserve(struct part *part, size_t count)
{
    if (count > part->capacity) {
        part->capacity = mem_capacity(part->capacity, count);
        part->bytes = mem_resize(part->bytes, part->capacity, 1);
    }
}

void part_set(struct part *part, const void *bytes, size_t count)
{
    part->count = 0;
    part_insert(part, 0, bytes, count);
}

void part_insert(struct part *part, size_t at, const void *bytes, size_t count)
{
    FUZZ_CHECK(at <= part->count);
    if (count == 0) {
        return;
    }
    part_reserve(part, part->count + count);
    memmove(part->bytes + at + count, part->bytes + at, part->count - at);
    memcpy(part->bytes + at, bytes, count);
    part->count += count;
}

void part_cut(struct part *part, size_t at, size_t count)
{
    FUZZ_CHECK(at <= part->count && count <= part->count - at);
    if (count > 0) {
        memmove(part->bytes + at, part->bytes + at + count, part->count - at - count);
        part->count -= count;
    }
}

static uint32_t take_u24(struct slice *input)
{
    uint32_t low = fuzz_take_byte(input);
    uint32_t middle = fuzz_take_byte(input);
    return low | middle << 8 | (uint32_t)fuzz_take_byte(input) << 16;
}

static size_t take_place(const struct part *part, struct slice *input)
{
    uint32_t place = take_u24(input);
    return part->count == 0 ? 0 : place % part->count;
}

static size_t at_most(size_t count, size_t most)
{
    return count < most ? count : most;
}

/* A number of 1, 2, 4 or 8 bytes, or what the number there is, plus it: lengths and offsets that
 * are nearly right are the ones that matter. */
static void edit_number(struct part *part, size_t at, struct slice *input, unsigned width,
                        bool is_sum)
{
    uint64_t value = 0;
    uint64_t old = 0;
    width = (unsigned)at_most(width, part->count - at);
    for (unsigned i = 0; i < width; i++) {
        value |= (uint64_t)fuzz_take_byte(input) << 8 * i;
    }
    memcpy(&old, part->bytes + at, width);
    value += is_sum ? old : 0;
    memcpy(part->bytes + at, &value, width);
}

/* Bytes of the part to another place of it: over what is there, or between. */
static void edit_copy(struct part *part, size_t at, struct slice *input, bool inserts)
{
    size_t from = take_place(part, input);
    size_t count = at_most(fuzz_take_byte(input), part->count - from);
    uint8_t copy[UINT8_MAX];
    memcpy(copy, part->bytes + from, count);
    if (inserts) {
        part_insert(part, at, copy, count);
    } else {
        memcpy(part->bytes + at, copy, at_most(count, part->count - at));
    }
}

static void edit_text(struct part *part, size_t at, struct slice *input, bool inserts)
{
    size_t count = at_most(fuzz_take_byte(input), input->count);
    if (inserts) {
        part_insert(part, at, input->bytes, count);
    } else if (part->count > at) {
        memcpy(part->bytes + at, input->bytes, at_most(count, part->count - at));
    }
    *input = slice_after(*input, count);
}

void part_edit(struct part *part, struct slice *input, bool may_resize)
{
    unsigned operation = fuzz_take_byte(input);
    size_t at = take_place(part, input);
    bool is_other = (operation & 8) != 0;
    if (part->count == 0 && (operation & 7) != 5) {
        return;
    }
    switch (operation & 7) {
    case 4:
        edit_copy(part, at, input, is_other && may_resize);
        break;
    case 5:
        edit_text(part, at, input, is_other && may_resize);
        break;
    case 6:
        if (may_resize) {
            part_cut(part, at, at_most(take_u24(input), part->count - at));
        }
        break;
    case 7:
        part->bytes[at] ^= (uint8_t)(1u << (operation >> 3 & 7));
        break;
    default:
        edit_number(part, at, input, 1u << (operation & 3), is_other);
        break;
    }
}

/* ---- allocations ---- */

/* The sanitizers' hooks; not there without them. */
extern int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void *,
                                                                         size_t),
                                                     void (*free_hook)(const volatile void *))
    __attribute__((weak));

static size_t allocation_most;

static void on_malloc(const volatile void *memory, size_t count)
{
    (void)memory;
    FUZZ_CHECK(count <= allocation_most);
}

static void on_free(const volatile void *memory)
{
    (void)memory;
}

void fuzz_limit_allocations(size_t most)
{
    bool is_first = allocation_most == 0;
    allocation_most = most;
    if (is_first && __sanitizer_install_malloc_and_free_hooks != NULL) {
        FUZZ_CHECK(__sanitizer_install_malloc_and_free_hooks(on_malloc, on_free) != 0);
    }
}
