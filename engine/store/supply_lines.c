/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/supply_lines.h"

#include <assert.h>
#include <string.h>

#include "engine/store/item.h"
#include "engine/store/slots.h"

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
    uint32_t *link = &entry->more;
    uint32_t left = count, ref_left = ref.len;
    assert(count <= LINES_MAX);
    assert(ref.len <= NAME_MAX_BYTES);
    assert(entry_is_owned(entry)); /* E1 */
    *link = 0;
    while (left > 0 || ref_left > 0) {
        struct draws_entry *block = slots_take_draws(ids, cursor);
        if (!block) {
            slots_free_draws(ids, cursor, entry->more);
            entry->more = 0;
            return false;
        }
        *link = entry_number(ids, (struct id_entry *)(void *)block) + 1;
        link = &block->next;
        if (left > 0) {
            uint32_t here = left < LINES_PER_ENTRY ? left : LINES_PER_ENTRY;
            memcpy(block->lines, lines + (count - left), here * sizeof lines[0]);
            left -= here;
        } else {
            uint32_t here = ref_left < BYTES_PER_ENTRY ? ref_left : BYTES_PER_ENTRY;
            memcpy(block->bytes, ref.at + (ref.len - ref_left), here);
            ref_left -= here;
        }
    }
    entry->draw_count = (uint16_t)count;
    entry->ref_len = (uint8_t)ref.len;
    return true;
}

uint32_t supply_ref(const struct id_table *ids, const struct id_entry *entry,
                    char ref[NAME_MAX_BYTES])
{
    uint32_t link = entry->more, len = entry->ref_len;
    for (uint32_t i = line_blocks(entry->draw_count); len > 0 && i > 0; i--)
        link = block_at(ids, link)->next;
    for (uint32_t done = 0, here; done < len; done += here) {
        const struct draws_entry *block = block_at(ids, link);
        here = len - done < BYTES_PER_ENTRY ? len - done : BYTES_PER_ENTRY;
        memcpy(ref + done, block->bytes, here);
        link = block->next;
    }
    return len;
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
