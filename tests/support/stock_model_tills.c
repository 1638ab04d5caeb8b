/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: what comes to a place and leaves it, sales at tills, and shifts. */
#include "tests/support/stock_model.h"

#include <assert.h>

enum { MOST = (1 << 28) - 1 };

bool model_sold_kind(int kind)
{
    return kind == MODEL_SHARED || kind >= MODEL_ALLOTTED;
}

int64_t model_sellable(const struct model *m, int item, int location)
{
    int64_t on_hand, reserved;
    model_sum_place(m, item, location, &on_hand, &reserved);
    return on_hand + m->items[item].pools[location][MODEL_OWED].on_hand;
}

int model_pool_room(const struct model *m)
{
    return m->limits.pools - m->pool_count;
}

static void moved_at(struct model *m, int item, int location, int64_t delta, uint64_t time_ms)
{
    m->moves[m->move_count++] = (struct model_move){ time_ms, item, location, MODEL_SHARED, delta };
}

/* The order of the allotments is theirs by the age of their pools. */
void model_lose(struct model *m, int item, int location, int first, int64_t missing,
                uint64_t time_ms)
{
    struct model_pool *pools = m->items[item].pools[location];
    if (missing > 0)
        moved_at(m, item, location, -missing, time_ms);
    if (first >= 0) {
        struct model_pool *pool = &pools[MODEL_ALLOTTED + first];
        int64_t free = pool->on_hand - pool->reserved;
        int64_t qty = free < missing ? free : missing;
        pool->on_hand -= qty > 0 ? qty : 0;
        missing -= qty > 0 ? qty : 0;
    }
    for (int pass = 0; pass < 2; pass++)
        for (int age = 0; age <= m->pool_count; age++)
            for (int k = 0; k < MODEL_KINDS; k++) {
                struct model_pool *pool = &pools[k];
                /* The shared pool is before the oldest. */
                int its_age = k == MODEL_SHARED ? 0 : pool->age;
                if (!model_sold_kind(k) || !pool->made || its_age != age)
                    continue;
                int64_t there = pass == 0 ? pool->on_hand - pool->reserved : pool->on_hand;
                int64_t qty = there < missing ? there : missing;
                if (qty <= 0)
                    continue;
                pool->on_hand -= qty;
                missing -= qty;
            }
    assert(missing == 0);
}

bool model_come(struct model *m, int item, int location, int64_t qty)
{
    struct model_pool *pools = m->items[item].pools[location];
    int64_t paid = pools[MODEL_OWED].on_hand < qty ? pools[MODEL_OWED].on_hand : qty;
    if (pools[MODEL_SHARED].on_hand + qty - paid > MOST)
        return false;
    pools[MODEL_OWED].on_hand -= paid;
    pools[MODEL_SHARED].on_hand += qty - paid;
    moved_at(m, item, location, qty, m->now_ms);
    return true;
}

int64_t model_choose_there(const struct model *m, const struct model_id *x, int item, int at,
                           int64_t wanted, int64_t part[MODEL_KEPT])
{
    for (int d = 0; d < x->draw_count; d++) {
        const struct answer_draw *draw = &x->draws[d];
        if (draw->item != item || (at != NOWHERE && draw->location != at))
            continue;
        int64_t qty = model_left(draw) - part[d];
        int64_t there = 0;
        if (draw->location != NOWHERE)
            there = m->items[item].pools[draw->location][draw->kind].on_hand;
        for (int e = 0; e < x->draw_count; e++)
            if (x->draws[e].item == item && x->draws[e].location == draw->location &&
                x->draws[e].kind == draw->kind)
                there -= part[e];
        qty = qty < there ? qty : there;
        qty = qty < wanted ? qty : wanted;
        if (qty <= 0)
            continue;
        part[d] += qty;
        wanted -= qty;
    }
    return wanted;
}

/* ---- sold ---- */

/* What is sold of each item, each once, in the order of the request. Returns how many items. */
static int add_up(const struct request *r, int items[MODEL_LINES], int64_t sums[MODEL_LINES])
{
    int count = 0;
    for (int i = 0; i < r->line_count; i++) {
        int at = 0;
        while (at < count && items[at] != r->lines[i].item)
            at++;
        if (at == count) {
            items[count] = r->lines[i].item;
            sums[count++] = 0;
        }
        sums[at] += r->lines[i].qty;
    }
    return count;
}

static uint64_t happened(const struct model *m, const struct request *r)
{
    return r->has_as_of && r->as_of_ms < m->now_ms ? r->as_of_ms : m->now_ms;
}

/* A late sale that a count has missed already takes nothing. */
static bool counted_since(const struct model *m, const struct request *r, int item)
{
    return happened(m, r) < m->now_ms && happened(m, r) <= m->items[item].counted_ms[r->location];
}

static enum code check_lines(const struct model *m, const struct request *r)
{
    int64_t sums[MODEL_ITEMS] = { 0 };
    for (int i = 0; i < r->line_count; i++) {
        if (!m->items[r->lines[i].item].known)
            return CODE_UNKNOWN_SKU;
        sums[r->lines[i].item] += r->lines[i].qty;
        if (sums[r->lines[i].item] > MOST)
            return CODE_BAD_REQUEST;
    }
    return CODE_OK;
}

enum code model_sell(struct model *m, const struct request *r, struct answer *a)
{
    int items[MODEL_LINES], room = model_pool_room(m);
    int64_t sums[MODEL_LINES];
    if (!m->channels[r->channel].known)
        return CODE_UNKNOWN_CHANNEL;
    if (!m->locations[r->location].known)
        return CODE_UNKNOWN_LOCATION;
    enum code code = check_lines(m, r);
    if (code)
        return code;
    int count = add_up(r, items, sums);
    if (!model_slots_left(m, count > 1 ? 2 : 1))
        return CODE_LIMIT;
    for (int i = 0; i < count; i++) {
        const struct model_pool *pools = m->items[items[i]].pools[r->location];
        int64_t debt = sums[i] - model_sellable(m, items[i], r->location);
        bool owes = debt > 0 && !counted_since(m, r, items[i]);
        room -= !pools[MODEL_SHARED].made + (owes && !pools[MODEL_OWED].made);
        if (room < 0 || (owes && pools[MODEL_OWED].on_hand + debt > MOST))
            return CODE_LIMIT;
    }
    for (int i = 0; i < count; i++) {
        struct model_pool *pools = m->items[items[i]].pools[r->location];
        int64_t there = model_sellable(m, items[i], r->location), on_hand, reserved;
        m->items[items[i]].changed = true;
        int64_t taken = sums[i] < there ? sums[i] : there;
        model_make_pool(m, &pools[MODEL_SHARED]);
        if (!counted_since(m, r, items[i])) {
            model_lose(m, items[i], r->location, r->channel, taken, happened(m, r));
            if (taken < sums[i]) {
                model_make_pool(m, &pools[MODEL_OWED]);
                pools[MODEL_OWED].on_hand += sums[i] - taken;
                moved_at(m, items[i], r->location, taken - sums[i], happened(m, r));
            }
        }
        model_sum_place(m, items[i], r->location, &on_hand, &reserved);
        a->on_hand += (i + 1) * on_hand; /* so that the order counts */
        a->available += (i + 1) * (on_hand - reserved);
    }
    return CODE_OK;
}

/* ---- shift ---- */

enum code model_shift(struct model *m, const struct request *r, struct answer *a)
{
    if (!m->locations[r->location].known)
        return CODE_UNKNOWN_LOCATION;
    if (!m->items[r->item].known)
        return CODE_UNKNOWN_SKU;
    struct model_pool *pools = m->items[r->item].pools[r->location];
    struct model_pool *from = &pools[r->from_kind], *to = &pools[r->to_kind];
    bool sellable = r->from_kind == MODEL_SHARED;
    int64_t there = sellable ? model_sellable(m, r->item, r->location) : from->on_hand;
    if (there < r->qty) {
        a->shorts[0] = (struct answer_short){ r->item, r->qty, there };
        return CODE_INSUFFICIENT_STOCK;
    }
    int64_t owed = r->to_kind == MODEL_SHARED ? pools[MODEL_OWED].on_hand : 0;
    int64_t comes = r->qty > owed ? r->qty - owed : 0;
    if (to->on_hand + comes > MOST || (comes > 0 && !model_make_pool(m, to)))
        return CODE_LIMIT;
    if (sellable)
        model_lose(m, r->item, r->location, -1, r->qty, m->now_ms);
    else
        from->on_hand -= r->qty;
    if (r->to_kind == MODEL_SHARED)
        model_come(m, r->item, r->location, r->qty);
    else
        to->on_hand += r->qty;
    return CODE_OK;
}
