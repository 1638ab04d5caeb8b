/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/signals.h"

#include "engine/ledger/change_index.h"
#include "engine/store/catalogue.h"
#include "protocol/pack.h"

enum { SLICE_ROWS = 256, SLICE_LOOKS = 4096 };

bool event_passes(const struct event_filter *filter, const struct event *event)
{
    const struct scope *scope = filter->scope;
    return (filter->types >> event->type & 1) != 0 &&
           (event->channel == EVENT_NO_CHANNEL || scope_sees_channel(scope, event->channel)) &&
           (event->location == EVENT_NO_PLACE || scope_sees_place(scope, event->location)) &&
           (filter->channel == EVENT_NO_CHANNEL || filter->channel == event->channel) &&
           (filter->location == EVENT_NO_PLACE || filter->location == event->location);
}

void signals_pack(const struct signals_view *view, struct out *out, const struct event *event)
{
    const struct catalogue *catalogue = ledger_catalogue(view->ctx);
    bool has_item = event->item != EVENT_NO_ITEM, has_id = event->id_len > 0;
    bool has_channel = event->channel != EVENT_NO_CHANNEL;
    bool has_place = event->location != EVENT_NO_PLACE;
    pack_map(out, 3U + has_item + has_channel + has_place + has_id + event->has_qty);
    pack_key_string(out, "type", event_type_name(event->type));
    pack_key_uint(out, "lsn", event->lsn);
    pack_key_uint(out, "time_ms", event->time_ms);
    if (has_item)
        pack_key_text(out, "sku", ledger_item_sku(view->ledger, event->item));
    if (has_channel)
        pack_key_text(out, "channel", code_text(&catalogue->channels[event->channel].code));
    if (has_place)
        pack_key_text(out, "location", code_text(&catalogue->locations[event->location].code));
    if (has_id) {
        pack_string(out, "id");
        pack_bytes(out, (struct text){ event->id, event->id_len });
    }
    if (event->has_qty)
        pack_key_int(out, "qty", event->qty);
}

static void pack_notification(const struct signals_view *view, struct out *out,
                              const struct event *event)
{
    pack_array(out, 3);
    pack_uint(out, 2);
    pack_string(out, "event");
    pack_array(out, 1);
    signals_pack(view, out, event);
}

/* Events up to that LSN may be missing. */
static void pack_resync(struct out *out, uint64_t lsn)
{
    pack_array(out, 3);
    pack_uint(out, 2);
    pack_string(out, "resync");
    pack_array(out, 1);
    pack_uint(out, lsn);
}

struct signals_told signals_tell(const struct signals_view *view, struct event_subscription *s,
                                 struct out *out)
{
    const struct events *events = ledger_events(view->ledger);
    struct signals_told told = { .rows = 0 };
    struct event event;
    for (unsigned looks = 0; told.rows < SLICE_ROWS && looks < SLICE_LOOKS; looks++) {
        enum event_found found = events_get(events, s->at, &event);
        if (found == EVENT_OVERWRITTEN) {
            s->at = events_oldest(events);
            told.missed = true;
            pack_resync(out, atomic_load_explicit(&events->forgotten, memory_order_acquire));
            told.rows++;
            continue;
        }
        if (found == EVENT_NOT_YET || event.lsn > view->final) /* @acknowledged */
            return told;
        s->at++;
        if (!event_passes(&s->filter, &event))
            continue;
        pack_notification(view, out, &event);
        told.rows++;
    }
    told.more = true;
    return told;
}
