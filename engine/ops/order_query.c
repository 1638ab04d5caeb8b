/* SPDX-License-Identifier: Apache-2.0 */
/* The list of orders: a walk over the id table that skips, by slot_places.h, what it may. */
#include "engine/ledger/orders.h"

#include <assert.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/parts.h"
#include "engine/ops/reservation_find.h"
#include "engine/store/slot_places.h"

/* See ctx_work: the places of 64 slots lie in a row; an entry and its pool are scattered. */
enum { CHUNK_WORK = 8, ENTRY_WORK = 16 };

static const char *const steps[] = { "open", "ready", "not_collected", "fulfilled", "cancelled" };

enum { STEPS = sizeof steps / sizeof steps[0], LIVE = 1 << STATE_HELD | 1 << STATE_CONFIRMED };

/* ---- the filter ---- */

static enum code find_places(struct ctx *ctx, const struct order_filter *filter,
                             struct order_walk *walk)
{
    const struct location *location;
    const struct channel *channel;
    enum code code = CODE_OK;
    catalogue_pin(ctx);
    if (text_given(filter->location)) {
        code = find_location(ctx, "location", filter->location, &location);
        if (!code)
            walk->location = (uint16_t)(location_index(ctx->catalogue, location) + 1);
    }
    if (!code && text_given(filter->channel)) {
        code = find_channel(ctx, filter->channel, &channel);
        if (!code)
            walk->channel = (uint16_t)(channel_index(ctx->catalogue, channel) + 1);
    }
    return code;
}

static enum code find_state(struct ctx *ctx, struct text name, struct order_walk *walk)
{
    if (!text_given(name))
        return CODE_OK;
    for (int state = STATE_HELD; state < STATE_COUNT; state++)
        if (text_equal(name, text_of(state_name((enum entry_state)state)))) {
            walk->states = (uint8_t)(1 << state);
            return CODE_OK;
        }
    return fail_param(ctx, CODE_BAD_REQUEST, "state",
                      "state must be \"held\", \"confirmed\", \"fulfilled\", \"cancelled\" or "
                      "\"expired\"");
}

/* An order whose part is at that step can only be in some states: the others are skipped. */
static enum code find_step(struct ctx *ctx, struct text name, struct order_walk *walk)
{
    if (!text_given(name))
        return CODE_OK;
    for (unsigned step = 0; step < STEPS; step++)
        if (text_equal(name, text_of(steps[step]))) {
            walk->step = (uint8_t)(step + 1);
            if (step == PART_OPEN)
                walk->states &= LIVE;
            else if (step < PART_STEP_COUNT)
                walk->states &= 1 << STATE_CONFIRMED;
            return CODE_OK;
        }
    return fail_param(ctx, CODE_BAD_REQUEST, "step",
                      "step must be \"open\", \"ready\", \"not_collected\", \"fulfilled\" or "
                      "\"cancelled\"");
}

enum code ledger_orders_forgotten(struct ctx *ctx, const struct order_filter *filter)
{
    return fail_param(ctx, CODE_BAD_REQUEST, "after",
                      "after: no reservation \"%.*s\" is remembered; begin the list again",
                      (int)filter->after.len, filter->after.at);
}

/* The list goes on behind the order that was listed last. */
static enum code find_after(struct ctx *ctx, const struct order_filter *filter,
                            struct order_walk *walk)
{
    struct text id = filter->after;
    struct id_table *ids = &ctx->ledger->ids;
    struct id_entry *entry;
    uint64_t word;
    if (!text_given(id))
        return CODE_OK;
    enum code code = check_id(ctx, "after", id);
    if (code)
        return code;
    enum entry_found found = id_table_find(ids, id, id_hash(ids, id), &entry, &word);
    if (found == ENTRY_BUSY)
        return CODE_DEFERRED;
    if (found == ENTRY_FOUND) {
        walk->at = entry_number(ids, entry) + 1;
        entry_put(entry, word);
        if (word_kind(word) == ENTRY_RESERVATION)
            return CODE_OK;
    }
    return ledger_orders_forgotten(ctx, filter);
}

enum code ledger_orders_begin(struct ctx *ctx, const struct order_filter *filter,
                              struct order_walk *walk, uint64_t *lsn)
{
    *walk = (struct order_walk){ .states = UINT8_MAX };
    *lsn = log_head(ctx->ledger->log); /* @orders-up-to */
    enum code code = find_places(ctx, filter, walk);
    if (!code)
        code = find_state(ctx, filter->state, walk);
    if (!code)
        code = find_step(ctx, filter->step, walk);
    if (!code)
        code = find_after(ctx, filter, walk);
    if (filter->has_late && filter->late)
        walk->states &= 1 << STATE_CONFIRMED;
    if (!code)
        COUNT(ctx, queries);
    return code;
}

/* ---- one order ---- */

/* Does the filter look at this part? */
static bool concerns(const struct order_filter *filter, const struct part_view *part)
{
    return !text_given(filter->location) || text_equal(part->location, filter->location);
}

static bool any_at_step(const struct order_filter *filter, const struct order_walk *walk,
                        const struct reservation_view *view)
{
    for (uint32_t i = 0; i < view->part_count; i++)
        if (concerns(filter, &view->parts[i]) &&
            strcmp(view->parts[i].step, steps[walk->step - 1]) == 0)
            return true;
    return false;
}

/* A place works only on what is confirmed: before that nothing of it is late. */
static bool any_late(const struct ctx *ctx, const struct order_filter *filter, uint64_t word,
                     const struct reservation_view *view)
{
    if (word_state(word) != STATE_CONFIRMED)
        return false;
    for (uint32_t i = 0; i < view->part_count; i++)
        if (concerns(filter, &view->parts[i]) &&
            strcmp(view->parts[i].step, steps[PART_OPEN]) == 0 &&
            view->parts[i].ready_ms < ctx->wall_ms)
            return true;
    return false;
}

/* What can be seen of an entry's word. */
static bool may_match(const struct order_walk *walk, uint64_t word)
{
    return !(word & STATE_BUSY) && word_kind(word) == ENTRY_RESERVATION &&
           walk->states >> word_state(word) & 1;
}

/* Of an owned entry; fills the view if the order is to be listed. */
static bool matches(struct ctx *ctx, const struct order_filter *filter,
                    const struct order_walk *walk, struct id_entry *entry, uint64_t word,
                    struct reservation_view *view)
{
    if (!may_match(walk, word) || (walk->channel != 0 && entry->channel != walk->channel - 1))
        return false;
    if (walk->location != 0 &&
        part_at(ctx, entry, (uint16_t)(walk->location - 1)).draws == 0) /* @draws-there */
        return false;
    view_whole(ctx, entry, word, view);
    return (walk->step == 0 || any_at_step(filter, walk, view)) &&
           (!filter->has_late || any_late(ctx, filter, word, view) == filter->late);
}

/* ---- the walk ---- */

static void enter_chunk(struct ctx *ctx, struct order_walk *walk)
{
    struct id_table *ids = &ctx->ledger->ids;
    uint32_t chunk = walk->at / CHUNK_SLOTS, first = walk->at % CHUNK_SLOTS;
    uint16_t location = walk->location ? (uint16_t)(walk->location - 1) : ANY_PLACE;
    walk->candidates = chunk_candidates(ids, chunk, location) & ~UINT64_C(0) << first;
    ctx->work += CHUNK_WORK;
    for (uint64_t left = walk->candidates; left != 0; left &= left - 1)
        __builtin_prefetch(entry_at(ids, chunk * CHUNK_SLOTS + (uint32_t)__builtin_ctzll(left)));
}

/* Looks at the walk's slot. NOT_YET: another context owns what is there. END: it is not listed. */
static enum order_found look(struct ctx *ctx, const struct order_filter *filter,
                             struct order_walk *walk, struct reservation_view *view)
{
    struct id_entry *entry = entry_at(&ctx->ledger->ids, walk->at);
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    ctx->work += ENTRY_WORK;
    if (word & STATE_BUSY && word_kind(word) == ENTRY_RESERVATION) /* perhaps it is being made */
        return ORDER_NOT_YET;
    if (!may_match(walk, word))
        return ORDER_END;
    if (!entry_take(entry, &word))
        return ORDER_NOT_YET;
    bool found = matches(ctx, filter, walk, entry, word, view);
    if (found) {
        walk->id_len = word_id_len(word);
        memcpy(walk->id, entry->id, walk->id_len);
    }
    entry_put(entry, word);
    return found ? ORDER_FOUND : ORDER_END;
}

/* Moves on behind the slot, which is done with. */
static void pass(struct order_walk *walk)
{
    walk->candidates &= walk->candidates - 1;
    walk->at++;
    if (walk->candidates == 0) /* the rest of the chunk has none */
        walk->at = (walk->at + CHUNK_SLOTS - 1) / CHUNK_SLOTS * CHUNK_SLOTS;
}

enum order_found ledger_orders_next(struct ctx *ctx, const struct order_filter *filter,
                                    struct order_walk *walk, uint64_t work_end,
                                    struct reservation_view *view)
{
    uint32_t used = id_table_used(&ctx->ledger->ids);
    for (bool first = true; walk->at < used; first = false) {
        if (!first && ctx->work >= work_end)
            return ORDER_NOT_YET;
        if (walk->candidates == 0)
            enter_chunk(ctx, walk);
        if (walk->candidates == 0) {
            walk->at = (walk->at / CHUNK_SLOTS + 1) * CHUNK_SLOTS;
            continue;
        }
        walk->at =
            walk->at / CHUNK_SLOTS * CHUNK_SLOTS + (uint32_t)__builtin_ctzll(walk->candidates);
        enum order_found found = look(ctx, filter, walk, view);
        if (found == ORDER_NOT_YET)
            return found;
        pass(walk);
        if (found == ORDER_FOUND)
            return found;
    }
    return ORDER_END;
}
