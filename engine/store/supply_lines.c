/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/supply_lines.h"

#include <assert.h>

#include "engine/store/draws.h"
#include "engine/store/item.h"

static const char *const names[SUPPLY_STATE_COUNT] = { "?", "held", "in_transit", "arrived",
                                                       "withdrawn" };

static const uint8_t next_states[SUPPLY_STATE_COUNT] = {
    [SUPPLY_NONE] = 1 << SUPPLY_HELD | 1 << SUPPLY_IN_TRANSIT | 1 << SUPPLY_ARRIVED,
    [SUPPLY_HELD] =
        1 << SUPPLY_HELD | 1 << SUPPLY_IN_TRANSIT | 1 << SUPPLY_ARRIVED | 1 << SUPPLY_WITHDRAWN,
    [SUPPLY_IN_TRANSIT] = 1 << SUPPLY_IN_TRANSIT | 1 << SUPPLY_ARRIVED | 1 << SUPPLY_WITHDRAWN,
};

const char *supply_state_name(unsigned state)
{
    return names[state < SUPPLY_STATE_COUNT ? state : SUPPLY_NONE];
}

enum supply_state supply_state_named(struct text name)
{
    for (unsigned i = SUPPLY_HELD; i < SUPPLY_STATE_COUNT; i++)
        if (text_equal(name, text_of(names[i])))
            return (enum supply_state)i;
    return SUPPLY_NONE;
}

bool supply_may_become(enum supply_state from, enum supply_state to)
{
    assert((unsigned)from < SUPPLY_STATE_COUNT);
    return next_states[from] >> to & 1;
}

uint32_t line_source(const struct items *items, const struct id_entry *supply,
                     const struct line_entry *line)
{
    uint32_t item = key_item(pool_read_key(pool_at(items, line->pool)));
    assert(supply->from != 0); /* what comes from outside is held nowhere */
    const struct pool *pool =
        pool_find(items, item, (uint16_t)(supply->from - 1), owner_of(POOL_SHARED, 0));
    return pool ? pool_unit(items, pool) : UINT32_MAX;
}

/* ---- blocks ---- */

static struct draws_entry *block_at(const struct id_table *ids, uint32_t link)
{
    assert(link != 0);
    return (struct draws_entry *)(void *)entry_at(ids, link - 1);
}

struct line_walk line_walk_start(const struct id_table *ids, const struct id_entry *entry)
{
    return (struct line_walk){
        .ids = ids, .next = entry->more, .at = LINES_PER_ENTRY, .left = entry->draw_count
    };
}

struct line_entry *line_walk_next(struct line_walk *walk)
{
    if (walk->left == 0)
        return NULL;
    if (walk->at == LINES_PER_ENTRY) {
        walk->block = block_at(walk->ids, walk->next);
        walk->next = walk->block->next;
        walk->at = 0;
    }
    walk->left--;
    return &walk->block->lines[walk->at++];
}

bool supply_store(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                  const struct line_entry *lines, uint32_t count, struct text ref)
{
    assert(count <= LINES_MAX);
    assert(entry_is_owned(entry)); /* E1 */
    if (!blocks_chain(ids, cursor, entry, supply_blocks(count, ref.len)))
        return false;
    entry->draw_count = (uint16_t)count;
    struct line_walk walk = line_walk_start(ids, entry);
    for (uint32_t i = 0; i < count; i++)
        *line_walk_next(&walk) = lines[i];
    blocks_put_ref(ids, entry, line_blocks(count), ref);
    return true;
}

uint32_t supply_ref(const struct id_table *ids, const struct id_entry *entry,
                    char ref[NAME_MAX_BYTES])
{
    return blocks_ref(ids, entry, line_blocks(entry->draw_count), ref);
}

bool supply_under_way(const struct id_table *ids, const struct id_entry *entry)
{
    struct line_walk walk = line_walk_start(ids, entry);
    const struct line_entry *line;
    while ((line = line_walk_next(&walk)) != NULL)
        if (line_under_way(line) > 0)
            return true;
    return false;
}

enum supply_state supply_state_of(const struct id_table *ids, const struct id_entry *entry,
                                  enum supply_state before)
{
    struct line_walk walk = line_walk_start(ids, entry);
    const struct line_entry *line;
    bool held = false, shipped = false;
    while ((line = line_walk_next(&walk)) != NULL) {
        if (line_under_way(line) > 0)
            return SUPPLY_IN_TRANSIT;
        held |= line_held(line) > 0;
        shipped |= line->shipped > 0;
    }
    if (held)
        return before;
    return shipped ? SUPPLY_ARRIVED : SUPPLY_WITHDRAWN;
}

bool supply_state_fits(const struct id_table *ids, const struct id_entry *entry,
                       enum supply_state state)
{
    /* What is held keeps a supply from being over. */
    enum supply_state before = supply_over(state) ? SUPPLY_HELD : state;
    return supply_state_of(ids, entry, before) == state;
}
