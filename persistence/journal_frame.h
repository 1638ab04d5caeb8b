/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches and segments of an open journal: where the next batch is made, and which segment it is
 * written to. It performs no I/O. All of it is for the thread inside the lock `requests`, or the
 * only thread (J1), except the steady clock.
 */
#ifndef STOCKD_PERSISTENCE_JOURNAL_FRAME_H
#define STOCKD_PERSISTENCE_JOURNAL_FRAME_H

#include "persistence/journal_state.h"

/* The clocks of the options, or the system's. */
void journal_set_clocks(struct journal *journal, const struct journal_options *options);
uint64_t journal_wall_ms(const struct journal *journal);   /* never less than the last batch's */
uint64_t journal_steady_ms(const struct journal *journal); /* any thread */

/* Bytes that batches may still take in a segment. */
static inline uint64_t segment_room(const struct segment *segment)
{
    return segment_takes_batch(segment->bytes, segment->used);
}

/* The current segment must be left, its last batch does not say that the next one is there (F18),
 * and there is a block for one that does: only if the next one was late. */
static inline bool journal_must_lead_on(const struct journal *journal)
{
    const struct segment *current = &journal->current;
    return segment_room(current) < BATCH_ROOM_MIN && !journal->leads_on && current->fd >= 0 &&
           current->used < current->bytes;
}

/* Batches go to that segment from now on. */
void journal_use_segment(struct journal *journal, const struct segment *segment);

/* F20: the next batch lies in the next segment. */
static inline bool journal_must_leave(const struct journal *journal)
{
    return segment_room(&journal->current) < BATCH_ROOM_MIN && !journal_must_lead_on(journal);
}

/* READY -> current -> retired. */
void journal_take_next(struct journal *journal);

/* IDLE -> OPENING: the segment after the current one. */
void journal_begin_next(struct journal *journal);

/* Preallocation begins when the current segment is a quarter full, and runs at twice the current
 * segment's pace: it is done at three quarters, and never takes the disk for itself. */
bool journal_next_is_due(const struct journal *journal);

/* It has become READY. */
void journal_note_next(struct journal *journal);

/* The buffer of the next batch, which begins with the header. */
unsigned char *journal_buffer(const struct journal *journal);

/* Makes the batch of the `length` bytes of records in that buffer after the header; the caller
 * writes it at current.used - *span. flags: BATCH_LEAP or 0. */
void journal_frame(struct journal *journal, uint32_t length, uint32_t flags, uint32_t *span);

/* A batch that was made, or given, is the last one: it lies in the current segment. */
void journal_advance(struct journal *journal, const struct batch_header *batch);

#endif
