/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/outcomes.h"

#include <assert.h>
#include <string.h>

bool outcomes_store(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                    const struct movement_outcome *outcomes, uint32_t count)
{
    assert(entry_is_owned(entry)); /* E1 */
    assert(count >= 1);
    entry->draw_count = 0;
    if (count == 1) {
        entry->movement = outcomes[0];
        return true;
    }
    uint32_t *link = &entry->more;
    *link = 0;
    for (uint32_t done = 0, here; done < count; done += here) {
        struct draws_entry *block = slots_take_draws(ids, cursor);
        if (!block) {
            slots_free_draws(ids, cursor, entry->more);
            entry->more = 0;
            return false;
        }
        *link = entry_number(ids, (struct id_entry *)(void *)block) + 1;
        link = &block->next;
        here = count - done < OUTCOMES_PER_ENTRY ? count - done : OUTCOMES_PER_ENTRY;
        memcpy(block->outcomes, outcomes + done, here * sizeof *outcomes);
    }
    entry->draw_count = (uint16_t)count;
    return true;
}

uint32_t outcomes_read(const struct id_table *ids, const struct id_entry *entry,
                       struct movement_outcome *outcomes)
{
    uint32_t count = entry->draw_count, link = entry->more;
    if (count == 0) {
        outcomes[0] = entry->movement;
        return 1;
    }
    for (uint32_t done = 0, here; done < count; done += here) {
        assert(link != 0);
        const struct draws_entry *block =
            (const struct draws_entry *)(const void *)entry_at(ids, link - 1);
        here = count - done < OUTCOMES_PER_ENTRY ? count - done : OUTCOMES_PER_ENTRY;
        memcpy(outcomes + done, block->outcomes, here * sizeof *outcomes);
        link = block->next;
    }
    return count;
}
