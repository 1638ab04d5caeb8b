/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slots of the id table: which one the next id gets, and when an id may be forgotten.
 *
 * A slot is free, or taken: for a live reservation, for an ended id that is remembered, or by a
 * context that has yet to use it. Each context queues the ids that ended with it, oldest first. An
 * id is ripe, and may be forgotten, once `remember_ms` have passed since it ended, not counting the
 * time for which the engine was down before its last start. It is forgotten when its slot is
 * needed: so the table remembers longer while it has room, and never shorter. A context looks for a
 * slot
 *
 *   1. in its stash: slots that it freed itself, from the draws of forgotten reservations
 *   2. with the hand, which goes round the table in chunks of 64 slots, if enough slots are free
 *      that the next chunks have some
 *   3. at the head of its own queue, if that is ripe
 *   4. with the hand, however few slots are free
 *
 * and otherwise asks other contexts to share what they have free or ripe, or is refused. Each step
 * costs a few cache lines, except 4, which walks over one line for every 64 slots. An order over
 * many pools sets its slots aside before it takes any stock, so that a refusal undoes nothing.
 */
#ifndef STOCKD_ENGINE_STORE_SLOTS_H
#define STOCKD_ENGINE_STORE_SLOTS_H

#include "engine/store/id_table.h"

/* Returns a busy slot that stands for nothing; the caller owns it. NULL: slots_why_none says
 * why. */
struct id_entry *slots_take(struct id_table *ids, struct id_cursor *cursor);
/* BUSY: try again soon; something is in the way, or other contexts were asked. */
enum entry_found slots_why_none(struct id_table *ids, const struct id_cursor *cursor);

/* Sets `count` slots aside for draws, before anything else happens for their order. ABSENT: done;
 * otherwise the reason, and none is set aside. The caller gives back what it does not use. */
enum entry_found slots_prepare(struct id_table *ids, struct id_cursor *cursor, uint32_t count);
void slots_unprepare(struct id_table *ids, struct id_cursor *cursor);
/* A slot for draws, owned as long as its reservation is remembered: one that was set aside, if any
 * is left. NULL as above. */
struct draws_entry *slots_take_draws(struct id_table *ids, struct id_cursor *cursor);
/* Frees a reservation's chain of draws into the stash. */
void slots_free_draws(struct id_table *ids, struct id_cursor *cursor, uint32_t more);
/* Gives back a taken slot that is still busy and not indexed. */
void slots_give_back(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry);
/* Frees a slot for the hand: its entry stands for nothing. */
void slots_release(struct id_table *ids, const struct id_entry *entry);
/* Takes that very slot; false if it was taken. For loading, and for tombstones. */
bool slots_keep(struct id_table *ids, uint32_t number);
/* For loading: the slots below this number are taken; the hand continues with the next. */
void slots_resume(struct id_table *ids, struct id_cursor *cursor, uint32_t number);

/* Counts a reservation that begins, for the metrics. */
void slots_begin(struct id_table *ids, const struct id_cursor *cursor);

/* Counts an id that is used, for its rate: of a supply, before it ends. */
void slots_added(struct id_table *ids, const struct id_cursor *cursor);

/* What the entry stands for has ended: records when, and queues the entry. The caller owns it, it
 * is in no wheel, and `word` is the final word that the caller is about to show. */
void slots_end(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
               uint64_t word);
/* For loading: queues an entry that ended earlier; call in the order of ending. */
void slots_end_loaded(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry);
/* Takes an entry out of the queue again: in replay an id may end and be used anew. */
void slots_unend(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry);
/* At the start of an iteration: frees ripe slots for other contexts, if any has asked for them. */
void slots_share(struct id_table *ids, struct id_cursor *cursor);

/* Call before the threads start: earlier ids have been remembered up to `last_ms` only; the time
 * since then, while the engine was down, does not count. */
void id_table_started(struct id_table *ids, uint64_t last_ms, uint64_t now_ms);

/* ---- metrics; any thread ---- */

/* Entries from this number on have never been used. */
uint32_t id_table_used(const struct id_table *ids);
uint64_t id_table_free(const struct id_table *ids);
uint64_t id_table_taken(const struct id_table *ids);
uint64_t id_table_remembered(const struct id_table *ids);
uint64_t id_table_live(const struct id_table *ids);
uint64_t id_table_added(const struct id_table *ids);
/* No id may be forgotten before this engine time; UINT64_MAX: none is remembered. */
uint64_t id_table_ripe_ms(const struct id_table *ids);
/* An id that ended up to this engine time may have been forgotten. */
uint64_t id_table_forgotten_ms(const struct id_table *ids);
void id_table_note_forgotten(struct id_table *ids, uint64_t ended_ms);

/* One step of populating memory for the slots that the hand reaches next: as much again as is in
 * use, up to a limit. One thread, beside those that use the table. */
enum populated id_table_populate(struct id_table *ids);

#endif
