/* SPDX-License-Identifier: Apache-2.0 */
/* The list of supplies: a walk over the id table. */
#include "engine/ledger/supply.h"

#include "engine/ledger/ctx.h"
#include "engine/ledger/find.h"
#include "engine/ops/supply.h"

enum code ledger_supplies_forgotten(struct ctx *ctx, const struct supply_filter *filter)
{
    return fail_param(ctx, CODE_BAD_REQUEST, "after",
                      "after: no supply \"%.*s\" is remembered; begin the list again",
                      (int)filter->after.len, filter->after.at);
}

/* The list goes on behind the supply that was listed last. */
static enum code find_after(struct ctx *ctx, const struct supply_filter *filter,
                            struct supply_walk *walk)
{
    struct text id = filter->after;
    struct id_table *ids = &ctx->ledger->ids;
    struct id_entry *entry;
    uint64_t word;
    if (id.len < 1 || id.len > ID_MAX)
        return check_id(ctx, "after", id);
    enum entry_found found = id_table_find(ids, id, id_hash(ids, id), &entry, &word);
    if (found == ENTRY_BUSY)
        return CODE_DEFERRED;
    if (found == ENTRY_FOUND) {
        walk->at = entry_number(ids, entry) + 1;
        entry_put(entry, word);
        if (word_kind(word) == ENTRY_SUPPLY)
            return CODE_OK;
    }
    return ledger_supplies_forgotten(ctx, filter);
}

enum code ledger_supplies_begin(struct ctx *ctx, const struct supply_filter *filter,
                                struct supply_walk *walk, uint64_t *lsn)
{
    const struct location *location;
    enum code code = CODE_OK;
    *walk = (struct supply_walk){ .at = 0 };
    *lsn = log_head(ctx->ledger->log);
    catalogue_pin(ctx);
    if (text_given(filter->location)) {
        code = find_location(ctx, "location", filter->location, &location);
        if (!code)
            walk->location = (uint16_t)(location_index(ctx->catalogue, location) + 1);
    }
    if (!code && text_given(filter->state)) {
        walk->state = (uint8_t)supply_state_named(filter->state);
        if (walk->state == SUPPLY_NONE)
            code =
                fail_param(ctx, CODE_BAD_REQUEST, "state",
                           "state must be \"held\", \"in_transit\", \"arrived\" or \"withdrawn\"");
    }
    if (!code && text_given(filter->after))
        code = find_after(ctx, filter, walk);
    if (!code)
        COUNT(ctx, queries);
    return code;
}

static bool is_late(const struct ctx *ctx, const struct id_entry *entry, uint64_t word)
{
    return word_supply_state(word) == SUPPLY_IN_TRANSIT && entry->eta_ms != 0 &&
           entry->eta_ms <= ctx->wall_ms;
}

/* Of an owned entry. */
static bool matches(const struct ctx *ctx, const struct supply_filter *filter,
                    const struct supply_walk *walk, const struct id_entry *entry, uint64_t word)
{
    return word_kind(word) == ENTRY_SUPPLY &&
           (walk->location == 0 || entry->location == walk->location - 1) &&
           (walk->state == 0 || word_supply_state(word) == (enum supply_state)walk->state) &&
           (!filter->has_late || is_late(ctx, entry, word) == filter->late);
}

enum supply_found ledger_supplies_next(struct ctx *ctx, const struct supply_filter *filter,
                                       struct supply_walk *walk, uint32_t *budget,
                                       struct supply_view *view)
{
    struct id_table *ids = &ctx->ledger->ids;
    uint32_t used = id_table_used(ids);
    for (; walk->at < used; walk->at++) {
        if (*budget == 0)
            return SUPPLY_NOT_YET;
        --*budget;
        struct id_entry *entry = entry_at(ids, walk->at);
        uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
        ctx->work++;
        if (word_kind(word) != ENTRY_SUPPLY)
            continue;
        if (!entry_take(entry, &word))
            return SUPPLY_NOT_YET;
        bool found = matches(ctx, filter, walk, entry, word);
        if (found)
            view_supply(ctx, entry, word, view);
        entry_put(entry, word);
        if (!found)
            continue;
        walk->at++;
        return SUPPLY_FOUND;
    }
    return SUPPLY_END;
}
