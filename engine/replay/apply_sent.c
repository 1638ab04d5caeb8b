/* SPDX-License-Identifier: Apache-2.0 */
/* Applies the record of an order and of the transfers that send what it lacks: ops/send.h. */
#include <assert.h>
#include <errno.h>

#include "engine/ledger/ctx.h"
#include "engine/ops/send.h"
#include "engine/ops/supply.h"
#include "engine/replay/apply_inside.h"

static bool sent_can_be(const struct applying *a, const struct sent_fields *f)
{
    const struct sent_record *r = &f->fixed;
    uint16_t locations = catalogue_now(a->ctx)->location_count;
    bool good = r->location < locations && r->send_count >= 1 && r->send_count <= SENDS_MAX &&
                r->sent_count >= 1 && r->sent_count <= r->draw_count && f->ready;
    for (uint32_t i = 0; good && i < r->send_count; i++)
        good = f->sends[i].from < locations && f->sends[i].from != r->location &&
               f->sends[i].id_len >= 1 && f->sends[i].id_len <= ID_MAX && f->sends[i].eta_ms > 0;
    for (uint32_t i = 0; good && i < r->sent_count; i++) {
        const struct sent_draw_record *sent = &f->sent[i];
        bool later = i == 0 || f->sent[i - 1].draw < sent->draw; /* each draw once */
        good = later && sent->draw < r->draw_count && sent->send < r->send_count &&
               owner_sells_to(sent->owner, r->channel) && owner_kind(sent->owner) != POOL_EXPECTED;
        if (good) {
            const struct draw_record *draw = &f->draws[sent->draw];
            good = draw->pool.location == r->location && draw->qty >= 1 &&
                   draw->qty <= QUANTITY_MAX && owner_kind(draw->pool.owner) == POOL_EXPECTED;
        }
    }
    return good;
}

/* The units leave the one place, and are under way to the other. */
static int send_draw(const struct applying *a, const struct sent_fields *f,
                     const struct sent_draw_record *sent, const struct id_entry *entry)
{
    struct supply_work *w = a->ctx->supply;
    const struct draw_record *draw = &f->draws[sent->draw];
    uint32_t item = draw->pool.item, at = *item_map_number(&w->map, item, w->line_count);
    uint16_t from = f->sends[sent->send].from, shared = owner_of(POOL_SHARED, 0);
    struct pool_key leaves = { item, from, sent->owner };
    struct line_entry *line = &w->fresh[at];
    if (at == w->line_count) {
        if (w->line_count == LINES_MAX)
            return apply_refuse(a, "a transfer has too many lines");
        *line = (struct line_entry){ .pool = UINT32_MAX };
        w->line_count++;
    }
    if (line->qty + (uint64_t)draw->qty > QUANTITY_MAX)
        return apply_refuse(a, "a quantity is invalid");
    int error = apply_change(a, (struct pool_key){ item, f->fixed.location, shared }, 0, 0);
    if (!error)
        error = apply_change(a, (struct pool_key){ item, from, shared }, 0, 0);
    if (!error)
        error = apply_change(a, leaves, -(int64_t)draw->qty, 0);
    if (error)
        return error;
    apply_note_recent(a, leaves, -(int64_t)draw->qty);
    item_set(item_at(&a->ledger->items, item), ITEM_MOVED);
    uint32_t before = line->pool;
    error = apply_begin_expected(a, entry, line, draw->pool, draw->qty);
    if (!error && before != UINT32_MAX && before != line->pool)
        error = apply_refuse(a, "a line of a transfer has two pools");
    line->qty += draw->qty;
    line->shipped = line->qty;
    return error;
}

static int make_send(const struct applying *a, const struct sent_fields *f, uint32_t number)
{
    const struct send_record *send = &f->sends[number];
    struct supply_work *w = a->ctx->supply;
    struct text id = { send->id, send->id_len };
    struct id_entry *entry;
    int error = apply_fresh_entry(a, id, &entry);
    if (error)
        return error;
    supply_fill(entry, send_content(f->fixed.content, number), f->fixed.created_ms, send->eta_ms,
                (uint16_t)(send->from + 1), f->fixed.location);
    entry->sends = 1;
    entry->lsn_first = entry->lsn_last = a->lsn;
    w->line_count = 0;
    item_map_empty(&w->map);
    for (uint32_t i = 0; !error && i < f->fixed.sent_count; i++)
        if (f->sent[i].send == number)
            error = send_draw(a, f, &f->sent[i], entry);
    if (!error && w->line_count == 0)
        error = apply_refuse(a, "a transfer has no lines");
    if (!error &&
        !supply_store(&a->ledger->ids, &a->ctx->cursor, entry, w->fresh, w->line_count, f->id))
        error = apply_no_space(a, "reservations");
    if (error)
        return error;
    slots_added(&a->ledger->ids, &a->ctx->cursor);
    entry_put(entry, supply_word(ENTRY_SUPPLY, SUPPLY_IN_TRANSIT, id.len));
    return 0;
}

int apply_sent(struct applying *a)
{
    struct sent_fields f;
    struct id_entry *entry;
    if (!sent_decode(a->record, &f) || !sent_can_be(a, &f))
        return apply_refuse(a, "it is malformed");
    const struct sent_record *r = &f.fixed;
    struct reserve_fields granted = { .fixed = { .content = r->content,
                                                 .created_ms = r->created_ms,
                                                 .ttl_ms = r->ttl_ms,
                                                 .channel = r->channel,
                                                 .draw_count = r->draw_count },
                                      .id = f.id,
                                      .draws = f.draws,
                                      .ready = f.ready,
                                      .ref = f.ref,
                                      .engine_ms = f.engine_ms };
    a->time_ms = r->created_ms;
    apply_set_time(a, r->created_ms);
    int error = 0;
    for (uint32_t i = 0; !error && i < r->send_count; i++)
        error = make_send(a, &f, i);
    if (!error)
        error = apply_granted(a, &granted, &entry);
    if (error)
        return error;
    entry->sends = (uint8_t)(r->send_count & SENDS_MAX);
    entry->awaits = true;
    apply_show_granted(a, &granted, entry);
    return 0;
}
