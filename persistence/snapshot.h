/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots: the contents of a ledger (engine/replay/contents.h) in a file. docs/FILE_FORMAT.md is
 * the same for people.
 *
 *   DIR/snapshot/00000000000012345678.snap  the ledger at that LSN, 20 digits
 *   DIR/snapshot/unfinished.tmp             an unfinished one; never read
 *   DIR/snapshot/lock                       locked by the compaction that makes one
 *   DIR/snapshot/readers                    locked, shared, by readers of segments after a snapshot
 *
 *   snapshot = header block, blocks of records, index, footer block; each begins at a multiple of
 *              4096
 *
 * Invariants (F1 to F18 are in persistence/format.h):
 *
 * S1  A snapshot is the ledger at the end of a sealed segment (S7), whose number it bears: the
 *     first batch after it is the first one of the next segment.
 * S2  It gets its name only after all of it is synced, and counts only after the directory is
 *     synced. Nothing that it covers is removed before that.
 * S3  It is whole only if header and footer are valid and belong together, the file is as long as
 *     the footer says, and the index has the checksum that the footer states. So a truncated one is
 *     never taken for valid.
 * S4  Each block of records has a checksum in the index, seeded with the header's, which covers
 *     directory, LSN and time. So several threads can judge blocks independently, and a block of
 *     another snapshot is not valid in this one.
 * S5  Records are whole within a block, and a block is of one kind. Kinds come in the order in
 *     which they are loaded.
 * S6  The two newest snapshots that can be loaded are kept, and all segments after the older one.
 *     So a damaged newest snapshot loses nothing. Only the holder of an exclusive lock on `readers`
 *     removes segments.
 * S7  A segment is sealed if the first batch of the next one, or of the one after that, is valid by
 *     itself and states (F6) that the last batch of it is durable. It is never written again,
 *     whatever the durability: the writer has left it, because the next one has a batch; and a
 *     start cuts off only what no header states durable (F8). Reading it needs no lock.
 * S8  The segment after a snapshot is there (persistence/snapshot_origin.h).
 */
#ifndef STOCKD_PERSISTENCE_SNAPSHOT_H
#define STOCKD_PERSISTENCE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/replay/contents.h"
#include "persistence/error.h"
#include "persistence/file.h"
#include "persistence/format.h"

enum {
    SNAPSHOT_VERSION = 3,
    SNAPSHOT_BLOCK_USUAL = 1 << 20, /* bytes; only a single longer record makes a longer block */
    SNAPSHOT_BLOCK_MAX = 256 << 20,
};

#define SNAPSHOT_MAGIC "SDSNAPS1"
#define SNAPSHOT_FOOTER_MAGIC "SDSNAPE1"
#define SNAPSHOT_UNFINISHED "unfinished.tmp"
#define SNAPSHOT_LOCK "lock"
#define SNAPSHOT_READERS "readers"

/* A position in the journal: after the last batch of a segment. */
struct journal_position {
    uint64_t directory_id;
    uint64_t lsn;
    uint64_t number;   /* of that batch; 0: none */
    uint64_t checksum; /* of that batch */
    uint64_t time_ms;  /* of that batch */
    uint64_t sequence; /* of its segment; 0: none */
};

/* The first bytes of the first block; the rest of it is zero. */
struct snapshot_header {
    char magic[8];
    uint32_t version;
    uint32_t block_bytes; /* 4096 */
    struct journal_position position;
    uint64_t created_ms; /* wall clock */
    uint64_t checksum;   /* XXH3 of the whole block with this field zero */
};

struct snapshot_block {
    uint64_t offset; /* in the file; a multiple of 4096 */
    uint32_t length; /* bytes of records */
    uint32_t kind;   /* enum contents_kind */
    uint32_t records;
    uint32_t zero;
    uint64_t checksum; /* XXH3 of the records, seeded with the header's checksum */
};

/* The first bytes of the last block; the rest of it is zero. */
struct snapshot_footer {
    char magic[8];
    uint64_t header; /* the header's checksum */
    uint64_t file_bytes;
    uint64_t index_offset;
    uint64_t block_count;    /* of struct snapshot_block in the index */
    uint64_t index_checksum; /* XXH3 of the index, seeded with the header's checksum */
    struct contents_totals totals;
    uint64_t checksum; /* XXH3 of the whole block with this field zero */
};

_Static_assert(sizeof(struct snapshot_header) == 80, "as in the file");
_Static_assert(sizeof(struct snapshot_block) == 32, "as in the file");
_Static_assert(sizeof(struct snapshot_footer) == 152, "as in the file");

/* ---- names ---- */

struct snapshot_name {
    char text[32];
};

struct snapshot_name snapshot_name(uint64_t lsn);

struct snapshot_list {
    uint64_t *lsns; /* ascending; owned */
    size_t count;
};

/* Lists the snapshots, by their names; without the directory there are none. 0, or -errno. */
int snapshot_list_read(struct snapshot_list *list, const struct file_ops *files,
                       const char *directory, struct error *why);
void snapshot_list_free(struct snapshot_list *list);

/* ---- writing ---- */

/* Writes it, syncs it, names it, and syncs the directory, which must exist (S2). *bytes: its size.
 * 0, or -errno and why. */
int snapshot_write(const struct file_ops *files, const char *directory,
                   const struct journal_position *position, uint64_t created_ms,
                   const struct ledger *ledger, uint64_t *bytes, struct error *why);

/* ---- reading ---- */

struct snapshot {
    const struct file_ops *files;
    int fd;
    struct snapshot_header header;
    struct snapshot_footer footer;
    struct snapshot_block *blocks; /* owned */
};

/* Opens it and judges header, footer and index (S3). 0; -EILSEQ: damaged; or another -errno. */
int snapshot_open(struct snapshot *snapshot, const struct file_ops *files, const char *directory,
                  uint64_t lsn, struct error *why);
void snapshot_close(struct snapshot *snapshot);

/* What to load it into; each may be NULL. */
struct snapshot_target {
    void *context;
    /* Returns an empty ledger, and drops what an earlier one had loaded; NULL: out of memory. */
    struct ledger *(*fresh)(void *context);
    /* Bytes of its file so far; in the calling thread. */
    void (*progress)(void *context, uint64_t done, uint64_t total);
};

/* Judges all blocks (S4), and loads them into the ledger (NULL: only judges them), with that many
 * threads. 0; -EILSEQ: damaged; -ENOSPC: a table is too small; or another -errno. */
int snapshot_load(const struct snapshot *snapshot, struct ledger *ledger,
                  const struct snapshot_target *target, unsigned threads, struct error *why);

#endif
