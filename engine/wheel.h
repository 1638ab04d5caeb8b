/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines: one hierarchical timing wheel per seat (Varghese and Lauck, "Hashed and hierarchical
 * timing wheels", 1987), threaded through the entries themselves, so that it needs no memory of its
 * own and a hold that ends early costs nothing later.
 *
 * Who owns what: the buckets and the entries' wheel_next and wheel_prev belong to the seat's
 * thread. Another seat that ends a hold, or shortens it, cannot unlink it: it puts the entry into
 * the owner's mailbox, a stack of entries linked through mail_next (W1: pushed with release, taken
 * whole with acquire). `mailed` says that it is in there, so it is in there once.
 */
#ifndef STOCKD_ENGINE_WHEEL_H
#define STOCKD_ENGINE_WHEEL_H

#include "engine/entry.h"

enum { WHEEL_TICK_MS = 16, WHEEL_LEVELS = 4, WHEEL_SLOTS = 256 };

struct wheel {
    uint64_t tick;                              /* everything up to here has been moved to due */
    uint32_t count;                             /* entries linked */
    uint32_t heads[WHEEL_LEVELS * WHEEL_SLOTS]; /* entry number + 1 */
    uint32_t due[WHEEL_LEVELS];                 /* lists to be looked at */
    uint64_t occupied[WHEEL_SLOTS / 64];        /* which slots of the lowest level have entries */
    _Alignas(64) _Atomic uint32_t mail;         /* entry number + 1; any seat, W1 */
};

void wheel_init(struct wheel *wheel, uint64_t now_ms);

/* Links an entry that is in no wheel, to come up at its deadline or up to one tick later. */
void wheel_link(struct wheel *wheel, struct entries *entries, struct entry *entry,
                uint64_t deadline_ms);
void wheel_unlink(struct wheel *wheel, struct entries *entries, struct entry *entry);

/* Unlinks and returns an entry that may be due (look at its deadline; link it again if it is
 * not), or NULL if there is none up to now. */
struct entry *wheel_take_due(struct wheel *wheel, struct entries *entries, uint64_t now_ms);

/* When wheel_take_due next has something to do; UINT64_MAX: never. */
uint64_t wheel_next_ms(const struct wheel *wheel);

/* Any thread: true if the entry was not in the mailbox before. */
bool wheel_mail(struct wheel *wheel, struct entries *entries, struct entry *entry);

/* The owner: all entries of the mailbox, linked by wheel_mail_next; NULL if it is empty. */
struct entry *wheel_take_mail(struct wheel *wheel, struct entries *entries);
/* Takes one off that chain and returns the rest. It may be mailed again from here on. */
struct entry *wheel_mail_next(struct entries *entries, struct entry *entry);

#endif
