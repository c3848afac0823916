/* The bytes on disk, as docs/format.md specifies them: constants, and the structures that are used
 * straight from the mapping of an index. Everything else is decoded field by field (record.h,
 * index.c). Change this file and docs/format.md together, and with them a version. */
#ifndef CAIRN_COMMON_FORMAT_H
#define CAIRN_COMMON_FORMAT_H

#include "common/compiler.h"
#include "common/hash.h"

enum {
    UUID_BYTES = 16,
    MAGIC_BYTES = 8,
    FORMAT_ALIGNMENT = 64, /* of records, payloads and sections */
};

/* ---- archive ---- */

#define ARCHIVE_MAGIC                                                                              \
    "\x89"                                                                                         \
    "CRNA\r\n\x1a"

enum {
    ARCHIVE_VERSION_MAJOR = 1,
    ARCHIVE_VERSION_MINOR = 0,
    SUPERBLOCK_BYTES = 64,
    RECORD_HEADER_BYTES = 64,
    COMMIT_PAYLOAD_BYTES = 64,
    COMMIT_RECORD_BYTES = RECORD_HEADER_BYTES + COMMIT_PAYLOAD_BYTES,
    ALIAS_PAYLOAD_BYTES = 64,
};

#define RECORD_MAGIC UINT32_C(0x52524e43) /* "CNRR" */

enum record_kind {
    RECORD_CONTENT = 1, /* the bytes of a file, and the path they were first packed for */
    RECORD_ALIAS = 2,   /* a path whose bytes another record holds */
    RECORD_GONE = 3,    /* a path that the release no longer has */
    RECORD_COMMIT = 4,  /* ends a release */
};

enum codec {
    CODEC_IDENTITY = 0,
};

/* ---- index ---- */

#define INDEX_MAGIC                                                                                \
    "\x89"                                                                                         \
    "CRNI\r\n\x1a"

enum {
    INDEX_VERSION_MAJOR = 1,
    INDEX_VERSION_MINOR = 0,
    INDEX_HEADER_BYTES = 128,
    INDEX_SECTION_ROW_BYTES = 32,
    INDEX_SECTIONS_MAX = 32,
    INDEX_TEXT_UNIT = 8, /* text is addressed in units of 8 bytes: 32 GiB of it */
};

enum index_flag {
    INDEX_OVERLAY = 1, /* a part of a site: a path that it lacks is looked for in older releases */
    INDEX_FLAGS_KNOWN = INDEX_OVERLAY,
};

enum section_id {
    SECTION_HASH_FUNCTION = 1,
    SECTION_ENTRIES = 2,
    SECTION_REPRESENTATIONS = 3,
    SECTION_HEADS = 4,
    SECTION_TEXT = 5,
};

enum section_flag {
    SECTION_OPTIONAL = 1, /* a reader that does not know it may pass over it */
};

enum entry_kind {
    ENTRY_FILE = 1,      /* has representations; status 200 */
    ENTRY_REDIRECT = 2,  /* status 301; the target is its first head; the query is kept */
    ENTRY_TOMBSTONE = 3, /* ends the search: status 404 or 410 */
};

enum entry_flag {
    ENTRY_IMMUTABLE = 1, /* the name tells the content: older releases still answer for it */
    ENTRY_DERIVED = 2,   /* made by the packer from another file: not a file of the tree */
    ENTRY_FLAGS_KNOWN = ENTRY_IMMUTABLE | ENTRY_DERIVED,
};

/* One stored form of a file's content. Offsets in the archive are bytes, in the text units of 8. */
struct index_representation {
    uint64_t payload_offset; /* in the archive */
    uint64_t stored_bytes;
    uint32_t head_at;         /* its own part of the response head, in the text */
    uint32_t shared_head;     /* the other part: a row of the heads section */
    uint16_t head_bytes;      /* ETag, Last-Modified, Content-Length, each with CRLF */
    uint16_t validator_bytes; /* how much of that a 304 repeats: all before Content-Length */
    uint8_t codec;            /* enum codec */
    uint8_t etag_bytes;       /* the tag with its quotes, behind "ETag: " */
    uint16_t reserved;
};
_Static_assert(sizeof(struct index_representation) == 32, "docs/format.md");

/* One path, at the position that the hash function gives. A cache line. */
struct index_entry {
    struct hash128 path_hash;
    uint32_t path_at;    /* in the text */
    uint32_t more_first; /* its other representations: rows from here in their section */
    uint16_t path_bytes;
    uint16_t status;
    uint8_t kind;  /* enum entry_kind */
    uint8_t flags; /* enum entry_flag */
    uint8_t representation_count;
    uint8_t reserved;
    struct index_representation first; /* identity; of a redirect, only its heads */
};
_Static_assert(sizeof(struct index_entry) == 64, "docs/format.md");

/* A part of response heads that many representations share: two runs of complete field lines, one
 * behind the other in the text. */
struct index_head {
    uint32_t text_at;
    uint16_t entity_bytes; /* describes the body: Content-Type; not repeated by a 304 */
    uint16_t policy_bytes; /* Accept-Ranges, Cache-Control: 200 and 304 alike */
    uint64_t reserved;
};
_Static_assert(sizeof(struct index_head) == 16, "docs/format.md");

/* `ETag: ` stands before the tag in a representation's own head. */
enum { ETAG_FIELD_BYTES = 6 };

static inline uint64_t format_align(uint64_t offset)
{
    return (offset + FORMAT_ALIGNMENT - 1) & ~(uint64_t)(FORMAT_ALIGNMENT - 1);
}

#endif
