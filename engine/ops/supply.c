/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/supply.h"

#include <assert.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ledger/operation_id.h"
#include "engine/ops/reservation.h"

/* ---- checks ---- */

static enum code check_quantity(struct ctx *ctx, uint32_t line, const char *name, int64_t qty,
                                int64_t least)
{
    if (qty >= least && qty <= QUANTITY_MAX)
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, name,
                      "lines[%u]: %s must be a whole number from %lld to %lld, not %lld", line,
                      name, (long long)least, (long long)QUANTITY_MAX, (long long)qty);
}

/* Lines of one sku are added up: together they are a quantity. Only large ones could be more. */
static enum code check_sums(struct ctx *ctx, const struct supply_line *lines, uint32_t count,
                            const char *name)
{
    int64_t all = 0;
    for (uint32_t i = 0; i < count; i++)
        all += lines[i].qty + lines[i].rejected;
    for (uint32_t i = 0; all > QUANTITY_MAX && i < count; i++) {
        int64_t sum = 0;
        for (uint32_t j = 0; j <= i; j++)
            if (text_equal(lines[i].sku, lines[j].sku))
                sum += lines[j].qty + lines[j].rejected;
        if (sum > QUANTITY_MAX)
            return fail_param(ctx, CODE_BAD_REQUEST, name,
                              "lines[%u] %s: \"%.*s\" is more than %lld in all", i, name,
                              (int)lines[i].sku.len, lines[i].sku.at, (long long)QUANTITY_MAX);
    }
    return CODE_OK;
}

enum code check_supply_lines(struct ctx *ctx, const struct supply_line *lines, uint32_t count,
                             int64_t least)
{
    const char *name = least == 0 ? "accepted" : "qty";
    enum code code = CODE_OK;
    if (count == 0)
        return fail_param(ctx, CODE_BAD_REQUEST, "lines", "lines must have at least one line");
    if (count > LINES_MAX)
        return fail_param(ctx, CODE_TOO_LARGE, "lines", "lines: a supply has at most %d, not %u",
                          LINES_MAX, count);
    for (uint32_t i = 0; !code && i < count; i++) {
        code = check_quantity(ctx, i, name, lines[i].qty, least);
        if (!code)
            code = check_quantity(ctx, i, "rejected", lines[i].rejected, 0);
    }
    return code ? code : check_sums(ctx, lines, count, name);
}

enum code check_supply_step(struct ctx *ctx, const struct supply_step *step, int64_t least)
{
    enum code code = check_id(ctx, "id", step->id);
    if (!code && text_given(step->op))
        code = check_id(ctx, "op", step->op);
    if (!code && text_given(step->op) && text_equal(step->op, step->id))
        return fail_param(ctx, CODE_BAD_REQUEST, "op", "op must be another id than the supply's");
    if (!code && !step->all)
        code = check_supply_lines(ctx, step->lines, step->line_count, least);
    return code;
}

enum code check_eta(struct ctx *ctx, uint64_t eta_ms)
{
    if (eta_ms > ctx->wall_ms && eta_ms < READY_NEVER)
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, "eta_ms",
                      "eta_ms must be in the future: %llu is not after %llu, the engine's clock",
                      (unsigned long long)eta_ms, (unsigned long long)ctx->wall_ms);
}

uint64_t mix_supply_lines(uint64_t f, const struct supply_line *lines, uint32_t count)
{
    f = mix_number(f, count);
    for (uint32_t i = 0; i < count; i++) {
        f = mix_text(f, lines[i].sku);
        f = mix_number(mix_number(f, (uint64_t)lines[i].qty), (uint64_t)lines[i].rejected);
    }
    return f;
}

/* ---- finding ---- */

static enum code unknown_supply(struct ctx *ctx, struct text id)
{
    return fail(ctx, CODE_UNKNOWN_RESERVATION, "no supply \"%.*s\"", (int)id.len, id.at);
}

static enum code supply_take(struct ctx *ctx, struct text id, struct id_entry **entry,
                             uint64_t *word)
{
    struct id_table *ids = &ctx->ledger->ids;
    enum code code = check_id(ctx, "id", id);
    if (code)
        return code;
    enum entry_found found = id_table_find(ids, id, id_hash(ids, id), entry, word);
    if (found == ENTRY_BUSY)
        return CODE_DEFERRED;
    if (found == ENTRY_ABSENT)
        return unknown_supply(ctx, id);
    if (word_kind(*word) == ENTRY_SUPPLY)
        return CODE_OK;
    entry_put(*entry, *word);
    return unknown_supply(ctx, id);
}

enum code supply_hold(struct ctx *ctx, struct txn *t, struct text id)
{
    struct id_entry *entry;
    uint64_t word;
    if (t->reservation)
        return CODE_OK;
    enum code code = supply_take(ctx, id, &entry, &word);
    if (code)
        return code;
    t->reservation = entry;
    t->word = word;
    supply_list(ctx, entry);
    return CODE_OK;
}

void supply_list(struct ctx *ctx, const struct id_entry *entry)
{
    struct supply_work *w = ctx->supply;
    const struct items *items = &ctx->ledger->items;
    struct line_walk walk = line_walk_start(&ctx->ledger->ids, entry);
    struct line_entry *line;
    item_map_empty(&w->map);
    w->line_count = w->move_count = 0;
    while ((line = line_walk_next(&walk)) != NULL) {
        uint32_t at = w->line_count++;
        w->lines[at] = line;
        w->items[at] = key_item(pool_read_key(pool_at(items, line->pool)));
        w->move_of[at] = 0;
        *item_map_number(&w->map, w->items[at], at) = at;
    }
    ctx->work += (uint64_t)DRAW_WORK * w->line_count;
}

enum code supply_wrong_state(struct ctx *ctx, const struct txn *t, const char *wanted)
{
    const char *state = supply_state_name(word_supply_state(t->word));
    struct text id = entry_id(t->reservation, t->word);
    fail(ctx, CODE_WRONG_STATE, "supply \"%.*s\" is %s: it cannot %s", (int)id.len, id.at, state,
         wanted);
    ctx->failure.state = state;
    return CODE_WRONG_STATE;
}

enum code supply_find_line(struct ctx *ctx, uint32_t index, struct text sku, uint32_t *line)
{
    struct supply_work *w = ctx->supply;
    uint32_t item;
    enum code code = find_item(ctx, sku, &item);
    if (code)
        return code;
    *line = *item_map_number(&w->map, item, LINES_MAX);
    if (*line < w->line_count)
        return CODE_OK;
    return fail_param(ctx, CODE_BAD_REQUEST, "sku", "lines[%u] sku: \"%.*s\" is not in this supply",
                      index, (int)sku.len, sku.at);
}

enum code supply_pool_is_full(struct ctx *ctx, uint32_t item, uint16_t location)
{
    struct text sku = item_sku(item_at(&ctx->ledger->items, item));
    struct text at = code_text(&catalogue_now(ctx)->locations[location].code);
    return fail(ctx, CODE_LIMIT,
                "a pool holds at most %lld units: so many of \"%.*s\" do not fit at \"%.*s\"",
                (long long)QUANTITY_MAX, (int)sku.len, sku.at, (int)at.len, at.at);
}

enum code supply_no_pool(struct ctx *ctx, uint32_t item)
{
    const struct items *items = &ctx->ledger->items;
    struct text sku = item_sku(item_at(items, item));
    return fail(ctx, CODE_LIMIT,
                "the table of pools is full (%u), or %d supplies of \"%.*s\" are on their way to "
                "one location",
                items->max_pools, EXPECTED_SLOTS, (int)sku.len, sku.at);
}

enum code supply_prepare_slots(struct ctx *ctx, uint32_t blocks)
{
    enum entry_found found = slots_prepare(&ctx->ledger->ids, &ctx->cursor, blocks);
    return found == ENTRY_ABSENT ? CODE_OK : no_slots(ctx, found);
}

/* ---- showing ---- */

static void view_lines(struct ctx *ctx, const struct id_entry *entry, struct supply_view *view)
{
    const struct items *items = &ctx->ledger->items;
    struct supply_work *w = ctx->supply;
    struct line_walk walk = line_walk_start(&ctx->ledger->ids, entry);
    const struct line_entry *line;
    view->line_count = 0;
    view->lines = w->views;
    while ((line = line_walk_next(&walk)) != NULL) {
        uint32_t item = key_item(pool_read_key(pool_at(items, line->pool)));
        w->views[view->line_count++] =
            (struct supply_line_view){ .sku = item_sku(item_at(items, item)),
                                       .qty = line->qty,
                                       .shipped = line->shipped,
                                       .accepted = line->accepted,
                                       .rejected = line->rejected,
                                       .lost = line->lost,
                                       .under_way = line_under_way(line) };
    }
    ctx->work += (uint64_t)DRAW_WORK * view->line_count;
}

void view_supply(struct ctx *ctx, const struct id_entry *entry, uint64_t word,
                 struct supply_view *view)
{
    const struct catalogue *catalogue = catalogue_now(ctx);
    struct supply_work *w = ctx->supply;
    struct text id = entry_id(entry, word);
    memcpy(w->id, id.at, id.len); /* the entry is put before the view is read */
    *view =
        (struct supply_view){ .lsn = entry->lsn_last,
                              .id = { w->id, id.len },
                              .state = supply_state_name(word_supply_state(word)),
                              .kind = entry->from ? "transfer" : "expect",
                              .location = code_text(&catalogue->locations[entry->location].code),
                              .eta_ms = entry->eta_ms };
    if (entry->from)
        view->from = code_text(&catalogue->locations[entry->from - 1].code);
    struct text ref = { w->ref, supply_ref(&ctx->ledger->ids, entry, w->ref) };
    if (entry->sends > 0)
        view->reservation = ref;
    else
        view->ref = ref;
    view_lines(ctx, entry, view);
}

enum code ledger_supply(struct ctx *ctx, struct text id, struct supply_view *view)
{
    struct id_entry *entry;
    uint64_t word;
    enum code code = supply_take(ctx, id, &entry, &word);
    if (code)
        return code;
    view_supply(ctx, entry, word, view);
    entry_put(entry, word);
    COUNT(ctx, queries);
    return CODE_OK;
}

/* ---- steps ---- */

struct move_record *supply_move(struct supply_work *w, uint32_t line)
{
    assert(line < w->line_count);
    if (w->move_of[line] == 0) {
        w->moves[w->move_count++] =
            (struct move_record){ .line = (uint16_t)line, .item = w->items[line] };
        w->move_of[line] = (uint16_t)w->move_count;
    }
    return &w->moves[w->move_of[line] - 1];
}

uint32_t shared_unit(const struct items *items, uint32_t item, uint16_t location)
{
    const struct pool *pool = pool_find(items, item, location, owner_of(POOL_SHARED, 0));
    return pool ? pool_unit(items, pool) : UINT32_MAX;
}

/* Of the units, those that the line's pool expects no longer. */
static uint32_t settle_arrival(struct line_entry *line, const struct move_record *move)
{
    struct arrival a = arrival_of(line, move);
    line->accepted += move->qty;
    line->rejected += move->rejected;
    line->over += a.over + a.over_rejected;
    line->lost += move->lost;
    return a.accepted + a.rejected + move->lost;
}

static uint32_t settle_withdrawal(const struct id_entry *entry, struct line_entry *line,
                                  uint32_t qty)
{
    line->qty -= qty;
    if (entry->from) /* of what is held */
        return 0;
    line->shipped -= qty;
    return qty;
}

void supply_settle_line(const struct items *items, const struct id_entry *entry,
                        struct line_entry *line, enum record_type type,
                        const struct move_record *move)
{
    uint32_t fewer = 0;
    assert(entry_is_owned(entry)); /* E1 */
    if (type == RECORD_SHIP) {
        assert(move->qty <= line_held(line));
        line->shipped += move->qty;
        line->accepted += entry->eta_ms == 0 ? move->qty : 0;
    } else if (type == RECORD_ARRIVE) {
        fewer = settle_arrival(line, move);
    } else {
        assert(type == RECORD_WITHDRAW);
        fewer = settle_withdrawal(entry, line, move->qty);
    }
    if (fewer > 0)
        incoming_lower(incoming_at(items, line->pool), fewer);
}

void supply_note_recent(struct ctx *ctx, const struct id_entry *entry,
                        const struct line_entry *line, const struct move_record *move,
                        uint64_t time_ms)
{
    const struct items *items = &ctx->ledger->items;
    struct arrival a = arrival_of(line, move);
    uint32_t item = key_item(pool_read_key(pool_at(items, line->pool)));
    if (a.accepted + a.over > 0)
        recent_add(&ctx->recent, time_ms, shared_unit(items, item, entry->location),
                   (int64_t)a.accepted + a.over);
}

static void give_up_pools(struct ctx *ctx, const struct id_entry *entry)
{
    const struct items *items = &ctx->ledger->items;
    struct line_walk walk = line_walk_start(&ctx->ledger->ids, entry);
    const struct line_entry *line;
    while ((line = line_walk_next(&walk)) != NULL) {
        struct incoming *in = incoming_find(items, line->pool);
        if (in)
            incoming_end(in);
    }
}

/* Can nothing more of it be withdrawn? */
static bool nothing_held(const struct ctx *ctx, const struct id_entry *entry)
{
    struct line_walk walk = line_walk_start(&ctx->ledger->ids, entry);
    const struct line_entry *line;
    while ((line = line_walk_next(&walk)) != NULL)
        if (line_held(line) > 0)
            return false;
    return true;
}

/* A ship may bring another ETA, if nothing is under way: also to lines that it does not name. */
static void set_etas(const struct ctx *ctx, const struct id_entry *entry)
{
    struct line_walk walk = line_walk_start(&ctx->ledger->ids, entry);
    const struct line_entry *line;
    while ((line = line_walk_next(&walk)) != NULL) {
        struct incoming *in = incoming_find(&ctx->ledger->items, line->pool);
        if (in)
            atomic_store_explicit(&in->eta_ms, entry->eta_ms, memory_order_release);
    }
}

enum supply_state supply_settle(struct ctx *ctx, struct id_entry *entry, uint64_t word,
                                enum record_type type)
{
    enum supply_state before = word_supply_state(word);
    if (supply_over(before)) { /* the step found all done */
        entry_put(entry, word);
        return before;
    }
    enum supply_state to = supply_state_of(&ctx->ledger->ids, entry, before);
    assert(supply_may_become(before, to));
    if (type == RECORD_SHIP)
        set_etas(ctx, entry);
    if (supply_over(to))
        give_up_pools(ctx, entry);
    unsigned last = word_last(word);
    if (type == RECORD_WITHDRAW && (entry->from ? nothing_held(ctx, entry) : supply_over(to)))
        last = RECORD_WITHDRAW;
    settle_entry(ctx, entry,
                 word_with_last(supply_word(ENTRY_SUPPLY, to, word_id_len(word)), last));
    return to;
}

/* ---- steps that were done ---- */

bool remember_supply_step(struct ctx *ctx, struct id_entry *op, uint64_t content, uint64_t lsn,
                          const struct id_entry *supply, enum supply_state state, uint32_t id_len)
{
    struct supply_work *w = ctx->supply;
    assert(entry_is_owned(op)); /* E1 */
    assert(w->line_count == supply->draw_count);
    for (uint32_t i = 0; i < w->line_count; i++)
        w->fresh[i] = *w->lines[i];
    op->content = content;
    op->lsn_first = op->lsn_last = lsn;
    op->eta_ms = supply->eta_ms;
    struct text none = { NULL, 0 };
    if (!supply_store(&ctx->ledger->ids, &ctx->cursor, op, w->fresh, w->line_count, none))
        return false;
    uint64_t word = supply_word(ENTRY_SUPPLY_STEP, state, id_len);
    slots_end(&ctx->ledger->ids, &ctx->cursor, op, word);
    entry_put(op, word);
    return true;
}

void repeat_supply_step(struct ctx *ctx, const struct txn *t, struct text id,
                        struct supply_view *view)
{
    *view = (struct supply_view){ .lsn = t->entry->lsn_first,
                                  .id = id,
                                  .state = supply_state_name(word_supply_state(t->entry_word)),
                                  .eta_ms = t->entry->eta_ms };
    view_lines(ctx, t->entry, view);
}
