/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots of the table of ids: which one the next id gets, and when an id may be forgotten.
 *
 * A slot is free, or taken: for something live, for an id that has ended and is remembered, or by a
 * context that has yet to use it. Each context keeps the ids that ended with it in a queue, oldest
 * first. An id may be forgotten once `remember_ms` have passed since it ended, not counting the
 * time for which the engine was down before its last start (it is ripe then), and is when its slot
 * is needed: so the table remembers longer while it has room, and never shorter. A context looks
 * for a slot
 *
 *   1. in its stash: slots that it freed itself, of the draws of what it forgot
 *   2. with the hand that goes round the table in chunks of 64 slots, if there are free ones enough
 *      that the next chunks have some
 *   3. at the head of its own queue, if that is ripe
 *   4. with the hand, however few are free
 *
 * and else asks other contexts to share what they have free or ripe, or is refused. The cost of
 * each step is a few cache lines, but for 4, which is a walk over one line for every 64 slots. An
 * order over many pools sets its slots aside before it takes any stock, so that a refusal undoes
 * nothing.
 */
#ifndef STOCKD_ENGINE_STORE_SLOTS_H
#define STOCKD_ENGINE_STORE_SLOTS_H

#include "engine/store/id_table.h"

/* A slot that stands for nothing, busy: the caller's. NULL: slots_why_none says why. */
struct id_entry *slots_take(struct id_table *ids, struct id_cursor *cursor);
/* UNDECIDED: try again soon, something is in the way or was asked for. */
enum entry_found slots_why_none(struct id_table *ids, const struct id_cursor *cursor);

/* Sets so many slots aside for draws, before anything else is done for their order. ABSENT: they
 * are there; else none are, and why. What is not used is to be given back. */
enum entry_found slots_prepare(struct id_table *ids, struct id_cursor *cursor, uint32_t count);
void slots_unprepare(struct id_table *ids, struct id_cursor *cursor);
/* A slot for draws, owned as long as its reservation is remembered: one that was set aside, if
 * there is one. NULL as above. */
struct draws_entry *slots_take_draws(struct id_table *ids, struct id_cursor *cursor);
/* Frees a reservation's chain of draws, into the stash. */
void slots_free_draws(struct id_table *ids, struct id_cursor *cursor, uint32_t more);
/* Gives a slot back that was taken, is still busy, and is in no index. */
void slots_give_back(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry);
/* Lets the hand have a slot: its entry stands for nothing. */
void slots_release(struct id_table *ids, const struct id_entry *entry);
/* Takes a slot whatever it is; false if it was taken. For loading, and tombstones. */
bool slots_keep(struct id_table *ids, uint32_t number);
/* For loading: the slots below this number are taken; the hand goes on with the next. */
void slots_resume(struct id_table *ids, struct id_cursor *cursor, uint32_t number);

/* A reservation begins: for the metrics. */
void slots_begin(struct id_table *ids, const struct id_cursor *cursor);

/* What the entry stands for has ended: remembers when, and queues it. The caller owns it, it is in
 * no wheel, and its word is about to say so. */
void slots_end(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
               uint64_t word);
/* For loading: likewise, of what ended before; in their order. */
void slots_end_loaded(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry);
/* Takes an entry out of the queue again: when it is replayed, an id may end and be used anew. */
void slots_unend(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry);
/* At the start of an iteration: frees ripe ones for other contexts, if some context asked for them.
 */
void slots_share(struct id_table *ids, struct id_cursor *cursor);

/* The threads start: ids that ended before have been remembered up to `last_ms` only; that the
 * engine was down since then does not count. */
void id_table_started(struct id_table *ids, uint64_t last_ms, uint64_t now_ms);

/* ---- metrics; any thread ---- */

/* Entries from this number on have never stood for anything. */
uint32_t id_table_used(const struct id_table *ids);
uint64_t id_table_free(const struct id_table *ids);
uint64_t id_table_taken(const struct id_table *ids);
uint64_t id_table_remembered(const struct id_table *ids);
uint64_t id_table_live(const struct id_table *ids);
uint64_t id_table_added(const struct id_table *ids);
/* Before this engine time none may be forgotten; UINT64_MAX: none is remembered. */
uint64_t id_table_ripe_ms(const struct id_table *ids);
/* An id whose use ended up to here, in engine time, may have been forgotten. */
uint64_t id_table_forgotten_ms(const struct id_table *ids);
void id_table_note_forgotten(struct id_table *ids, uint64_t ended_ms);

/* One step of giving memory to the slots that the hand will come to next: as much again as is in
 * use, up to a limit. One thread, beside those that use the table. */
enum populated id_table_populate(struct id_table *ids);

#endif
