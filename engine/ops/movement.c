/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/movement.h"

#include <assert.h>

#include "engine/base/fingerprint.h"
#include "engine/figures/figures.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/owing.h"
#include "engine/ops/place.h"
#include "engine/ops/precedence.h"
#include "engine/ops/sale.h"
#include "engine/ops/sweep.h"
#include "engine/txn/txn_run.h"

uint64_t movement_fingerprint(const struct movement *m, unsigned kind)
{
    uint64_t f = mix_number(mix_number(0, kind), (uint64_t)m->qty);
    f = mix_text(f, m->sku);
    f = mix_text(f, m->location);
    f = mix_text(f, m->ref);
    f = mix_text(f, m->reason);
    f = mix_number(f, m->has_as_of ? m->as_of_ms + 1 : 0);
    f = mix_number(f, m->damaged | (unsigned)m->shelf << 1);
    return m->has_if_on_hand ? mix_number(f, (uint64_t)m->if_on_hand) : f;
}

static enum code check_movement(struct ctx *ctx, const struct movement *m, enum movement_kind kind)
{
    enum code code = check_id(ctx, "id", m->id);
    if (code || (code = check_text(ctx, "ref", m->ref)) ||
        (code = check_text(ctx, "reason", m->reason)))
        return code;
    if (m->shelf && m->has_as_of) /* what was set aside then is not known */
        return fail_param(ctx, CODE_BAD_REQUEST, "shelf",
                          "shelf and as_of cannot be given together");
    int64_t least = kind == MOVE_ADJUST ? -QUANTITY_MAX : kind == MOVE_COUNT ? 0 : 1;
    const char *parameter = kind == MOVE_ADJUST ? "delta" : kind == MOVE_COUNT ? "counted" : "qty";
    if (m->qty < least || m->qty > QUANTITY_MAX || (kind == MOVE_ADJUST && m->qty == 0))
        return fail_param(ctx, CODE_BAD_REQUEST, parameter,
                          "%s must be a whole number from %lld to %lld%s, not %lld", parameter,
                          (long long)least, (long long)QUANTITY_MAX,
                          kind == MOVE_ADJUST ? " and not 0" : "", (long long)m->qty);
    return CODE_OK;
}

/* An adjustment down by more than is on hand. */
static enum code too_little(struct ctx *ctx, const struct movement *m, int64_t on_hand)
{
    fail(ctx, CODE_INSUFFICIENT_STOCK, "only %lld of \"%.*s\" on hand at \"%.*s\"",
         (long long)on_hand, (int)m->sku.len, m->sku.at, (int)m->location.len, m->location.at);
    ctx->failure.shorts[0] = (struct shortfall){ m->sku, -m->qty, on_hand };
    ctx->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

/* A count cannot lie in the future, but the client's clock may be a little ahead of ours. */
enum { AHEAD_OF_US_MS = 5000 };

static enum code check_as_of(struct ctx *ctx, const struct movement *m)
{
    if (!m->has_as_of || m->as_of_ms <= ctx->wall_ms + AHEAD_OF_US_MS)
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, "as_of",
                      "as_of must not be in the future: it is %llu ms ahead of the engine's clock",
                      (unsigned long long)(m->as_of_ms - ctx->wall_ms));
}

/* Creates nothing yet: a refused movement must leave no item and no pool. */
static enum code find_pool(struct ctx *ctx, struct moving *move)
{
    const struct movement *m = move->asked;
    struct items *items = &ctx->ledger->items;
    const struct location *location;
    catalogue_pin(ctx);
    enum code code = check_as_of(ctx, m);
    if (!code)
        code = find_location(ctx, "location", m->location, &location);
    if (code)
        return code;
    bool makes_item = move->kind == MOVE_RECEIVE || move->kind == MOVE_COUNT;
    code = find_item(ctx, m->sku, &move->item);
    if (code && !(code == CODE_UNKNOWN_SKU && makes_item))
        return code;
    uint16_t at = location_index(ctx->catalogue, location);
    uint16_t owner = owner_of(m->damaged ? POOL_DAMAGED : POOL_SHARED, 0);
    move->unborn = code == CODE_UNKNOWN_SKU;
    move->key = (struct pool_key){ move->item, at, owner };
    move->pool = move->unborn ? NULL : pool_find(items, move->item, at, owner);
    return CODE_OK;
}

enum code movement_make_pool(struct ctx *ctx, struct moving *move)
{
    struct items *items = &ctx->ledger->items;
    if (move->pool)
        return CODE_OK;
    if (!pool_room_take(items))
        return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    enum code code = CODE_OK;
    if (move->unborn)
        code = make_item(ctx, move->asked->sku, &move->item);
    if (code) {
        pool_room_give(items);
        return code;
    }
    move->key.item = move->item;
    assert(move->item < items->max_items);
    move->pool = pool_make_in_room(items, move->item, move->key.location, move->key.owner);
    if (!move->pool)
        return fail(ctx, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    move->fresh = true;
    return CODE_OK;
}

static enum code pool_is_full(struct ctx *ctx, const struct moving *move)
{
    return fail(ctx, CODE_LIMIT, "a pool holds at most %lld units; \"%.*s\" has %lld on hand here",
                (long long)QUANTITY_MAX, (int)move->asked->sku.len, move->asked->sku.at,
                (long long)word_on_hand(pool_read(move->pool)));
}

enum code movement_post_up(struct ctx *ctx, struct moving *move, int64_t delta, int32_t counted)
{
    enum code code = movement_make_pool(ctx, move);
    bool pays = !code && item_has(item_at(&ctx->ledger->items, move->item), ITEM_OWED);
    if (pays && owner_kind(move->key.owner) == POOL_SHARED)
        owing_pay(ctx, move->item, move->key.location, counted != NOT_COUNTED, &delta);
    return code || delta == 0 ? code : movement_post_give(ctx, move, delta, counted);
}

enum code movement_post_give(struct ctx *ctx, struct moving *move, int64_t delta, int32_t counted)
{
    if (word_on_hand(pool_read(move->pool)) + delta > QUANTITY_MAX)
        return pool_is_full(ctx, move);
    assert(delta > 0);
    assert(owner_kind(move->key.owner) != POOL_ALLOTTED); /* only allotments fill those */
    uint32_t unit = pool_unit(&ctx->ledger->items, move->pool);
    post(ctx->postings,
         (struct posting){
             .pool = unit, .counted = counted, .on_hand = (int32_t)delta, .needs = NEEDS_NONE });
    return CODE_OK;
}

enum code movement_place_is_crowded(struct ctx *ctx, const struct moving *move)
{
    const struct movement *m = move->asked;
    return fail(ctx, CODE_LIMIT,
                "\"%.*s\" has more than %d pools at \"%.*s\": fulfil what was promised of supplies "
                "that have come there",
                (int)m->sku.len, m->sku.at, PLACE_POOLS, (int)m->location.len, m->location.at);
}

static enum code is_stale(struct ctx *ctx, const struct moving *move, int64_t on_hand)
{
    const struct movement *m = move->asked;
    fail(ctx, CODE_STALE, "%lld of \"%.*s\" on hand at \"%.*s\", not %lld", (long long)on_hand,
         (int)m->sku.len, m->sku.at, (int)m->location.len, m->location.at,
         (long long)m->if_on_hand);
    ctx->failure.on_hand = on_hand;
    return CODE_STALE;
}

enum code movement_check_on_hand(struct ctx *ctx, struct moving *move)
{
    struct place place;
    if (!move->asked->has_if_on_hand)
        return CODE_OK;
    place.count = 0;
    place.on_hand = place.owed = 0;
    place.stable = true;
    place.crowded = place.undecided = false;
    if (!move->unborn)
        place_look(&ctx->ledger->items, move->item, move->key.location, &place);
    if (place.crowded)
        return movement_place_is_crowded(ctx, move);
    if (!place.stable || place.undecided)
        return CODE_DEFERRED;
    bool made = place.count > 0 && move->pool;
    assert(!made || place.pools[0].unit == pool_unit(&ctx->ledger->items, move->pool));
    move->counted = made ? (int32_t)word_on_hand(place.pools[0].word) : 0;
    int64_t on_hand = place.on_hand - place.owed;
    return on_hand == move->asked->if_on_hand ? CODE_OK : is_stale(ctx, move, on_hand);
}

static enum code adjust_down(struct ctx *ctx, struct moving *move, int64_t missing)
{
    struct place place;
    assert(missing > 0);
    assert(!move->unborn);
    place_look(&ctx->ledger->items, move->item, move->key.location, &place);
    if (place.crowded)
        return movement_place_is_crowded(ctx, move);
    if (place.on_hand >= missing) {
        place_take(&ctx->ledger->items, &place, missing, move->asked->has_if_on_hand,
                   ctx->postings);
        return CODE_OK;
    }
    if (place.undecided || (place.count > 1 && !place.stable))
        return CODE_DEFERRED;
    return too_little(ctx, move->asked, place.on_hand);
}

/* ---- the transaction ---- */

static enum code post_all(struct ctx *ctx, struct moving *move)
{
    if (move->kind == MOVE_RETURN && !figures_have_room(ctx->ledger->figures, ctx->index))
        return CODE_DEFERRED;
    enum code code = find_pool(ctx, move);
    if (code)
        return code;
    move->counted = NOT_COUNTED;
    code = movement_check_on_hand(ctx, move);
    if (code)
        return code;
    if (move->kind == MOVE_COUNT)
        return count_plan(ctx, move);
    if (move->kind == MOVE_RETURN && text_given(move->asked->ref))
        return return_plan(ctx, move);
    if (move->asked->qty > 0)
        return movement_post_up(ctx, move, move->asked->qty, move->counted);
    return adjust_down(ctx, move, -move->asked->qty);
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    enum code code = post_all(ctx, (struct moving *)t);
    t->may_undo = place_takes_come(ctx);
    return code;
}

static enum code check_taken(struct ctx *ctx, struct txn *t)
{
    return t->may_undo ? place_check_come(ctx) : CODE_OK;
}

uint32_t movement_build_record(struct ctx *ctx, struct txn *t)
{
    const struct moving *move = (const struct moving *)t;
    const struct postings *postings = ctx->postings;
    assert(postings->count >= 1);
    if (postings->at[0].on_hand != 0) /* before the claim: what is set later finds it */
        item_set(item_at(&ctx->ledger->items, move->item), ITEM_MOVED);
    bool as_of = move->kind == MOVE_COUNT && move->asked->has_as_of;
    unsigned flags = (unsigned)move->kind | (as_of ? MOVEMENT_AS_OF : 0);
    struct movement_fields f = { .fixed = { .head = head_of(ctx, move->record, flags),
                                            .content = t->content,
                                            .time_ms = ctx->wall_ms,
                                            .pool = name_of_pool(&ctx->ledger->items,
                                                                 postings->at[0].pool),
                                            .delta = (int32_t)postings->at[0].on_hand,
                                            .more_count = (uint16_t)(postings->count - 1),
                                            .channel = move->channel },
                                 .id = t->id,
                                 .ref = move->asked->ref,
                                 .reason = move->asked->reason };
    struct record_builder b = movement_begin(ctx->record, &f);
    for (uint32_t i = 1; i < postings->count; i++) {
        const struct posting *p = &postings->at[i];
        struct change_record more = { name_of_pool(&ctx->ledger->items, p->pool),
                                      (int32_t)p->on_hand };
        record_add(&b, &more, sizeof more);
    }
    if (as_of)
        record_add(&b, &move->asked->as_of_ms, sizeof move->asked->as_of_ms);
    return record_end(&b);
}

void movement_note_outcome(struct ctx *ctx, struct txn *t)
{
    struct moving *move = (struct moving *)t;
    struct movement_result *r = move->result;
    struct movement_record *record = (struct movement_record *)(void *)ctx->record;
    place_sum(&ctx->ledger->items, move->item, move->key.location, &r->on_hand, &r->available);
    record->on_hand = r->on_hand;
    record->available = r->available;
    if (move->record == RECORD_MOVEMENT && move->kind == MOVE_RETURN)
        sale_note_return(ctx, record, move->asked->qty);
}

/* Of on hand. */
static int64_t change_at_place(const struct items *items, const struct posting *p)
{
    return delta_at_place(key_owner(pool_read_key(pool_at(items, p->pool))), p->on_hand);
}

void movement_show(struct ctx *ctx, struct txn *t)
{
    struct movement_result *r = ((struct moving *)t)->result;
    r->lsn = t->lsn;
    for (uint32_t i = 0; i < ctx->postings->count; i++) {
        r->delta += change_at_place(&ctx->ledger->items, &ctx->postings->at[i]);
        sweep_later(ctx, ctx->postings->at[i].pool);
        precedence_reset(ctx, ctx->postings->at[i].pool);
    }
    remember_movement(ctx, t->entry, t->content, r, t->id.len);
    COUNT(ctx, movements);
}

void movement_repeat(struct ctx *ctx, struct txn *t)
{
    (void)ctx;
    assert(word_kind(t->entry_word) == ENTRY_MOVEMENT);
    *((struct moving *)t)->result = first_movement(t->entry);
}

struct movement_result first_movement(const struct id_entry *entry)
{
    return (struct movement_result){ entry->lsn_first, entry->delta, entry->movement.on_hand,
                                     entry->movement.available };
}

void remember_movement(struct ctx *ctx, struct id_entry *entry, uint64_t content,
                       const struct movement_result *r, uint32_t id_len)
{
    assert(entry_is_owned(entry)); /* E1 */
    assert(r->lsn > 0);
    entry->content = content;
    entry->lsn_first = entry->lsn_last = r->lsn;
    entry->delta = r->delta;
    entry->movement = (struct movement_outcome){ r->on_hand, r->available };
    entry->draw_count = 0;
    uint64_t word = state_word(ENTRY_MOVEMENT, STATE_NONE, id_len);
    slots_end(&ctx->ledger->ids, &ctx->cursor, entry, word);
    entry_put(entry, word);
}

static const struct txn_kind movement_txn = {
    .id_name = "id",
    .takes = true,
    .gives = true,
    .remembered = ENTRY_MOVEMENT,
    .plan = plan,
    .taken = check_taken,
    .record = movement_build_record,
    .outcome = movement_note_outcome,
    .show = movement_show,
    .repeat = movement_repeat,
};

static enum code move_stock(struct ctx *ctx, const struct movement *m, enum movement_kind kind,
                            struct movement_result *r)
{
    *r = (struct movement_result){ 0 };
    enum code code = check_movement(ctx, m, kind);
    if (code)
        return code;
    struct moving move = { .txn = { .id = m->id, .content = movement_fingerprint(m, kind) },
                           .asked = m,
                           .record = RECORD_MOVEMENT,
                           .kind = kind,
                           .result = r };
    code = txn_perform(ctx, &move.txn, &movement_txn);
    sweep_now(ctx);
    if (move.slot)
        return_slot_put(move.slot, code ? move.slot_last : move.txn.lsn);
    return code;
}

enum code ledger_receive(struct ctx *ctx, const struct movement *m, struct movement_result *r)
{
    return move_stock(ctx, m, MOVE_RECEIVE, r);
}

enum code ledger_adjust(struct ctx *ctx, const struct movement *m, struct movement_result *r)
{
    return move_stock(ctx, m, MOVE_ADJUST, r);
}

enum code ledger_count(struct ctx *ctx, const struct movement *m, struct movement_result *r)
{
    return move_stock(ctx, m, MOVE_COUNT, r);
}

enum code ledger_return(struct ctx *ctx, const struct movement *m, struct movement_result *r)
{
    ctx->needs_evidence = false;
    return move_stock(ctx, m, MOVE_RETURN, r);
}

bool ledger_needs_evidence(const struct ctx *ctx)
{
    return ctx->needs_evidence;
}
