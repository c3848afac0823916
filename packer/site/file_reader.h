/* Reads one file of a site directory that must not change meanwhile: it has to be what the walk
 * saw when it is opened, and the same when it has been read. */
#ifndef CAIRN_PACKER_FILE_READER_H
#define CAIRN_PACKER_FILE_READER_H

#include "common/error.h"
#include "packer/site/file_state.h"

#include <stddef.h>

struct file_reader {
    int fd;
    char *path; /* owned */
    struct file_state state;
};

/* Opens root/name. ERR_CHANGED if it is not in `state` any more. file_reader_close() in any case.
 */
int file_reader_open(const char *root, const char *name, const struct file_state *state,
                     struct file_reader *out_reader, struct error *error) CAIRN_MUST_CHECK;
void file_reader_close(struct file_reader *reader);

/* Fills `buffer` with exactly `count` bytes from `offset`; ERR_CHANGED if there are fewer. */
int file_reader_read(const struct file_reader *reader, uint64_t offset, void *buffer, size_t count,
                     struct error *error) CAIRN_MUST_CHECK;

/* Nobody wrote to it since it was opened, or ERR_CHANGED. */
int file_reader_check(const struct file_reader *reader, struct error *error) CAIRN_MUST_CHECK;

/* ERR_CHANGED, with the sentence. */
int file_reader_changed(const struct file_reader *reader, struct error *error);

#endif
