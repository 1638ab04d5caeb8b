/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines: one hierarchical timing wheel per context (Varghese and Lauck, "Hashed and
 * hierarchical timing wheels", 1987), linked through the entries themselves, so that it needs no
 * memory of its own and a hold that ends early costs nothing later.
 *
 * Ownership: the buckets and the entries' wheel_next and wheel_prev belong to the context's thread.
 * Another context that ends a hold, or shortens it, cannot unlink it: it puts the entry, which it
 * owns (E1), into the owner's inbox, a stack of entries linked through inbox_next (Q1: pushed with
 * release, taken whole with acquire, so that the links are seen).
 *
 * `in_inbox` says that the entry is in the inbox, so that it is there only once and its slot is not
 * reused. The thread that owns the entry reads and writes it. An entry stays `in_inbox` until the
 * wheel's context has taken it: one found busy goes back into the inbox unchanged.
 */
#ifndef STOCKD_ENGINE_STORE_WHEEL_H
#define STOCKD_ENGINE_STORE_WHEEL_H

#include "engine/store/id_table.h"

enum { WHEEL_TICK_MS = 16, WHEEL_LEVELS = 4, WHEEL_SLOTS = 256 };

struct wheel {
    uint64_t tick;                              /* everything up to here has been moved to due */
    uint32_t count;                             /* entries linked */
    uint32_t heads[WHEEL_LEVELS * WHEEL_SLOTS]; /* entry number + 1 */
    uint32_t due[WHEEL_LEVELS];                 /* lists to examine */
    uint64_t occupied[WHEEL_SLOTS / 64];        /* which slots of the lowest level have entries */
    _Alignas(64) _Atomic uint32_t inbox;        /* entry number + 1; any context, Q1 */
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* Links an entry that is in no wheel, so that it comes up at its deadline or up to one tick
 * later. */
void wheel_link(struct wheel *wheel, struct id_table *ids, struct id_entry *entry,
                uint64_t deadline_ms);
void wheel_unlink(struct wheel *wheel, struct id_table *ids, struct id_entry *entry);

/* Unlinks and returns an entry that may be due (check its deadline, and relink it if it is not), or
 * NULL if there is none up to now. */
struct id_entry *wheel_take_due(struct wheel *wheel, struct id_table *ids, uint64_t now_ms);

/* When wheel_take_due next has work; UINT64_MAX: never. */
uint64_t wheel_next_ms(const struct wheel *wheel);

/* Puts the entry into the inbox. Any thread that owns it. True if it was not there before. */
bool wheel_send(struct wheel *wheel, struct id_table *ids, struct id_entry *entry);

/* The wheel's thread: takes all entries of the inbox, linked by wheel_inbox_next; NULL if empty.
 * The caller takes each and clears its `in_inbox`, or sends it again. */
struct id_entry *wheel_take_inbox(struct wheel *wheel, struct id_table *ids);
/* The next on that chain. Read it before doing anything with the entry: after that the link is no
 * longer this thread's. */
struct id_entry *wheel_inbox_next(struct id_table *ids, const struct id_entry *entry);
/* Puts an entry back into the inbox: another context has it busy, and it is still `in_inbox`. */
void wheel_send_again(struct wheel *wheel, struct id_table *ids, struct id_entry *entry);
bool wheel_has_messages(const struct wheel *wheel);

#endif
