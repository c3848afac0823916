/* What the tests of several modules feed them: indexes and archives in memory, made from words, and
 * records and packs on disk. The parts are real: the packer's own functions make them. What goes
 * wrong aborts the test. */
#ifndef CAIRN_TESTS_SAMPLES_H
#define CAIRN_TESTS_SAMPLES_H

#include "common/archive.h"
#include "common/index.h"
#include "packer/archive/archive_writer.h"
#include "packer/release/index_writer.h"

/* ---- in memory ---- */

/* Adds an entry for each word, a letter and a path: "F/a" a file, "I/a" one with a fingerprint in
 * its name, "N/a" the page for missing paths, "R/a" a redirect to /new/, "T/a" a tombstone (404),
 * "G/a" one that says gone (410). All files are of the one form. Words are separated by spaces. */
void sample_entries(struct index_writer *writer, const char *words,
                    const struct representation_input *form);

/* Finishes and frees the writer. The index has a mapping of its own, so that a use after its end is
 * a fault; the caller closes it with index_close(), or gives it to a site. */
struct index *sample_index(struct index_writer *writer, const struct index_properties *properties);

/* An archive of these bytes and zeros up to map_bytes, without a file and without a superblock that
 * anybody has checked. One reference, the caller's. */
struct archive *sample_archive(const void *bytes, size_t count, size_t map_bytes);

/* ---- on disk ---- */

/* Appends a record: kind, path and modified_s are the caller's, the rest is filled in. */
struct record sample_record(struct archive_writer *writer, struct record record,
                            const void *payload, size_t count);

/* The newest commit record of an archive on disk; returns where it ends. */
uint64_t sample_last_commit(const struct archive *archive, struct commit *out_commit);

/* Packs the folder "site" into an archive, without messages. */
void sample_pack(const char *archive_path);

/* The same, as an overlay. */
void sample_pack_overlay(const char *archive_path);

/* The same, signed with the private key in a file. */
void sample_pack_signed(const char *archive_path, const char *key_path);

/* Would a reader still take the index, if this byte were changed and its checksums made right? Not
 * if the byte is of a checksum. */
bool sample_may_forge(const char *index_path, size_t at);

/* What a forger can do without a key: changes the byte at `at` of the index of the newest release,
 * makes its checksums right again, and has the commit record name it. */
void sample_forge_index(const char *archive_path, const char *index_path, size_t at);

#endif
