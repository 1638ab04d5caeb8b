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
