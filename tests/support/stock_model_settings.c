/* SPDX-License-Identifier: Apache-2.0 */
/* The naive model: settings. */
#include <string.h>

#include "tests/support/stock_model.h"

void model_set_location(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_location next = m->locations[r->location];
    if (!next.known)
        next = (struct model_location){ .known = true,
                                        .ships = true,
                                        .pickup = true,
                                        .active = true,
                                        .priority = 100,
                                        .age = m->location_count };
    if (r->has_priority)
        next.priority = r->priority;
    if (r->has_lead_time)
        next.lead_time_s = r->lead_time_s;
    if (r->has_safety)
        next.safety = r->safety;
    if (r->has_ships)
        next.ships = r->ships;
    if (r->has_pickup)
        next.pickup = r->pickup;
    if (r->has_active)
        next.active = r->active;
    if (r->has_groups)
        next.groups = r->groups;
    struct model_location *at = &m->locations[r->location];
    bool same = at->known && at->ships == next.ships && at->pickup == next.pickup &&
                at->active == next.active && at->priority == next.priority &&
                at->lead_time_s == next.lead_time_s && at->safety == next.safety &&
                at->groups == next.groups;
    a->code = CODE_OK;
    a->lsn = at->lsn;
    if (same)
        return;
    if (!at->known)
        m->location_count++;
    *at = next;
    at->lsn = a->lsn = lsn;
    model_all_unsure(m);
}

static bool place_known(const struct model *m, int place)
{
    if (place < MODEL_LOCATIONS)
        return m->locations[place].known;
    for (int l = 0; l < MODEL_LOCATIONS; l++)
        if (m->locations[l].known && m->locations[l].groups >> (place - MODEL_LOCATIONS) & 1)
            return true;
    return false;
}

static bool same_channel(const struct model_channel *a, const struct model_channel *b)
{
    if (a->known != b->known || a->buffer != b->buffer || a->hold_ttl_ms != b->hold_ttl_ms ||
        a->sourcing != b->sourcing || a->ignore_safety != b->ignore_safety ||
        a->incoming != b->incoming || a->has_horizon != b->has_horizon ||
        a->horizon_s != b->horizon_s || a->place_count != b->place_count)
        return false;
    for (int i = 0; i < a->place_count; i++)
        if (a->places[i] != b->places[i])
            return false;
    return true;
}

void model_set_channel(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_channel next = m->channels[r->channel];
    next.known = true;
    if (r->has_buffer)
        next.buffer = r->buffer;
    if (r->has_hold)
        next.hold_ttl_ms = r->hold_ttl_ms;
    if (r->has_sourcing)
        next.sourcing = r->sourcing;
    if (r->has_ignore_safety)
        next.ignore_safety = r->ignore_safety;
    if (r->has_incoming)
        next.incoming = r->incoming;
    if (r->has_horizon) {
        next.has_horizon = true;
        next.horizon_s = r->horizon_s;
    }
    if (r->has_places) {
        next.place_count = r->place_count;
        memcpy(next.places, r->places, sizeof next.places);
    }
    a->code = CODE_UNKNOWN_LOCATION;
    for (int i = 0; r->has_places && i < r->place_count; i++)
        if (!place_known(m, r->places[i]))
            return;
    a->code = CODE_OK;
    a->lsn = m->channels[r->channel].lsn;
    if (same_channel(&m->channels[r->channel], &next))
        return;
    next.lsn = a->lsn = lsn;
    m->channels[r->channel] = next;
    model_all_unsure(m);
}

void model_set_item(struct model *m, const struct request *r, uint64_t lsn, struct answer *a)
{
    struct model_item *item = &m->items[r->item];
    a->code = CODE_LIMIT;
    if (!item->known && m->item_count == m->limits.items)
        return;
    if (!item->known)
        m->item_count++;
    bool has = item->has_low_stock || r->has_low_stock;
    int low = r->has_low_stock ? r->low_stock : item->low_stock;
    bool has_safety = item->has_safety || r->has_safety;
    int safety = r->has_safety ? r->safety : item->safety;
    bool limited = item->has_backorder_limit || r->has_backorder_limit;
    int limit = r->has_backorder_limit ? r->backorder_limit : item->backorder_limit;
    bool same = item->detailed && item->has_low_stock == has && item->low_stock == low &&
                item->has_safety == has_safety && item->safety == safety &&
                item->has_backorder_limit == limited && item->backorder_limit == limit;
    item->known = item->detailed = true;
    item->has_safety = has_safety;
    item->safety = safety;
    item->has_low_stock = has;
    item->low_stock = low;
    item->has_backorder_limit = limited;
    item->backorder_limit = limit;
    if (!same)
        item->lsn = lsn;
    model_unsure(m, r->item);
    a->code = CODE_OK;
    a->lsn = item->lsn;
}

/* A stocking comes with the shared pool of its place. */
void model_set_stocking(struct model *m, const struct request *r, struct answer *a)
{
    struct model_item *item = &m->items[r->item];
    struct model_stocking *s = &item->stockings[r->location];
    struct model_stocking next = *s;
    a->code = CODE_UNKNOWN_SKU;
    if (!item->known)
        return;
    a->code = CODE_UNKNOWN_LOCATION;
    if (!m->locations[r->location].known)
        return;
    if (!s->set)
        next = (struct model_stocking){ .set = true, .safety = -1, .lead_time_s = -1 };
    if (r->has_stocked)
        next.not_stocked = !r->stocked;
    if (r->has_safety)
        next.safety = r->safety;
    if (r->has_lead_time)
        next.lead_time_s = r->lead_time_s;
    a->code = CODE_OK;
    if (!s->set && !next.not_stocked && next.safety < 0 && next.lead_time_s < 0)
        return; /* as it is anyway */
    a->code = CODE_LIMIT;
    if (!model_make_pool(m, &item->pools[r->location][MODEL_SHARED]))
        return;
    a->code = CODE_OK;
    *s = next;
    model_unsure(m, r->item);
}
