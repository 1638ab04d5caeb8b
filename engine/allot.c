/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allot: units move between the shared pool of a location and the pool of one channel there.
 *
 *   take from the one (rule T) -> claim -> give to the other (rule G) -> publish
 *
 * In between they are in neither pool. So the take is marked pending, and the whole is bracketed as
 * a give: a thread that finds too little meanwhile, in the one pool or in the sum, is deferred and
 * not refused. The giving may fail, for the other pool may be full by then: so the take is
 * undecided.
 */
#include "engine/ledger.h"

#include <stdlib.h>

#include "engine/seat.h"

/* One allotment on its way. */
struct allotting {
    const struct allotment *asked;
    uint32_t item;
    struct pool_key key; /* of the allotted pool */
    uint16_t to_owner;
    struct pool *from, *to; /* to: NULL as long as it is not there; room was taken for it */
    int64_t qty;            /* how many move */
    uint64_t content;
    struct movement_result *result; /* delta and on hand are of the allotted pool */
};

static uint64_t fingerprint(const struct allotment *a)
{
    uint64_t f = mix_number(mix_number(0, RECORD_ALLOT), (uint64_t)a->qty);
    f = mix_text(f, a->sku);
    f = mix_text(f, a->location);
    return mix_text(f, a->channel);
}

static enum code check_allotment(struct seat *seat, const struct allotment *a)
{
    enum code code = check_id(seat, "id", a->id);
    if (code)
        return code;
    if (a->qty == 0 || a->qty > QUANTITY_MAX || a->qty < -QUANTITY_MAX)
        return fail(seat, CODE_BAD_REQUEST,
                    "qty must be a whole number from -%lld to %lld and not 0, not %lld",
                    (long long)QUANTITY_MAX, (long long)QUANTITY_MAX, (long long)a->qty);
    return CODE_OK;
}

static enum code too_little(struct seat *seat, const struct allotting *move, uint64_t word)
{
    const struct allotment *a = move->asked;
    int64_t available = word_available(word) > 0 ? word_available(word) : 0;
    fail(seat, CODE_INSUFFICIENT_STOCK,
         a->qty > 0 ? "only %lld of \"%.*s\" at \"%.*s\" are free to be allotted"
                    : "only %lld of \"%.*s\" at \"%.*s\" are allotted and not promised",
         (long long)available, (int)a->sku.len, a->sku.at, (int)a->location.len, a->location.at);
    seat->failure.shorts[0] = (struct shortfall){ a->sku, move->qty, available };
    seat->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

static enum code pool_is_full(struct seat *seat, const struct allotting *move)
{
    return fail(seat, CODE_LIMIT,
                "a pool holds at most %lld units; the one that \"%.*s\" would go to has %lld on "
                "hand",
                (long long)QUANTITY_MAX, (int)move->asked->sku.len, move->asked->sku.at,
                (long long)(move->to ? word_on_hand(pool_read(move->to)) : 0));
}

/* Finds what the request names, and both pools; room for the one that it gives to, if that is not
 * there yet. */
static enum code find_pools(struct seat *seat, struct allotting *move)
{
    const struct allotment *a = move->asked;
    struct items *items = &seat->ledger->items;
    const struct location *location;
    const struct channel *channel;
    catalogue_pin(seat);
    enum code code = find_location(seat, "location", a->location, &location);
    if (!code)
        code = find_channel(seat, a->channel, &channel);
    if (!code)
        code = find_item(seat, a->sku, &move->item);
    if (code)
        return code;
    uint16_t at = location_index(seat->catalogue, location);
    uint16_t shared = owner_of(POOL_SHARED, 0);
    uint16_t own = owner_of(POOL_ALLOTTED, channel_index(seat->catalogue, channel));
    move->key = (struct pool_key){ move->item, at, own };
    move->from = pool_find(items, move->item, at, a->qty > 0 ? shared : own);
    move->to_owner = a->qty > 0 ? own : shared;
    move->to = pool_find(items, move->item, at, move->to_owner);
    uint64_t word = move->from ? pool_read(move->from) : 0;
    if (word_available(word) < move->qty)
        return word_pending(word) ? CODE_DEFERRED : too_little(seat, move, word);
    if (!move->to && !pool_room_take(items))
        return fail(seat, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    if (move->to && word_on_hand(pool_read(move->to)) + move->qty > QUANTITY_MAX)
        return pool_is_full(seat, move);
    return CODE_OK;
}

/* Makes the pool that it gives to only now: a refusal leaves none. False if it is full, or there is
 * no memory for it. */
static bool give(struct seat *seat, struct allotting *move, uint64_t *after)
{
    struct items *items = &seat->ledger->items;
    struct pool_change change = { .on_hand = move->qty };
    if (!move->to)
        move->to = pool_make_in_room(items, move->item, move->key.location, move->to_owner);
    return move->to && pool_apply(move->to, change, INT64_MIN, after) == POOL_CHANGED;
}

static void write_record(struct seat *seat, const struct allotting *move, uint64_t position,
                         uint32_t length)
{
    const struct allotment *a = move->asked;
    struct allot_fields f = { .fixed = { .head = head_of(seat, RECORD_ALLOT, 0),
                                         .content = move->content,
                                         .time_ms = seat->wall_ms,
                                         .pool = move->key,
                                         .available = move->result->available,
                                         .delta = (int32_t)a->qty,
                                         .allotted = (int32_t)move->result->on_hand },
                              .id = a->id };
    struct record_builder b = allot_begin(seat->record, &f);
    uint32_t built = record_end(&b);
    assert(built == length);
    (void)built;
    mark_item(seat, move->item, position + length);
    journal_publish(seat, position);
}

/* Moves the units. *position: of the claim. */
static enum code move_units(struct seat *seat, struct allotting *move, uint64_t *position,
                            uint32_t length)
{
    struct item *item = item_at(&seat->ledger->items, move->item);
    struct pool_change take = { .on_hand = -move->qty, .tentative = 1 };
    uint64_t taken, given;
    gives_begin(item);
    if (pool_apply(move->from, take, move->qty, &taken) != POOL_CHANGED) {
        gives_end(item);
        if (!move->to)
            pool_room_give(&seat->ledger->items);
        return word_pending(taken) ? CODE_DEFERRED : too_little(seat, move, taken);
    }
    *position = journal_claim(seat, length);
    bool fits = give(seat, move, &given);
    pool_give(move->from, (struct pool_change){ .on_hand = fits ? 0 : move->qty, .tentative = -1 });
    gives_end(item);
    if (!fits) {
        uint32_t unit = pool_unit(&seat->ledger->items, move->from);
        struct plan_take undone = { unit, NOT_COUNTED, move->qty };
        journal_void(seat, *position, length); /* others filled it meanwhile */
        mark_undone(seat, &undone, 1);
        return pool_is_full(seat, move);
    }
    move->result->on_hand = word_on_hand(move->asked->qty > 0 ? given : taken);
    return CODE_OK;
}

/* On an entry that is fresh and owned. */
static enum code allot_fresh(struct seat *seat, struct allotting *move, struct entry *entry)
{
    const struct allotment *a = move->asked;
    uint32_t length = ((uint32_t)sizeof(struct allot_record) + a->id.len + 7) & ~UINT32_C(7);
    uint64_t position = 0;
    int64_t on_hand;
    enum code code = find_pools(seat, move);
    if (!code)
        code = move_units(seat, move, &position, length);
    if (code)
        return code;
    sum_place(seat, move->item, move->key.location, &on_hand, &move->result->available);
    move->result->delta = a->qty;
    move->result->lsn = position + length;
    write_record(seat, move, position, length);
    remember_movement(seat, entry, move->content, move->result, a->id.len);
    COUNT(seat, movements);
    return CODE_OK;
}

static enum code allot(struct seat *seat, struct allotting *move)
{
    struct text id = move->asked->id;
    struct entry *entry;
    uint64_t word;
    bool known;
    enum code code = begin_id(seat, "id", id, &entry, &word, &known);
    if (code)
        return code;
    if (known)
        return repeat_movement(seat, entry, word, id, move->content, move->result);
    code = allot_fresh(seat, move, entry);
    if (code)
        entry_refuse(&seat->ledger->entries, &seat->cursor, entry, word);
    return code;
}

enum code ledger_allot(struct seat *seat, const struct allotment *a, struct allot_result *r)
{
    enum code code = check_allotment(seat, a);
    if (code)
        return code;
    struct movement_result result = { 0 };
    struct allotting move = {
        .asked = a, .qty = llabs(a->qty), .content = fingerprint(a), .result = &result
    };
    code = CODE_DEFERRED;
    if (ledger_has_room(seat)) {
        takes_begin(seat);
        code = allot(seat, &move);
        takes_end(seat);
    }
    if (code == CODE_DEFERRED)
        COUNT(seat, deferred);
    *r = (struct allot_result){ result.lsn, result.on_hand, result.available };
    return code;
}
