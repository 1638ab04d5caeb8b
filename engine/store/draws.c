/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/draws.h"

#include <assert.h>
#include <string.h>

#include "engine/store/slots.h"

static struct draws_entry *block_at(const struct id_table *ids, uint32_t link)
{
    assert(link != 0);
    return (struct draws_entry *)(void *)entry_at(ids, link - 1);
}

bool blocks_chain(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                  uint32_t count)
{
    uint32_t *link = &entry->more;
    *link = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct draws_entry *block = slots_take_draws(ids, cursor);
        if (!block) {
            slots_free_draws(ids, cursor, entry->more);
            entry->more = 0;
            return false;
        }
        *link = entry_number(ids, (struct id_entry *)(void *)block) + 1;
        link = &block->next;
    }
    return true;
}

/* ---- the ref ---- */

static struct draws_entry *block_behind(const struct id_table *ids, const struct id_entry *entry,
                                        uint32_t before)
{
    struct draws_entry *block = block_at(ids, entry->more);
    for (; before > 0; before--)
        block = block_at(ids, block->next);
    return block;
}

void blocks_put_ref(struct id_table *ids, struct id_entry *entry, uint32_t before, struct text ref)
{
    assert(ref.len <= NAME_MAX_BYTES);
    entry->ref_len = (uint8_t)ref.len;
    for (uint32_t done = 0, here; done < ref.len; done += here, before++) {
        here = ref.len - done < BYTES_PER_ENTRY ? ref.len - done : BYTES_PER_ENTRY;
        memcpy(block_behind(ids, entry, before)->bytes, ref.at + done, here);
    }
}

uint32_t blocks_ref(const struct id_table *ids, const struct id_entry *entry, uint32_t before,
                    char ref[NAME_MAX_BYTES])
{
    for (uint32_t done = 0, here; done < entry->ref_len; done += here, before++) {
        here = entry->ref_len - done < BYTES_PER_ENTRY ? entry->ref_len - done : BYTES_PER_ENTRY;
        memcpy(ref + done, block_behind(ids, entry, before)->bytes, here);
    }
    return entry->ref_len;
}

uint32_t reservation_ref(const struct id_table *ids, const struct id_entry *entry,
                         char ref[NAME_MAX_BYTES])
{
    return blocks_ref(ids, entry, entry_draw_blocks(entry) - ref_blocks(entry->ref_len), ref);
}

/* ---- another layout ---- */

uint32_t draws_reshaped_blocks(const struct id_entry *entry, bool tracked, uint32_t more,
                               uint32_t ref_len)
{
    enum draw_layout layout = tracked ? LAYOUT_TRACKED : entry_layout(entry);
    return draw_blocks(entry->draw_count + more, layout, ref_len);
}

static void copy_draw(struct id_entry *to, struct draw *at, const struct id_entry *from,
                      struct draw *draw)
{
    if (from->tracked) {
        *draw_tracked(at) = *draw_tracked(draw);
        return;
    }
    *at = *draw;
    if (entry_layout(to) != LAYOUT_PLAIN)
        draw_set_ready(at, draw_ready_ms(from, draw), draw_last_ms(from, draw));
    if (to->tracked)
        draw_tracked(at)->granted = draw->qty;
}

static bool reshape(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                    bool tracked, uint32_t more, struct text ref)
{
    assert(entry_is_owned(entry)); /* E1 */
    assert(tracked || !entry->tracked);
    assert(entry->draw_count + more <= DRAWS_MAX);
    struct id_entry to = { .created_ms = entry->created_ms,
                           .draw_count = (uint16_t)(entry->draw_count + more),
                           .timed = entry->timed,
                           .tracked = tracked,
                           .ref_len = (uint8_t)ref.len };
    uint32_t blocks = entry_draw_blocks(&to), old = entry_draw_blocks(entry) ? entry->more : 0;
    assert(blocks > 0); /* a plain draw without a ref has that layout already */
    if (!blocks_chain(ids, cursor, &to, blocks))
        return false;
    struct draw_walk from = draw_walk_start(ids, entry), into = draw_walk_start(ids, &to);
    struct draw *draw;
    while ((draw = draw_walk_next(&from)) != NULL)
        copy_draw(&to, draw_walk_next(&into), entry, draw);
    blocks_put_ref(ids, &to, blocks - ref_blocks(ref.len), ref);
    slots_free_draws(ids, cursor, old);
    entry->more = to.more;
    entry->draw_count = to.draw_count;
    entry->tracked = to.tracked;
    entry->ref_len = to.ref_len;
    return true;
}

bool draws_reshape(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                   bool tracked, struct text ref)
{
    return reshape(ids, cursor, entry, tracked, 0, ref);
}

bool draws_track(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                 uint32_t more)
{
    char ref[NAME_MAX_BYTES];
    if (entry->tracked && more == 0)
        return true;
    struct text kept = { ref, reservation_ref(ids, entry, ref) };
    return reshape(ids, cursor, entry, true, more, kept);
}
