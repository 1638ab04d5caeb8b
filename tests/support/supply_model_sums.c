/* SPDX-License-Identifier: Apache-2.0 */
/* The model's sums over what is promised, kept and on its way. */
#include "tests/support/supply_model.h"

#include <stddef.h>

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t positive(int64_t a)
{
    return a > 0 ? a : 0;
}

/* What is open of the draws from there. */
static int64_t promised(const struct depot *d, int item, int place, int from)
{
    int64_t sum = 0;
    for (int id = 1; id <= d->last_id; id++)
        for (int i = 0; d->ids[id].use == USED_RESERVATION && i < d->ids[id].draw_count; i++) {
            const struct depot_draw *draw = &d->ids[id].draws[i];
            if (draw->item == item && draw->place == place && draw->from == from)
                sum += draw_open(draw);
        }
    return sum;
}

int64_t depot_loose_promised(const struct depot *d, int item, int place)
{
    int64_t sum = promised(d, item, place, FROM_LOOSE);
    for (int id = 1; id <= d->last_id; id++) {
        const struct depot_id *x = &d->ids[id];
        for (int i = 0; x->use == USED_SUPPLY && x->from == place && i < x->line_count; i++)
            if (x->lines[i].item == item)
                sum += x->lines[i].qty - x->lines[i].shipped;
    }
    return sum;
}

int64_t depot_kept(const struct depot *d, int item, int place)
{
    int64_t sum = 0;
    for (int id = 1; id <= d->last_id; id++) {
        const struct depot_id *x = &d->ids[id];
        for (int i = 0; x->use == USED_SUPPLY && x->to == place && i < x->line_count; i++)
            if (x->lines[i].item == item)
                sum += x->lines[i].kept;
    }
    return sum;
}

struct depot_line *depot_line_of(struct depot *d, int supply, int item)
{
    struct depot_id *x = &d->ids[supply];
    for (int i = 0; x->use == USED_SUPPLY && i < x->line_count; i++)
        if (x->lines[i].item == item)
            return &x->lines[i];
    return NULL;
}

int64_t depot_line_promised(const struct depot *d, int supply, int item)
{
    return promised(d, item, d->ids[supply].to, supply);
}

int64_t depot_way_promised(const struct depot *d, int supply, int item)
{
    const struct depot_line *line = depot_line_of((struct depot *)d, supply, item);
    return least(positive(depot_line_promised(d, supply, item) - line->kept), line->way);
}

int64_t depot_on_hand(const struct depot *d, int item, int place)
{
    const struct depot_stock *s = &d->stock[item][place];
    return s->loose + s->own + depot_kept(d, item, place);
}

int64_t depot_reserved(const struct depot *d, int item, int place)
{
    int64_t sum = depot_loose_promised(d, item, place) + d->stock[item][place].own_reserved;
    for (int id = 1; id <= d->last_id; id++)
        if (d->ids[id].use == USED_SUPPLY && d->ids[id].to == place &&
            depot_line_of((struct depot *)d, id, item))
            sum += depot_line_promised(d, id, item) - depot_way_promised(d, id, item);
    return sum;
}

/* What is loose goes first, and the rest must all be in one hand. */
bool depot_may_lose(const struct depot *d, int item, int place, int64_t units)
{
    const struct depot_stock *s = &d->stock[item][place];
    int64_t own_free = positive(s->own - s->own_reserved), hands = s->own > own_free;
    if (units <= s->loose + own_free)
        return true;
    for (int id = 1; id <= d->last_id; id++) {
        const struct depot_line *line = depot_line_of((struct depot *)d, id, item);
        hands += line && d->ids[id].to == place && line->kept > 0;
    }
    return hands <= 1;
}

bool depot_is_short(const struct depot *d, int supply, int item)
{
    const struct depot_line *line = depot_line_of((struct depot *)d, supply, item);
    return line && depot_line_promised(d, supply, item) > line->kept + line->way;
}
