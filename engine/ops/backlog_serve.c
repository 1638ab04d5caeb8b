/* SPDX-License-Identifier: Apache-2.0 */
/* Serving a backlog. Each round looks at all reservations that are listed, and serves those that
 * were made first. */
#include "engine/ops/backlog.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ops/redrawing.h"
#include "engine/ops/reservation.h"
#include "engine/sourcing/backlog_claims.h"
#include "engine/store/backlog.h"

enum { EARLIEST = 64, CLASSES = 16, ROUNDS = 256 };

/* Whom the same units serve: reservations of one channel, for one place or any. */
struct class
{
    uint32_t unit; /* of the backlog pool */
    uint16_t channel;
    bool pickup;
};

/* Who comes first. Of one reservation, what one place alone may serve, before what any may. */
struct turn {
    uint64_t lsn;   /* of the reservation: when it was made */
    uint32_t place; /* its index + 1; above all others: any */
};

/* A reservation with units on a backlog pool. */
struct waiting {
    struct turn turn;
    uint32_t number;
    struct class class;
    bool alone; /* some place has rejected it: it is in no class */
    /* Others that were made before found nothing: it is served only as long as the item has had so
     * many gives, since what comes now may be theirs. */
    bool behind;
    uint32_t gives;
};

struct serving {
    uint32_t item;
    uint32_t count;
    struct waiting at[EARLIEST]; /* the earliest, in their order */
    bool more;                   /* there are others behind them */
    struct turn after;           /* those up to there were tried */
    uint32_t gives;              /* of the item, when the round began */
    bool vain;                   /* one of them found nothing */
    uint32_t class_count;
    struct class in_vain[CLASSES]; /* classes that nothing is there for */
};

/* ---- who is next ---- */

static bool before(struct turn a, struct turn b)
{
    return a.lsn != b.lsn ? a.lsn < b.lsn : a.place < b.place;
}

static bool same_class(const struct class *a, const struct class *b)
{
    return a->unit == b->unit && a->channel == b->channel && a->pickup == b->pickup;
}

static bool waits_in_vain(const struct serving *s, const struct waiting *w)
{
    for (uint32_t i = 0; !w->alone && i < s->class_count; i++)
        if (same_class(&s->in_vain[i], &w->class))
            return true;
    return false;
}

static void note_in_vain(struct serving *s, const struct waiting *w)
{
    if (!w->alone && s->class_count < CLASSES)
        s->in_vain[s->class_count++] = w->class;
}

static void keep_earliest(struct serving *s, const struct waiting *w)
{
    if (!before(s->after, w->turn) || waits_in_vain(s, w))
        return;
    uint32_t to = s->count;
    while (to > 0 && before(w->turn, s->at[to - 1].turn)) /* @earliest */
        to--;
    s->more |= s->count == EARLIEST;
    if (to == EARLIEST)
        return;
    uint32_t behind = s->count - to - (s->count == EARLIEST);
    memmove(&s->at[to + 1], &s->at[to], behind * sizeof s->at[0]);
    s->at[to] = *w;
    s->count += s->count < EARLIEST;
}

/* The units that the reservation, which the caller owns, has on that pool; *alone: see there. */
static uint32_t left_on(struct ctx *ctx, struct id_entry *entry, uint32_t unit, bool *alone)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    uint32_t left = 0;
    *alone = false;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if (draw->pool == unit)
            left += draw_left(draw);
        *alone |= entry->tracked && draw_tracked(draw)->rejected;
    }
    return left;
}

static struct turn turn_of(const struct ctx *ctx, const struct id_entry *entry, uint32_t unit)
{
    uint16_t place = backlog_place(key_owner(pool_read_key(pool_at(&ctx->ledger->items, unit))));
    return (struct turn){ entry->lsn_first, place > 0 ? place : UINT32_MAX };
}

/* Looks at one that is listed. False: another context owns it. */
static bool look_at(struct ctx *ctx, struct serving *s, struct backlog_walk *walk, uint32_t unit,
                    struct id_entry *entry, int64_t *left)
{
    uint64_t word;
    if (!entry_take(entry, &word))
        return false;
    bool live = word_kind(word) == ENTRY_RESERVATION && backlog_is_listed(walk, entry) &&
                !state_final(word_state(word));
    struct waiting w = { .turn = turn_of(ctx, entry, unit),
                         .number = entry_number(&ctx->ledger->ids, entry),
                         .class = { unit, entry->channel, entry->timed == TIMED_PICKUP } };
    uint32_t units = live ? left_on(ctx, entry, unit, &w.alone) : 0;
    bool late = word_state(word) == STATE_HELD && entry->expires_ms <= ctx->engine_ms;
    if (units > 0 && !late)
        keep_earliest(s, &w);
    *left += units;
    if (!live)
        backlog_unlist(walk);
    entry_put(entry, word);
    ctx->work += DRAW_WORK;
    return true;
}

/* False: not all that wait are listed yet, or one is being changed. */
static bool look_at_list(struct ctx *ctx, struct serving *s, const struct pool *pool)
{
    struct items *items = &ctx->ledger->items;
    uint32_t unit = pool_unit(items, pool);
    uint64_t before = pool_read(pool);
    int64_t left = 0;
    if (word_reserved(before) == 0 && word_undecided(before) == 0)
        return true;
    struct backlog_walk walk = backlog_walk_start(items, &ctx->ledger->ids, unit);
    struct id_entry *entry;
    while ((entry = backlog_walk_next(&walk)) != NULL)
        if (!look_at(ctx, s, &walk, unit, entry, &left))
            return false;
    return left == word_reserved(before) && pool_read(pool) == before &&
           word_undecided(before) == 0; /* @all-listed */
}

static bool find_earliest(struct ctx *ctx, struct serving *s)
{
    struct pool_walk walk = pool_walk_start(&ctx->ledger->items, s->item);
    const struct pool *pool;
    bool all = true;
    s->count = 0;
    s->more = false;
    while (all && (pool = pool_walk_next(&walk)) != NULL)
        if (owner_kind(key_owner(pool_read_key(pool))) == POOL_BACKLOG)
            all = look_at_list(ctx, s, pool);
    return all;
}

/* ---- one of them ---- */

/* Takes the reservation, unless it waits no more, or can draw no more: then
 * CODE_UNKNOWN_RESERVATION. */
static enum code hold_waiting(struct ctx *ctx, struct redrawing *r)
{
    const struct waiting *w = r->asked;
    struct id_entry *entry = entry_at(&ctx->ledger->ids, w->number);
    uint64_t word;
    bool alone;
    if (r->txn.reservation)
        return CODE_OK;
    if (!entry_take(entry, &word))
        return CODE_DEFERRED;
    if (word_kind(word) != ENTRY_RESERVATION || entry->lsn_first != w->turn.lsn ||
        state_final(word_state(word)) || entry->draw_count == DRAWS_MAX ||
        left_on(ctx, entry, w->class.unit, &alone) == 0) {
        entry_put(entry, word);
        return CODE_UNKNOWN_RESERVATION;
    }
    r->txn.reservation = entry;
    r->txn.word = word;
    r->of = entry_id(entry, word);
    return CODE_OK;
}

static enum code choose_waiting(struct ctx *ctx, struct redrawing *r)
{
    const struct waiting *w = r->asked;
    const struct items *items = &ctx->ledger->items;
    uint64_t key = pool_read_key(pool_at(items, w->class.unit));
    uint16_t place = backlog_place(key_owner(key));
    int64_t left = 0;
    for (uint32_t i = 0; i < r->part_count; i++) {
        if (r->parts[i].draw->pool != w->class.unit)
            r->parts[i].qty = 0;
        left += r->parts[i].qty;
    }
    struct text bound = { NULL, 0 };
    if (place > 0)
        bound = location_code(ctx->catalogue, place - 1);
    draw_anew(ctx, r, item_sku(item_at(items, key_item(key))), left, bound);
    return CODE_OK;
}

/* So many draws are not too many, in one step and in all. */
static uint32_t room_for_draws(const struct redrawing *r)
{
    uint32_t room = DRAWS_MAX - r->txn.reservation->draw_count;
    return room < REDRAWN_MAX ? room : REDRAWN_MAX;
}

/* Gives back as much of the backlog as was found. What is at too many places the next try finds. */
static enum code give_back_found(struct ctx *ctx, struct redrawing *r)
{
    int64_t found = 0;
    (void)ctx;
    if (r->plan->draw_count > room_for_draws(r))
        r->plan->draw_count = room_for_draws(r);
    for (uint32_t i = 0; i < r->plan->draw_count; i++)
        found += r->plan->draws[i].qty;
    r->txn.done = found == 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->part_count; i++) {
        struct step_part *part = &r->parts[i];
        part->qty = part->qty < found ? part->qty : (uint32_t)found;
        found -= part->qty;
        if (part->qty > 0)
            r->parts[count++] = *part;
    }
    r->part_count = count;
    assert(found == 0);
    return CODE_OK;
}

/* Nothing has come that those before it may have. */
static enum code check_turn(struct ctx *ctx, const struct redrawing *r)
{
    const struct waiting *w = r->asked;
    const struct items *items = &ctx->ledger->items;
    uint32_t item = key_item(pool_read_key(pool_at(items, w->class.unit))), gives;
    if (!w->behind)
        return CODE_OK;
    bool stable = gives_stable_beside(item_at(items, item), txn_own_brackets(ctx, item), &gives);
    return stable && gives - txn_own_gives(ctx, item) == w->gives ? CODE_OK : CODE_DEFERRED;
}

enum served { SERVED, IN_VAIN, GONE, NOT_YET };

static enum served serve(struct ctx *ctx, const struct waiting *w)
{
    static const struct redraw_kind kind = { .record = RECORD_SOURCED,
                                             .verb = "sourced",
                                             .serves = true,
                                             .hold = hold_waiting,
                                             .choose = choose_waiting,
                                             .fell_short = give_back_found,
                                             .taken = check_turn };
    struct reservation_view view = { 0 };
    struct redrawing r = { .kind = &kind, .asked = w, .result = &view };
    enum code code = redraw_run(ctx, &r);
    if (code == CODE_OK)
        return r.txn.done ? IN_VAIN : SERVED;
    return code == CODE_UNKNOWN_RESERVATION ? GONE : NOT_YET;
}

/* ---- all of them ---- */

/* Is anything free that might serve? *undecided: perhaps in a moment. */
static bool any_free(const struct ctx *ctx, uint32_t item, bool *undecided)
{
    struct pool_walk walk = pool_walk_start(&ctx->ledger->items, item);
    const struct pool *pool;
    bool free = false;
    *undecided = false;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint16_t owner = key_owner(pool_read_key(pool));
        uint64_t word = pool_read(pool);
        if (!owner_sellable(owner) && owner_kind(owner) != POOL_EXPECTED)
            continue;
        free |= word_available(word) > 0;
        *undecided |= word_undecided(word) != 0;
    }
    return free;
}

/* Serves some of those that it finds. False: it must look again later. *any: it has served some. */
static bool serve_found(struct ctx *ctx, struct serving *s, bool *any)
{
    *any = false;
    for (uint32_t i = 0; i < s->count; i++) {
        struct waiting *w = &s->at[i];
        if (waits_in_vain(s, w))
            continue;
        if (s->vain && *any) /* what was served has changed the count of gives */
            return true;
        w->behind = s->vain;
        w->gives = s->gives;
        switch (serve(ctx, w)) {
        case SERVED:
            *any = true;
            i--; /* perhaps not all of it; if so, the next try finds that it is gone, or in vain */
            break;
        case IN_VAIN:
            note_in_vain(s, w);
            s->vain = true;
            break;
        case GONE:
            break;
        case NOT_YET:
            return false;
        }
        s->after = w->turn;
    }
    return true;
}

enum round { ROUND_AGAIN, ROUND_LATER, ROUND_DONE };

static enum round serve_round(struct ctx *ctx, uint32_t index)
{
    const struct items *items = &ctx->ledger->items;
    const struct item *item = item_at(items, index);
    struct serving s = { .item = index };
    uint32_t gives;
    bool undecided, any;
    bool stable = gives_stable(item, &gives);
    struct backlog backlog = backlog_look(items, index);
    if (backlog.units == 0 && backlog.undecided == 0)
        return ROUND_DONE;
    if (!stable || backlog.undecided > 0 || !backlog.head)
        return ROUND_LATER;
    uint64_t word = backlog_served_word(ctx, &backlog, gives);
    s.gives = gives;
    if (backlog_is_served(&backlog, word))
        return ROUND_DONE;
    bool free = any_free(ctx, index, &undecided);
    if (undecided)
        return ROUND_LATER;
    do {
        s.count = 0;
        if (!free)
            break;
        if (!find_earliest(ctx, &s) || !serve_found(ctx, &s, &any))
            return ROUND_LATER;
        if (any)
            return ROUND_AGAIN;
    } while (s.more);
    backlog_set_served(&backlog, word); /* @served */
    if (free)                           /* who asked since the give was told less */
        txn_tell(ctx, index);
    return ROUND_DONE;
}

bool backlog_serve(struct ctx *ctx, uint32_t item)
{
    enum round round = ROUND_AGAIN;
    for (unsigned i = 0; i < ROUNDS && round == ROUND_AGAIN; i++)
        round = ledger_has_room(ctx) ? serve_round(ctx, item) : ROUND_LATER;
    return round == ROUND_DONE;
}
