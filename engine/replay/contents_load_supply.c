/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads supplies, and steps of them.
 *
 * What is expected in a pool is not in the pool's record: it is what a line of the supply that owns
 * the pool has under way. So here a live supply takes its pools.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/replay/contents_loading.h"
#include "engine/store/slot_places.h"
#include "engine/store/supply_lines.h"

bool contents_supply_can_be(const struct contents_entry *saved)
{
    bool step = saved->kind == ENTRY_SUPPLY_STEP;
    bool state = saved->state > SUPPLY_NONE && saved->state < SUPPLY_STATE_COUNT;
    bool lines = saved->supply.line_count >= 1 && saved->supply.line_count <= LINES_MAX;
    bool rest = step ? saved->supply.ref_len == 0 && saved->supply.from == 0 &&
                           saved->supply.location == 0 && saved->supply.sent == 0
                     : saved->supply.ref_len <= NAME_MAX_BYTES && saved->supply.sent <= 1;
    bool sent = saved->supply.sent == 0 || (saved->supply.from && saved->supply.ref_len >= 1 &&
                                            saved->supply.ref_len <= ID_MAX);
    return state && lines && rest && sent && saved->draw_count == 0 && saved->timed == NOT_TIMED;
}

uint64_t contents_lines_length(const struct contents_entry *saved)
{
    return saved->supply.line_count * sizeof(struct contents_line) + saved->supply.ref_len;
}

static bool places_can_be(const struct loading *l, const struct id_entry *entry)
{
    uint16_t locations = atomic_load(&l->ledger->catalogue)->location_count;
    return entry->location < locations && entry->from <= locations &&
           entry->from != entry->location + 1;
}

/* ---- lines ---- */

static bool quantities_can_be(const struct contents_line *line)
{
    uint64_t came = (uint64_t)line->accepted + line->rejected;
    return line->qty <= QUANTITY_MAX && line->shipped <= line->qty && came <= INT32_MAX &&
           line->over <= came && came + line->lost <= (uint64_t)line->shipped + line->over;
}

/* May a line of that supply name the pool? What is under way has one of expected units. */
static bool pool_fits(const struct id_entry *entry, const struct pool_key *pool,
                      const struct line_entry *line)
{
    bool expected = owner_kind(pool->owner) == POOL_EXPECTED;
    bool place = expected ? pool->location == entry->location
                          : entry->from && pool->location == entry->from - 1;
    return place && (expected || line_under_way(line) == 0) &&
           (entry->from || line_held(line) == 0);
}

static int line_is_invalid(struct loading *l, const struct entry_parts *p)
{
    return contents_complain(l->complaint, -EINVAL, "supply \"%.*s\" has an invalid line",
                             (int)p->id.len, p->id.at);
}

/* The pool is the supply's, and expects what the line has under way. */
static int own_pool(struct loading *l, const struct entry_parts *p, const struct id_entry *entry,
                    const struct line_entry *line)
{
    const struct items *items = &l->ledger->items;
    struct incoming *in = incoming_at(items, line->pool);
    uint32_t none = 0, link = p->slot + 1;
    assert(in != items->incoming); /* it has its number since it was loaded */
    if (!atomic_compare_exchange_strong_explicit(&in->supply, &none, link, memory_order_acq_rel,
                                                 memory_order_relaxed))
        return contents_complain(l->complaint, -EINVAL, "supply \"%.*s\" has another one's pool",
                                 (int)p->id.len, p->id.at);
    if (word_on_hand(pool_read(pool_at(items, line->pool))) < line_under_way(line))
        return contents_complain(l->complaint, -EINVAL,
                                 "supply \"%.*s\" expects %u units in a pool that has fewer",
                                 (int)p->id.len, p->id.at, line_under_way(line));
    atomic_store_explicit(&in->transfer, entry->from != 0, memory_order_relaxed);
    incoming_raise(in, entry->eta_ms, line_under_way(line));
    incoming_raised(in);
    return 0;
}

/* What a line of a live supply means to pools: what it holds is promised where it comes from, and
 * what is under way is expected where it goes. */
static int take_pools(struct loading *l, const struct entry_parts *p, const struct id_entry *entry,
                      const struct line_entry *line, uint32_t item)
{
    const struct items *items = &l->ledger->items;
    uint16_t shared = owner_of(POOL_SHARED, 0);
    const struct pool *to = pool_find(items, item, entry->location, shared), *from = NULL;
    if (entry->from)
        from = pool_find(items, item, (uint16_t)(entry->from - 1), shared);
    if (!to || (entry->from && !from))
        return contents_complain(l->complaint, -EINVAL,
                                 "supply \"%.*s\" has an item without a shared pool at its places",
                                 (int)p->id.len, p->id.at);
    if (line_held(line) > 0)
        l->promised += line_held(line) * contents_weight(pool_unit(items, from));
    uint64_t key = pool_read_key(pool_at(items, line->pool));
    return owner_kind(key_owner(key)) == POOL_EXPECTED ? own_pool(l, p, entry, line) : 0;
}

static int load_line(struct loading *l, const struct entry_parts *p, const struct id_entry *entry,
                     uint32_t index, struct line_entry *to)
{
    const struct items *items = &l->ledger->items;
    struct contents_line saved;
    const struct pool *pool = NULL;
    memcpy(&saved, p->behind + index * sizeof saved, sizeof saved);
    struct pool_key key = saved.pool;
    enum pool_kind kind = owner_kind(key.owner);
    if (key.item < items->max_items)
        pool = pool_find(items, key.item, key.location, key.owner);
    if (!pool || (kind != POOL_EXPECTED && kind != POOL_SHARED) || !quantities_can_be(&saved))
        return line_is_invalid(l, p);
    *to = (struct line_entry){ pool_unit(items, pool), saved.qty,  saved.shipped, saved.accepted,
                               saved.rejected,         saved.lost, saved.over };
    if (p->saved.kind == ENTRY_SUPPLY_STEP)
        return 0;
    if (!pool_fits(entry, &key, to))
        return line_is_invalid(l, p);
    return p->finished ? 0 : take_pools(l, p, entry, to, key.item);
}

/* ---- blocks ---- */

/* The lines, and behind them the ref, lie in the slots behind the entry's own. */
static int load_blocks(struct loading *l, const struct entry_parts *p, const struct id_entry *entry)
{
    uint32_t lines = entry->draw_count, ref_left = entry->ref_len;
    uint32_t blocks = supply_blocks(lines, entry->ref_len);
    const unsigned char *ref = p->behind + lines * sizeof(struct contents_line);
    int error = 0;
    for (uint32_t i = 0, line = 0; !error && i < blocks; i++) {
        struct draws_entry *block;
        error = contents_keep_block(l, p, p->slot + 1 + i, i + 1 == blocks, &block);
        if (!error && line == lines) {
            uint32_t here = ref_left < BYTES_PER_ENTRY ? ref_left : BYTES_PER_ENTRY;
            memcpy(block->bytes, ref, here);
            ref += here;
            ref_left -= here;
        }
        for (uint32_t at = 0; !error && line < lines && at < LINES_PER_ENTRY; at++, line++)
            error = load_line(l, p, entry, line, &block->lines[at]);
    }
    assert(error || ref_left == 0);
    return error;
}

int contents_load_supply(struct loading *l, const struct entry_parts *p, struct id_entry *entry)
{
    const struct contents_entry *saved = &p->saved;
    enum supply_state state = (enum supply_state)saved->state;
    entry->lsn_last = saved->supply.lsn_last;
    entry->eta_ms = saved->supply.eta_ms;
    entry->done_ms = saved->supply.moment; /* or watched_ms */
    entry->from = saved->supply.from;
    entry->location = saved->supply.location;
    entry->draw_count = saved->supply.line_count;
    entry->ref_len = saved->supply.ref_len;
    entry->sends = saved->supply.sent ? 1 : 0;
    entry->more = p->slot + 2;
    if (saved->kind == ENTRY_SUPPLY && !places_can_be(l, entry))
        return contents_complain(l->complaint, -EINVAL, "supply \"%.*s\" has unknown places",
                                 (int)p->id.len, p->id.at);
    if (saved->kind == ENTRY_SUPPLY)
        slot_places_set_source(&l->ledger->ids, entry); /* @held-place */
    int error = load_blocks(l, p, entry);
    if (error || saved->kind == ENTRY_SUPPLY_STEP)
        return error;
    if (!supply_state_fits(&l->ledger->ids, entry, state))
        return contents_complain(l->complaint, -EINVAL,
                                 "supply \"%.*s\" is %s, and its lines are not", (int)p->id.len,
                                 p->id.at, supply_state_name(state));
    return 0;
}
