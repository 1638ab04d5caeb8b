/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: the ring in memory through which every change passes to the journal.
 *
 * A position counts bytes since the data directory was created, and what was leapt over at a start
 * (docs/FILE_FORMAT.md says why). A record of n bytes at position p has the LSN p + n: where the
 * log is once the record is in it. So "durable up to LSN l" is one comparison, and an empty engine
 * is at LSN 0.
 *
 *   claim    any thread   fetch-add on the tail; gives the record its place in the order
 *   publish  that thread  copies the bytes, then release-stores the first word (L1)
 *   drain    one thread   acquire-loads first words (L1), takes whole records in order, zeroes the
 *                         ring behind itself and release-stores head (L2)
 *   room     any thread   acquire-loads head (L2) before it starts an operation
 *
 * L1: a drainer that sees a record's first word sees all of its bytes. L2: a thread that sees room
 * sees it zeroed, so an unpublished record's first word reads as zero.
 *
 * An operation claims at most LOG_RECORDS_PER_CHECK records of at most RECORD_MAX bytes, or more
 * that together are no longer. log_has_room keeps that much back for every context, so a claim
 * never has to wait; and `spare` bytes more, so that a context need not look before each operation:
 * the tail is in the cache of the thread that claimed last. Committing by storing the length last
 * follows Aeron's ring buffers (aeron_mpsc_rb.c).
 */
#ifndef STOCKD_ENGINE_LOG_LOG_H
#define STOCKD_ENGINE_LOG_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RECORD_MAX = 40960,        /* bytes; the largest record is a reserve with DRAWS_MAX draws */
    LOG_RECORDS_PER_CHECK = 4, /* claims between two checks for room */
};

/* The first eight bytes of each record, stored in one piece: a length of zero is "not yet". */
struct record_head {
    uint32_t length; /* bytes, including this head; a multiple of 8 */
    uint8_t type;    /* enum record_type */
    uint8_t flags;   /* per type */
    uint16_t client; /* index of the client's name; 0: none */
};

_Static_assert(sizeof(struct record_head) == 8, "stored as one 64-bit word");

/* Is shown all records in the order of the log, as they are drained, by whoever drains; before the
 * head is raised, so before anything of them is written or acknowledged. */
struct log_tap {
    void (*take)(void *context, const void *records, size_t length, uint64_t position);
    void *context; /* outlives the log's last drain */
};

struct log {
    _Alignas(64) _Atomic uint64_t tail; /* claimed up to; every context */
    _Alignas(64) _Atomic uint64_t head; /* drained up to; the drainer, release (L2) */
    _Alignas(64) _Atomic uint64_t
        acknowledged;                  /* replies up to here may leave; the journal, release */
    _Atomic bool failed;               /* the journal can no longer be written */
    _Alignas(64) unsigned char *bytes; /* const after init */
    size_t capacity;                   /* a power of two; const after init */
    size_t slack;                      /* kept back for claims between two checks; const */
    size_t spare; /* the part of it, per context, that claims may use before the last operation;
                     const */
    struct log_tap tap; /* take is NULL: none; const once a thread drains */
};

/* 0, or -ENOMEM / -EINVAL (capacity not a power of two or too small for that many contexts). */
int log_init(struct log *log, size_t capacity, unsigned contexts, uint64_t position);
void log_destroy(struct log *log);

/* Restarts an untouched log at the position where recovery ended. Before any other thread. */
void log_start_at(struct log *log, uint64_t position);

/* True if an operation may begin: its records are certain to fit. */
static inline bool log_has_room(const struct log *log)
{
    uint64_t tail = atomic_load_explicit(&log->tail, memory_order_relaxed);
    uint64_t head = atomic_load_explicit(&log->head, memory_order_acquire); /* L2 */
    return tail + log->slack <= head + log->capacity;
}

/*
 * The same, for a context that adds all that it claims to *claimed: it checks only when that
 * exceeds `spare`, and then resets it. Of all checks let L be the one that read the greatest tail.
 * What a context claimed behind that tail it claimed after its own last check, so it is at most
 * `spare` and one operation: all contexts together stay within the slack.
 */
static inline bool log_has_room_for(const struct log *log, uint64_t *claimed)
{
    if (*claimed <= log->spare)
        return true;
    if (!log_has_room(log))
        return false;
    *claimed = 0;
    return true;
}

/*
 * A log that follows another one: nothing is claimed in it, and one thread moves its positions.
 * log_follow_to comes before what lies up to there is applied: so a reader that has seen
 * any of it waits until that is acknowledged (ledger_shown_until). log_followed comes after all of
 * it is applied (L2): a reader of the head sees everything up to there.
 */
void log_follow_to(struct log *log, uint64_t position);
void log_followed(struct log *log);

/* Claims the next `length` bytes (a multiple of 8). Returns the position of their start.
 * Sequentially consistent: the claim is the point that orders a change (rules T, G). */
static inline uint64_t log_claim(struct log *log, uint32_t length)
{
    return atomic_fetch_add_explicit(&log->tail, length, memory_order_seq_cst);
}

/* Fills a claim; the record's head has its length. */
void log_publish(struct log *log, uint64_t position, const struct record_head *record);

/* Publishes a claim with a head alone: the bytes behind it read as zeroes (L2). */
void log_publish_head(struct log *log, uint64_t position, const struct record_head *head);

/* Moves whole published records, in order, at most max bytes, to buffer. Returns the bytes moved.
 * One thread at a time (the one that holds the journal's device). */
size_t log_drain(struct log *log, void *buffer, size_t max);

/* True if anything is claimed and not drained yet: log_drain may find it. Any thread. */
static inline bool log_has_claims(const struct log *log)
{
    return atomic_load_explicit(&log->tail, memory_order_acquire) !=
           atomic_load_explicit(&log->head, memory_order_acquire);
}

/* The position up to which everything is published, hence applied to its pools: a reader's "now". A
 * reservation may be shown a moment later; until then it is busy. */
static inline uint64_t log_head(const struct log *log)
{
    return atomic_load_explicit(&log->head, memory_order_acquire);
}

/* True for ever once the journal cannot be written. Acquire: the reason is visible too. */
static inline bool log_has_failed(const struct log *log)
{
    return atomic_load_explicit(&log->failed, memory_order_acquire);
}

static inline uint64_t log_acknowledged(const struct log *log)
{
    return atomic_load_explicit(&log->acknowledged, memory_order_acquire);
}

/* The position up to which records are drained and acknowledged. With a durability that requires
 * nothing, everything counts as acknowledged, even what is still in the ring. */
static inline uint64_t log_final(const struct log *log)
{
    uint64_t acknowledged = log_acknowledged(log), head = log_head(log);
    return acknowledged < head ? acknowledged : head;
}

#endif
