/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/model_told.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "tests/support/ledger_driver.h"

void told_init(struct told *told)
{
    memset(told, 0, sizeof *told);
    if (events_init(&told->events, 0) != 0)
        abort();
}

void told_destroy(struct told *told)
{
    events_destroy(&told->events);
}

/* ---- events ---- */

static bool type_of(const struct event *event, enum model_event_type *type)
{
    static const enum event_type types[] = { [MODEL_REJECTED] = EVENT_REJECTED,
                                             [MODEL_UNSOURCED] = EVENT_UNSOURCED,
                                             [MODEL_MOVED] = EVENT_MOVED,
                                             [MODEL_SOURCED] = EVENT_SOURCED };
    for (*type = MODEL_REJECTED; *type <= MODEL_SOURCED; ++*type)
        if (event->type == types[*type])
            return true;
    return false;
}

/* Indexes of items and places are the engine's: their names say which they are. */
static struct model_event event_of(const struct ledger_rig *rig, const struct event *event,
                                   enum model_event_type type)
{
    struct ctx *ctx = ledger_ctx(rig->ledger, 0);
    const struct catalogue *catalogue = ledger_catalogue(ctx);
    const struct item *item = item_at(&rig->ledger->items, event->item);
    bool placed = event->location != EVENT_NO_PLACE;
    struct text place =
        placed ? code_text(&catalogue->locations[event->location].code) : (struct text){ NULL, 0 };
    return (struct model_event){
        .type = type,
        .id = driver_number((struct text){ event->id, event->id_len }),
        .channel = driver_number(code_text(&catalogue->channels[event->channel].code)),
        .item = driver_number(item_sku(item)),
        .location = driver_place(place),
        .qty = event->qty,
    };
}

/* In their order for each item. */
static void sort_by_item(struct model_event *events, int count)
{
    for (int i = 1; i < count; i++) {
        struct model_event event = events[i];
        int at = i;
        for (; at > 0 && events[at - 1].item > event.item; at--)
            events[at] = events[at - 1];
        events[at] = event;
    }
}

static bool same_event(const struct model_event *a, const struct model_event *b)
{
    return a->type == b->type && a->id == b->id && a->channel == b->channel && a->item == b->item &&
           a->location == b->location && a->qty == b->qty;
}

static int print_event(char *to, size_t size, const struct model_event *events, int at, int count)
{
    static const char *const names[] = { "rejected", "unsourced", "moved", "sourced" };
    const struct model_event *e = &events[at];
    if (at >= count)
        return snprintf(to, size, "nothing");
    return snprintf(to, size, "%s id %d channel %d item %d location %d qty %lld", names[e->type],
                    e->id, e->channel, e->item, e->location, (long long)e->qty);
}

bool told_agrees(struct told *told, const struct ledger_rig *rig, struct model *m, char *why,
                 size_t size)
{
    static struct model_event seen[MODEL_EVENTS];
    struct event event;
    enum model_event_type type;
    int count = 0, at = 0;
    events_take_run(&told->events, rig->records + told->taken, rig->length - told->taken,
                    told->taken);
    told->taken = rig->length;
    enum event_found found;
    while ((found = events_get(&told->events, told->count, &event)) == EVENT_FOUND) {
        told->count++;
        assert(count < MODEL_EVENTS);
        if (type_of(&event, &type))
            seen[count++] = event_of(rig, &event, type);
    }
    assert(found == EVENT_NOT_YET);
    sort_by_item(seen, count);
    sort_by_item(m->events, m->event_count);
    while (at < count && at < m->event_count && same_event(&seen[at], &m->events[at]))
        at++;
    bool same = at == count && at == m->event_count;
    if (!same) {
        int n = snprintf(why, size, "event %d of %d; engine: ", at + 1, count);
        n += print_event(why + n, size - (size_t)n, seen, at, count);
        n += snprintf(why + n, size - (size_t)n, "; model: ");
        print_event(why + n, size - (size_t)n, m->events, at, m->event_count);
    }
    m->event_count = 0;
    return same;
}

/* ---- records ---- */

static _Alignas(8) unsigned char record[RECORD_MAX];

void told_order(const struct ledger_rig *rig, size_t from, struct model *m)
{
    const struct record_head *head = (const struct record_head *)(const void *)record;
    bool listed[MODEL_ITEMS] = { false };
    struct redraw_fields f;
    m->first_count = 0;
    while (from < rig->length) {
        from += ledger_rig_record(rig, from, record);
        if (head->type == RECORD_EXPIRE)
            break;
        if (head->type != RECORD_SOURCED || !redraw_decode(head, &f))
            continue;
        int item = driver_number(item_sku(item_at(&rig->ledger->items, f.drawn[0].pool.item)));
        if (!listed[item])
            m->first[m->first_count++] = item;
        listed[item] = true;
    }
}

bool told_expiries(const struct ledger_rig *rig, size_t from, struct model *m, char *why,
                   size_t size)
{
    const struct record_head *head = (const struct record_head *)(const void *)record;
    struct expire_fields f;
    bool freed = false;
    while (from < rig->length) {
        size_t at = from;
        from += ledger_rig_record(rig, at, record);
        if (head->type == RECORD_SOURCED && freed) {
            told_order(rig, at, m);
            model_serve_changed(m);
            freed = false;
            continue;
        }
        if (head->type != RECORD_EXPIRE || !expire_decode(head, &f))
            continue;
        if (!model_let_expire(m, driver_number(f.id))) {
            snprintf(why, size, "id %d expired too early", driver_number(f.id));
            return false;
        }
        freed = true;
    }
    model_serve_changed(m);
    return true;
}

size_t told_by_request(const struct ledger_rig *rig, size_t from)
{
    const struct record_head *head = (const struct record_head *)(const void *)record;
    size_t end = from;
    while (from < rig->length) {
        from += ledger_rig_record(rig, from, record);
        if (head->type != RECORD_SOURCED && head->type != RECORD_UNDONE)
            end = from;
    }
    return end;
}
