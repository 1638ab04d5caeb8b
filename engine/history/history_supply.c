/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the records of supplies tell: for each line, the pools that it changed.
 *
 * Events describe pools as `stock` shows them. So an arrival has two events, units that leave the
 * expected pool and units that enter the shared one, although the ledger keeps promised units where
 * they are; and a sweep, which changes nothing that `stock` shows, has none.
 */
#include <errno.h>

#include "engine/history/history_inside.h"
#include "engine/ops/supply.h"

/* ---- telling ---- */

static const char *kind_of(const struct history_supply *supply)
{
    return supply->from ? "in_transit" : "expected";
}

/* What every event of it says. */
static void describe(struct taking *taking, const struct history_supply *supply)
{
    taking->event.state = supply_state_name(supply->state);
    taking->event.eta_ms = supply->eta_ms;
}

static int tell_own(struct taking *taking, const struct history_supply *supply,
                    const struct history_line *line, int64_t qty)
{
    struct pool_key own = history_expected(supply, line);
    taking->event.kind = kind_of(supply); /* a query by id knows no more */
    int error = history_tell_pool(taking, &own, qty);
    taking->event.kind = NULL;
    return error;
}

static bool asks_line(const struct history *history, const struct history_line *line)
{
    struct pool_key any = history_shared(line->item, 0);
    return !history_knows_pools(history) || history_asks_pool(history, &any);
}

/* Of an id, pools are not known. */
static int change(struct taking *taking, struct pool_key key, struct history_change change)
{
    if (!history_knows_pools(taking->history))
        return 0;
    return history_change_pool(taking->history, &key, change);
}

static int change_and_tell(struct taking *taking, struct pool_key key, struct history_change by,
                           int64_t qty)
{
    int error = change(taking, key, by);
    return error ? error : history_tell_pool(taking, &key, qty);
}

/* So many units of the line are under way from now on. */
static int begin_own(struct taking *taking, const struct history_supply *supply,
                     const struct history_line *line, int64_t qty)
{
    struct pool_key key = history_expected(supply, line);
    int error = change(taking, key, (struct history_change){ .on_hand = qty, .expected = qty });
    if (error)
        return error;
    if (history_knows_pools(taking->history))
        history_pool_of(taking->history, &key)->supply = supply;
    return tell_own(taking, supply, line, qty);
}

/* Answers a query for the step's own id, which knows nothing of the supply and its pools. */
static int tell_op(struct taking *taking, const struct supply_step_fields *f)
{
    for (uint16_t i = 0; i < f->fixed.line_count; i++)
        taking->event.qty += f->moves[i].qty;
    return history_tell(taking, &taking->event);
}

/* ---- a new supply ---- */

static int begin_line(struct taking *taking, const struct history_supply *supply,
                      const struct history_line *line, bool left)
{
    struct pool_key from = history_shared(line->item, (uint16_t)(supply->from - 1));
    struct pool_key to = history_shared(line->item, supply->location);
    int64_t qty = line->line.qty;
    if (supply->state == SUPPLY_HELD)
        return change_and_tell(taking, from, (struct history_change){ .reserved = qty }, qty);
    int error = 0;
    if (supply->from && !left)
        error = change_and_tell(taking, from, (struct history_change){ .on_hand = -qty }, -qty);
    if (error)
        return error;
    if (supply->state == SUPPLY_ARRIVED)
        return change_and_tell(taking, to, (struct history_change){ .on_hand = qty }, qty);
    return begin_own(taking, supply, line, qty);
}

static struct history_line line_of(const struct supply_line_record *r, enum supply_state state)
{
    struct history_line line = { .item = r->item, .slot = r->slot, .line = { .qty = r->qty } };
    if (state != SUPPLY_HELD)
        line.line.shipped = r->qty;
    if (state == SUPPLY_ARRIVED)
        line.line.accepted = r->qty;
    return line;
}

static bool asks_supply(const struct history *history, const struct supply_fields *f)
{
    bool asks = history->filter.subject == HISTORY_ALL || history_asks_id(history, f->id);
    for (uint16_t i = 0; !asks && i < f->fixed.line_count; i++) {
        struct pool_key any = history_shared(f->lines[i].item, 0);
        asks = history_asks_pool(history, &any);
    }
    return asks;
}

static bool supply_can_be(const struct taking *taking, const struct supply_fields *f)
{
    unsigned state = taking->record->flags;
    bool good = f->fixed.line_count >= 1 && f->fixed.line_count <= LINES_MAX &&
                state >= SUPPLY_HELD && state <= SUPPLY_ARRIVED &&
                (f->fixed.from != 0 || state == SUPPLY_IN_TRANSIT);
    for (uint16_t i = 0; good && i < f->fixed.line_count; i++)
        good = f->lines[i].slot < EXPECTED_SLOTS;
    return good;
}

int history_begin_supply(struct taking *taking, struct text id, const struct history_supply *head,
                         const struct history_line *lines, uint32_t count, bool left)
{
    struct history *history = taking->history;
    const struct history_supply *supply = history_add_supply(history, id, head, lines, count);
    if (!supply)
        return -ENOMEM;
    describe(taking, supply);
    int error = 0;
    for (uint32_t i = 0; i < supply->line_count && !error; i++)
        if (asks_line(history, &supply->lines[i]))
            error = begin_line(taking, supply, &supply->lines[i], left);
    if (supply_over(supply->state))
        history_drop_supply(history, supply);
    return error;
}

static int take_supply(struct taking *taking)
{
    struct supply_fields f;
    struct history *history = taking->history;
    struct history_line lines[LINES_MAX];
    if (!supply_decode(taking->record, &f) || !supply_can_be(taking, &f))
        return -EILSEQ;
    if (!asks_supply(history, &f))
        return 0;
    struct history_supply head = { .eta_ms = f.fixed.eta_ms,
                                   .from = f.fixed.from,
                                   .location = f.fixed.location,
                                   .state = (enum supply_state)taking->record->flags };
    for (uint16_t i = 0; i < f.fixed.line_count; i++)
        lines[i] = line_of(&f.lines[i], head.state);
    taking->event.type = head.from ? "transfer" : "expect";
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.id = f.id;
    taking->event.ref = f.ref;
    return history_begin_supply(taking, f.id, &head, lines, f.fixed.line_count, false);
}

/* ---- steps ---- */

/* What is promised may have become a promise of what is on hand, with no change of that. */
static int tell_shared(struct taking *taking, const struct pool_key *key, int64_t qty,
                       int64_t reserved)
{
    bool same = qty == 0;
    if (same && history_knows_pools(taking->history)) {
        const struct history_pool *pool = history_pool_of(taking->history, key);
        same = pool && pool->reserved + pool->come_reserved == reserved;
    }
    return same ? 0 : history_tell_pool(taking, key, qty);
}

static int64_t shared_reserved(const struct taking *taking, const struct pool_key *key)
{
    if (!history_knows_pools(taking->history))
        return 0;
    const struct history_pool *pool = history_pool_of(taking->history, key);
    return pool ? pool->reserved + pool->come_reserved : 0;
}

/* An arrival, or the withdrawal of what is expected from outside: so many come to an end, and of
 * them that many have come. */
static int end_units(struct taking *taking, const struct history_supply *supply,
                     const struct history_line *line, const struct move_record *m,
                     struct arrival came)
{
    bool arrives = taking->record->type == RECORD_ARRIVE;
    int64_t gone = arrives ? (int64_t)came.rejected + m->lost : m->qty;
    int64_t ended = came.accepted + gone, swept = m->swept;
    struct pool_key own = history_expected(supply, line);
    struct pool_key shared = history_shared(line->item, supply->location);
    struct pool_key damaged = { line->item, supply->location, owner_of(POOL_DAMAGED, 0) };
    int64_t reserved = shared_reserved(taking, &shared);
    int error = change(taking, own,
                       (struct history_change){ .on_hand = -gone - swept, .expected = -ended });
    if (!error)
        error = change(taking, shared, (struct history_change){ .on_hand = came.over + swept });
    if (!error && ended > 0)
        error = tell_own(taking, supply, line, -ended);
    if (!error)
        error = tell_shared(taking, &shared, (int64_t)came.accepted + came.over, reserved);
    if (!error && m->rejected > 0)
        error = change_and_tell(taking, damaged, (struct history_change){ .on_hand = m->rejected },
                                m->rejected);
    return error;
}

static int ship_units(struct taking *taking, const struct history_supply *supply,
                      const struct history_line *line, const struct move_record *m)
{
    struct pool_key from = history_shared(line->item, (uint16_t)(supply->from - 1));
    struct pool_key to = history_shared(line->item, supply->location);
    int64_t qty = m->qty;
    int error = change_and_tell(taking, from,
                                (struct history_change){ .on_hand = -qty, .reserved = -qty }, -qty);
    if (error)
        return error;
    if (supply->eta_ms != 0)
        return begin_own(taking, supply, line, qty);
    return change_and_tell(taking, to, (struct history_change){ .on_hand = qty }, qty);
}

static int move_units(struct taking *taking, const struct history_supply *supply,
                      const struct move_record *m, struct arrival came)
{
    const struct history_line *line = &supply->lines[m->line];
    struct pool_key from = history_shared(line->item, (uint16_t)(supply->from - 1));
    int64_t qty = m->qty;
    if (!asks_line(taking->history, line))
        return 0;
    if (taking->record->type == RECORD_SHIP)
        return ship_units(taking, supply, line, m);
    if (taking->record->type == RECORD_WITHDRAW && supply->from)
        return change_and_tell(taking, from, (struct history_change){ .reserved = -qty }, qty);
    return end_units(taking, supply, line, m, came);
}

/* Does to the line what the step does. False: more than there is of it. */
static bool settle_line(const struct taking *taking, const struct history_supply *supply,
                        struct history_line *of, const struct move_record *m, struct arrival *came)
{
    struct line_entry *line = &of->line;
    uint32_t left = line_under_way(line);
    *came = (struct arrival){ 0 };
    switch (taking->record->type) {
    case RECORD_SHIP:
        if (!supply->from || m->qty > line_held(line) || m->slot >= EXPECTED_SLOTS)
            return false;
        line->shipped += m->qty;
        line->accepted += supply->eta_ms == 0 ? m->qty : 0;
        of->slot = m->slot;
        return true;
    case RECORD_ARRIVE:
        *came = arrival_of(line, m);
        line->accepted += m->qty;
        line->rejected += m->rejected;
        line->over += came->over + came->over_rejected;
        line->lost += m->lost;
        return m->lost <= left - came->accepted - came->rejected;
    default:
        line->qty -= m->qty;
        line->shipped -= supply->from ? 0 : m->qty;
        return m->qty <= (supply->from ? line_held(line) + m->qty : left);
    }
}

static enum supply_state state_of(const struct history_supply *supply)
{
    bool held = false, shipped = false;
    for (uint32_t i = 0; i < supply->line_count; i++) {
        const struct line_entry *line = &supply->lines[i].line;
        if (line_under_way(line) > 0)
            return SUPPLY_IN_TRANSIT;
        held |= line_held(line) > 0;
        shipped |= line->shipped > 0;
    }
    if (held)
        return supply->state;
    return shipped ? SUPPLY_ARRIVED : SUPPLY_WITHDRAWN;
}

/* Changes all lines before it emits an event, because the events carry the resulting state. */
static int take_moves(struct taking *taking, struct history_supply *supply,
                      const struct supply_step_fields *f)
{
    struct arrival came[LINES_MAX];
    if (f->fixed.line_count > supply->line_count)
        return -EILSEQ;
    supply->eta_ms = f->fixed.eta_ms;
    for (uint16_t i = 0; i < f->fixed.line_count; i++)
        if (f->moves[i].line >= supply->line_count ||
            !settle_line(taking, supply, &supply->lines[f->moves[i].line], &f->moves[i], &came[i]))
            return -EILSEQ;
    supply->state = state_of(supply);
    describe(taking, supply);
    int error = 0;
    for (uint16_t i = 0; i < f->fixed.line_count && !error; i++)
        error = move_units(taking, supply, &f->moves[i], came[i]);
    if (supply_over(supply->state))
        history_drop_supply(taking->history, supply);
    return error;
}

static int take_step(struct taking *taking)
{
    static const char *const types[] = {
        [RECORD_SHIP] = "ship", [RECORD_ARRIVE] = "arrive", [RECORD_WITHDRAW] = "withdraw"
    };
    struct supply_step_fields f;
    if (!supply_step_decode(taking->record, &f))
        return -EILSEQ;
    struct history_supply *supply = history_find_supply(taking->history, f.id);
    taking->event.type = types[taking->record->type];
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.id = f.id;
    taking->event.op = f.op;
    taking->event.eta_ms = f.fixed.eta_ms;
    if (supply && f.fixed.line_count > 0)
        return take_moves(taking, supply, &f);
    bool asked = history_asks_id(taking->history, f.id) || history_asks_id(taking->history, f.op);
    return asked ? tell_op(taking, &f) : 0;
}

/* ---- what changes no units ---- */

/* Tells it of all that has not come yet, also of what is held. */
static int tell_all(struct taking *taking, const struct history_supply *supply)
{
    int error = 0;
    for (uint32_t i = 0; i < supply->line_count && !error; i++) {
        const struct history_line *line = &supply->lines[i];
        struct pool_key from = history_shared(line->item, (uint16_t)(supply->from - 1));
        if (!asks_line(taking->history, line))
            continue;
        if (line_under_way(&line->line) > 0)
            error = tell_own(taking, supply, line, line_under_way(&line->line));
        if (!error && line_held(&line->line) > 0)
            error = history_tell_pool(taking, &from, line_held(&line->line));
    }
    return error;
}

static int take_reschedule(struct taking *taking)
{
    struct reschedule_fields f;
    if (!reschedule_decode(taking->record, &f))
        return -EILSEQ;
    struct history_supply *supply = history_find_supply(taking->history, f.id);
    taking->event.type = "reschedule";
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.id = f.id;
    taking->event.op = f.op;
    taking->event.eta_ms = f.fixed.eta_ms;
    if (supply) {
        supply->eta_ms = f.fixed.eta_ms;
        describe(taking, supply);
        return tell_all(taking, supply);
    }
    bool asked = history_asks_id(taking->history, f.op);
    return asked ? history_tell(taking, &taking->event) : 0;
}

/* That a supply has come within a channel's horizon is nothing that happened to it. */
static int take_due(struct taking *taking)
{
    struct due_fields f;
    if (!due_decode(taking->record, &f))
        return -EILSEQ;
    const struct history_supply *supply = history_find_supply(taking->history, f.id);
    if (!supply)
        return 0;
    taking->history->concerned = true;
    taking->event.type = "late";
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.id = f.id;
    describe(taking, supply);
    return f.fixed.late ? tell_all(taking, supply) : 0;
}

/* Nothing that is shown changes: see above. */
static int take_sweep(struct taking *taking)
{
    struct sweep_fields f;
    if (!sweep_decode(taking->record, &f))
        return -EILSEQ;
    if (owner_kind(f.fixed.pool.owner) == POOL_OWED || taking->record->flags & SWEEP_PAYS)
        return history_take_debt_sweep(taking, &f);
    if (owner_kind(f.fixed.pool.owner) != POOL_EXPECTED)
        return -EILSEQ;
    if (!history_asks_pool(taking->history, &f.fixed.pool))
        return 0;
    taking->history->concerned = true;
    struct pool_key shared = history_shared(f.fixed.pool.item, f.fixed.pool.location);
    int64_t delta = f.fixed.delta;
    int error = change(taking, f.fixed.pool, (struct history_change){ .on_hand = delta });
    return error ? error : change(taking, shared, (struct history_change){ .on_hand = -delta });
}

bool history_supply_of_others(const struct history *history, const struct record_head *record)
{
    struct sweep_fields f;
    switch (record->type) {
    case RECORD_SHIP:
    case RECORD_ARRIVE:
    case RECORD_WITHDRAW:
    case RECORD_RESCHEDULE:
    case RECORD_DUE:
        return history->supplies.count == 0;
    case RECORD_SWEEP:
        return sweep_decode(record, &f) && f.fixed.pool.item != history->filter.item;
    default:
        return false;
    }
}

int history_take_supply(struct taking *taking)
{
    switch (taking->record->type) {
    case RECORD_SUPPLY:
        return take_supply(taking);
    case RECORD_RESCHEDULE:
        return take_reschedule(taking);
    case RECORD_SWEEP:
        return take_sweep(taking);
    case RECORD_DUE:
        return take_due(taking);
    default:
        return take_step(taking);
    }
}
