/* SPDX-License-Identifier: Apache-2.0 */
/* The model's promises that are short: what is there belongs to the earliest ones. */
#include "tests/support/supply_model.h"

#include <stdbool.h>

static bool is_live(const struct depot_id *x)
{
    return x->use == USED_RESERVATION || x->use == USED_SUPPLY;
}

/* What it was promised of that item, and that is left: by the place itself, or from a supply. */
static int64_t left_of(const struct depot_id *x, int item, int place, int from)
{
    int64_t sum = 0;
    for (int i = 0; x->use == USED_RESERVATION && i < x->draw_count; i++) {
        const struct depot_draw *draw = &x->draws[i];
        if (draw->item == item && draw->place == place && draw->from == from)
            sum += draw_open(draw);
    }
    for (int i = 0; x->use == USED_SUPPLY && i < x->line_count; i++)
        if (x->from == place && from == FROM_LOOSE && x->lines[i].item == item)
            sum += x->lines[i].qty - x->lines[i].shipped;
    return sum;
}

/* The promises are covered in their order. */
static int list(const struct depot *d, int item, int place, int from, int64_t there,
                struct depot_short *shorts)
{
    int count = 0;
    for (uint64_t number = 1; number <= d->promises; number++)
        for (int id = 1; id <= d->last_id; id++) {
            const struct depot_id *x = &d->ids[id];
            int64_t left = is_live(x) && x->number == number ? left_of(x, item, place, from) : 0;
            int64_t missing = left > there ? left - there : 0;
            there -= left - missing;
            if (missing > 0)
                shorts[count++] = (struct depot_short){ id, item, place, from, missing };
        }
    return count;
}

/* Most are not; it costs a loop over all to find who is. */
static int list_if_short(const struct depot *d, int item, int place, int from, int64_t there,
                         struct depot_short *shorts)
{
    int64_t left = 0;
    for (int id = 1; id <= d->last_id; id++)
        left += is_live(&d->ids[id]) ? left_of(&d->ids[id], item, place, from) : 0;
    return left > there ? list(d, item, place, from, there, shorts) : 0;
}

int depot_shorts(const struct depot *d, struct depot_short shorts[DEPOT_SHORTS])
{
    int count = 0;
    for (int item = 0; item < DEPOT_ITEMS; item++)
        for (int place = 0; place < DEPOT_PLACES; place++) {
            const struct depot_stock *s = &d->stock[item][place];
            count += list_if_short(d, item, place, FROM_LOOSE, s->loose, shorts + count);
            count += list_if_short(d, item, place, FROM_OWN, s->own, shorts + count);
        }
    for (int id = 1; id <= d->last_id; id++)
        for (int item = 0; item < DEPOT_ITEMS; item++) {
            const struct depot_line *line = depot_line_of((struct depot *)d, id, item);
            if (line)
                count += list_if_short(d, item, d->ids[id].to, id, line->kept + line->way,
                                       shorts + count);
        }
    return count;
}
