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
    KEY_ID_BYTES = 16,
    SIGNATURE_BYTES = 64, /* Ed25519, RFC 8032 */
    SIGNATURE_PAYLOAD_BYTES = 128,
    SIGNATURE_RECORD_BYTES = RECORD_HEADER_BYTES + SIGNATURE_PAYLOAD_BYTES,
};

#define RECORD_MAGIC UINT32_C(0x52524e43) /* "CNRR" */

enum record_kind {
    RECORD_CONTENT = 1,   /* the bytes of a file, and the path they were first packed for */
    RECORD_ALIAS = 2,     /* a path whose bytes another record holds */
    RECORD_GONE = 3,      /* a path that the release no longer has */
    RECORD_COMMIT = 4,    /* ends a release */
    RECORD_VARIANT = 5,   /* a coded form of a content; or, as identity, that none is worth it */
    RECORD_OPTIONS = 6,   /* how the release's index was made from its files, when that changed */
    RECORD_SIGNATURE = 7, /* of a release that is signed: right before its commit record */
};

/* How content is stored: as it is, or in a content coding (RFC 9110 §8.4.1). */
enum codec {
    CODEC_IDENTITY = 0,
    CODEC_GZIP = 1, /* RFC 1952 */
    CODEC_BR = 2,   /* RFC 7932 */
    CODEC_ZSTD = 3, /* RFC 8878 */
    CODEC_COUNT,
};

/* What was spent on a coded form; ordered. */
enum effort {
    EFFORT_NONE,
    EFFORT_FAST,
    EFFORT_DEFAULT,
    EFFORT_MAX,
    EFFORT_COUNT,
};

/* ---- index ---- */

#define INDEX_MAGIC                                                                                \
    "\x89"                                                                                         \
    "CRNI\r\n\x1a"

enum {
    INDEX_VERSION_MAJOR = 2,
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
    SECTION_RULES = 6,
};

enum section_flag {
    SECTION_OPTIONAL = 1, /* a reader that does not know it may pass over it */
};

enum entry_kind {
    ENTRY_FILE = 1,      /* has representations; status 200, or 404 or 410 where a rule says so */
    ENTRY_REDIRECT = 2,  /* status 301, 302, 303, 307 or 308; has a target */
    ENTRY_TOMBSTONE = 3, /* ends the search: status 404 or 410 */
};

enum entry_flag {
    ENTRY_IMMUTABLE = 1,  /* the name tells the content: older releases still answer for it */
    ENTRY_DERIVED = 2,    /* made by the packer from another file: not a file of the tree */
    ENTRY_ASK_RULES = 4,  /* a rule that depends on the request may win: ask them first */
    ENTRY_KEEP_QUERY = 8, /* of a redirect: the request's query is appended to the target */
    ENTRY_BY_RULE = 16,   /* made by a rule: one that is asked first wins without force */
    ENTRY_FLAGS_KNOWN =
        ENTRY_IMMUTABLE | ENTRY_DERIVED | ENTRY_ASK_RULES | ENTRY_KEEP_QUERY | ENTRY_BY_RULE,
};

enum { DIGEST_BYTES = 32 }; /* SHA-256, FIPS 180-4 */

/* One stored form of a file's content. Offsets in the archive are bytes, in the text units of 8. */
struct index_representation {
    uint64_t payload_offset; /* in the archive */
    uint64_t stored_bytes;
    uint32_t digest_at;    /* SHA-256 of the stored bytes, in the text */
    uint32_t head;         /* a row of the heads section */
    uint32_t modified_low; /* Unix time of the file as published, 40 bits; 0: unknown */
    uint8_t modified_high;
    uint8_t codec; /* enum codec */
    uint16_t reserved;
};
_Static_assert(sizeof(struct index_representation) == 32, "docs/format.md");

/* Where a redirect leads. */
struct index_target {
    uint32_t text_at; /* the value of Location, percent-encoded */
    uint32_t head;
    uint16_t bytes;
    uint16_t reserved[11];
};
_Static_assert(sizeof(struct index_target) == 32, "docs/format.md");

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
    union {
        struct index_representation first; /* of a file: identity */
        struct index_target target;        /* of a redirect */
    };
};
_Static_assert(sizeof(struct index_entry) == 64, "docs/format.md");

/* A part of response heads that many representations share: two runs of complete field lines, one
 * behind the other in the text. */
struct index_head {
    uint32_t text_at;
    uint16_t entity_bytes; /* describes the body: Content-Type, Content-Encoding; not on a 304 */
    uint16_t policy_bytes; /* Vary, Cache-Control and what a site adds: 200 and 304 alike */
    uint64_t reserved;
};
_Static_assert(sizeof(struct index_head) == 16, "docs/format.md");

enum rule_kind {
    RULE_ROUTE = 1,  /* where a path leads: a redirect, a rewrite, a page with a status */
    RULE_FIELDS = 2, /* field lines for answers that are no file's: missing paths, redirects */
};

enum rule_flag {
    RULE_FORCED = 1,     /* wins over what is there; else only for a path that is missing */
    RULE_NAVIGATION = 2, /* only for a browser that goes to a page, never for an asset */
    RULE_KEEP_QUERY = 4, /* the request's query is appended to the target */
    RULE_OVERRIDES = 8,  /* RULE_FIELDS: fields replace those of earlier rules; else they add */
    RULE_FLAGS_KNOWN = RULE_FORCED | RULE_NAVIGATION | RULE_KEEP_QUERY | RULE_OVERRIDES,
};

/* A rule that could not be resolved into entries. In order: the first that matches decides
 * (RULE_ROUTE), all that match apply (RULE_FIELDS). Texts are patterns and templates as
 * common/pattern.h reads them. */
struct index_rule {
    uint32_t pattern_at;
    uint32_t host_at;   /* a pattern for the request's host; empty: any */
    uint32_t query_at;  /* conditions, "key=value" joined by '&', a value of 0x02 is captured */
    uint32_t target_at; /* a template: the target, or the field lines */
    uint16_t pattern_bytes;
    uint16_t host_bytes;
    uint16_t query_bytes;
    uint16_t target_bytes;
    uint32_t head; /* of a redirect: a row of the heads section */
    uint16_t status;
    uint8_t kind;          /* enum rule_kind */
    uint8_t flags;         /* enum rule_flag */
    uint8_t pattern_flags; /* enum pattern_flag */
    uint8_t reserved[15];
};
_Static_assert(sizeof(struct index_rule) == 48, "docs/format.md");

static inline int64_t representation_modified_s(const struct index_representation *representation)
{
    return (int64_t)((uint64_t)representation->modified_high << 32 | representation->modified_low);
}

static inline uint64_t format_align(uint64_t offset)
{
    return (offset + FORMAT_ALIGNMENT - 1) & ~(uint64_t)(FORMAT_ALIGNMENT - 1);
}

#endif
