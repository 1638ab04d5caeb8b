/* SPDX-License-Identifier: Apache-2.0 */
/* Units that move within a place, or leave it at a till. */
#include "engine/history/history_inside.h"

#include <errno.h>

int history_change_pools(struct taking *taking, const struct movement_fields *f)
{
    const struct movement_record *r = &f->fixed;
    int error = history_move_units(taking, &r->pool, r->delta);
    for (uint32_t i = 0; i < r->more_count && !error; i++)
        error = history_move_units(taking, &f->more[i].pool, f->more[i].delta);
    return error;
}

/* An event for each pool that the units leave, and one for the pool that they go to. */
int history_take_shift(struct taking *taking)
{
    struct movement_fields f;
    const struct movement_record *r = &f.fixed;
    if (!movement_decode(taking->record, &f))
        return -EILSEQ;
    if (!history_asks_pool(taking->history, &r->pool) && !history_asks_id(taking->history, f.id))
        return 0;
    taking->event.id = f.id;
    taking->event.ref = f.ref;
    taking->event.reason = f.reason;
    taking->event.type = "shift";
    taking->event.time_ms = r->time_ms;
    return history_change_pools(taking, &f);
}

/* A sale of several items has events for each. */
int history_take_sold(struct taking *taking)
{
    struct sold_fields f;
    if (!sold_decode(taking->record, &f))
        return -EILSEQ;
    bool asked = history_asks_id(taking->history, f.id);
    taking->event.id = f.id;
    taking->event.ref = f.ref;
    taking->event.type = "sold";
    taking->event.time_ms = f.fixed.time_ms;
    taking->event.channel = f.fixed.channel;
    taking->event.has_channel = true;
    int error = 0;
    for (uint32_t i = 0; i < f.fixed.change_count && !error; i++)
        if (asked || history_asks_pool(taking->history, &f.changes[i].pool))
            error = history_move_units(taking, &f.changes[i].pool, f.changes[i].delta);
    return error;
}

bool history_sold_of_others(const struct history *history, const struct record_head *record)
{
    struct sold_fields f;
    if (!sold_decode(record, &f))
        return false; /* history_take_sold refuses it */
    for (uint32_t i = 0; i < f.fixed.line_count; i++)
        if (f.lines[i].item == history->filter.item)
            return false;
    return true;
}

/* Units that were booked in pay what was owed: the sums of the place stay. */
int history_take_debt_sweep(struct taking *taking, const struct sweep_fields *f)
{
    struct pool_key owed = f->fixed.pool, from = owed;
    if (taking->record->flags & SWEEP_PAYS)
        owed.owner = owner_of(POOL_OWED, 0);
    else
        from = history_shared(owed.item, owed.location);
    if (!history_asks_pool(taking->history, &from))
        return 0;
    taking->event.type = "settle";
    taking->event.time_ms = f->fixed.time_ms;
    int error = history_move_units(taking, &from, f->fixed.delta);
    return error ? error : history_move_units(taking, &owed, f->fixed.delta);
}
