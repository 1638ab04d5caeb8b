/* SPDX-License-Identifier: Apache-2.0 */
/* What the operations on supplies share: the context's memory for one, finding it, showing it, and
 * what a step does to its lines. */
#ifndef STOCKD_ENGINE_OPS_SUPPLY_H
#define STOCKD_ENGINE_OPS_SUPPLY_H

#include "engine/ledger/ledger.h"
#include "engine/ledger/supply.h"
#include "engine/log/record.h"
#include "engine/store/item.h"
#include "engine/store/item_map.h"
#include "engine/store/supply_lines.h"
#include "engine/txn/txn.h"

/* What has come of supplies at a place, and is promised. */
struct come {
    int32_t on_hand, reserved;
};

/* One supply, or one step of it, in progress; or the look at an item's stock; or a sale. */
struct supply_work {
    uint32_t line_count;
    struct line_entry *lines[LINES_MAX]; /* an existing supply's, in its entry's blocks */
    struct line_entry fresh[LINES_MAX];  /* a new one's */
    uint32_t items[LINES_MAX];           /* per line */
    struct item_map map;                 /* lines by their items */
    uint32_t move_count;
    struct move_record moves[LINES_MAX];
    uint16_t move_of[LINES_MAX]; /* per line: the move that changes it, + 1; 0: none */
    struct time_record times[LINES_MAX];
    struct supply_line_view views[LINES_MAX];
    char id[ID_MAX], ref[NAME_MAX_BYTES];
    struct come come[LOCATIONS_MAX]; /* of one item */
    /* Of a sale, whose lines are in `items` and `fresh`. */
    bool missing[LINES_MAX]; /* the item has been counted there since it was sold */
    struct movement_outcome outcomes[LINES_MAX];
    struct sold_line_view sold[LINES_MAX];
};

/* ---- checks ---- */

/* Checks what needs no catalogue. least: of each quantity. */
enum code check_supply_lines(struct ctx *ctx, const struct supply_line *lines, uint32_t count,
                             int64_t least);
enum code check_supply_step(struct ctx *ctx, const struct supply_step *step, int64_t least);
/* An ETA lies in the future. */
enum code check_eta(struct ctx *ctx, uint64_t eta_ms);

uint64_t mix_supply_lines(uint64_t so_far, const struct supply_line *lines, uint32_t count);

/* ---- finding and showing ---- */

/* Takes the supply as what the transaction changes, once, and lists its lines. */
enum code supply_hold(struct ctx *ctx, struct txn *t, struct text id);
/* Lists the lines of an owned supply in the context's work. */
void supply_list(struct ctx *ctx, const struct id_entry *entry);
enum code supply_wrong_state(struct ctx *ctx, const struct txn *t, const char *wanted);
/* The line of that item; or bad_request. */
enum code supply_find_line(struct ctx *ctx, uint32_t index, struct text sku, uint32_t *line);

enum code supply_pool_is_full(struct ctx *ctx, uint32_t item, uint16_t location);
enum code supply_no_pool(struct ctx *ctx, uint32_t item);
/* Sets slots aside: what follows cannot fail for lack of them. */
enum code supply_prepare_slots(struct ctx *ctx, uint32_t blocks);

/* Fills a fresh entry, but for its blocks and LSNs. */
static inline void supply_fill(struct id_entry *entry, uint64_t content, uint64_t time_ms,
                               uint64_t eta_ms, uint16_t from, uint16_t location)
{
    entry->content = content;
    entry->watched_ms = time_ms;
    entry->eta_ms = eta_ms;
    entry->from = from;
    entry->location = location;
}

/* The slot of a line's pool of expected units. */
static inline uint16_t supply_slot(const struct items *items, uint32_t unit)
{
    return expected_slot(key_owner(pool_read_key(pool_at(items, unit))));
}

void view_supply(struct ctx *ctx, const struct id_entry *entry, uint64_t word,
                 struct supply_view *view);

/* ---- steps ---- */

/* The move of a line, of which there is one in a step. */
struct move_record *supply_move(struct supply_work *w, uint32_t line);

/* What becomes of the units of an arrival: within what was expected, or beyond it. */
struct arrival {
    uint32_t accepted, rejected; /* expected units */
    uint32_t over, over_rejected;
};

static inline struct arrival arrival_of(const struct line_entry *line, const struct move_record *m)
{
    uint32_t left = line_under_way(line);
    uint32_t accepted = m->qty < left ? m->qty : left;
    uint32_t rejected = m->rejected < left - accepted ? m->rejected : left - accepted;
    return (struct arrival){ accepted, rejected, m->qty - accepted, m->rejected - rejected };
}

/* Does the move to the line of an owned supply, which has its new ETA, and lowers what the line's
 * pool expects: the pools have changed. */
void supply_settle_line(const struct items *items, const struct id_entry *entry,
                        struct line_entry *line, enum record_type type,
                        const struct move_record *move);
/* Notes what an arrival brings to the place as a recent change; before it is settled. */
void supply_note_recent(struct ctx *ctx, const struct id_entry *entry,
                        const struct line_entry *line, const struct move_record *move,
                        uint64_t time_ms);
/* A shared pool's unit, of the item at a place; UINT32_MAX: there is none. */
uint32_t shared_unit(const struct items *items, uint32_t item, uint16_t location);

/* After a step of that type: shows the supply in the state that its lines lead to, and puts it; if
 * it is over, ends it and gives up its pools. If the step has withdrawn the last that could be, the
 * state word keeps that, so that asking for it again is no error. */
enum supply_state supply_settle(struct ctx *ctx, struct id_entry *entry, uint64_t word,
                                enum record_type type);

/* Gives an owned supply, whose lines are listed, another ETA. times: per line. */
void supply_reschedule(struct ctx *ctx, struct id_entry *entry, uint64_t lsn, uint64_t eta_ms,
                       uint64_t time_ms, const struct time_record *times);

/* Fills a fresh entry with a completed step of the supply, of which both are owned, and puts the
 * step. Its blocks were set aside. False: there are too few (only in replay). */
bool remember_supply_step(struct ctx *ctx, struct id_entry *op, uint64_t content, uint64_t lsn,
                          const struct id_entry *supply, enum supply_state state, uint32_t id_len);
/* The first result again of a step. */
void repeat_supply_step(struct ctx *ctx, const struct txn *t, struct text id,
                        struct supply_view *view);

#endif
