/* SPDX-License-Identifier: Apache-2.0 */
/* What the record of an order tells that is sent what it lacks: its transfers, as of any transfer,
 * and then the reserve. */
#include <errno.h>

#include "engine/history/history_inside.h"
#include "engine/ops/supply.h"

static bool sent_can_be(const struct sent_fields *f)
{
    const struct sent_record *r = &f->fixed;
    bool good = r->draw_count <= DRAWS_MAX && r->send_count <= SENDS_MAX && f->id.len <= ID_MAX;
    for (uint32_t i = 0; good && i < r->send_count; i++)
        good = f->sends[i].id_len <= ID_MAX;
    for (uint32_t i = 0; good && i < r->sent_count; i++) {
        const struct sent_draw_record *sent = &f->sent[i];
        good = sent->draw < r->draw_count && sent->send < r->send_count &&
               owner_kind(f->draws[sent->draw].pool.owner) == POOL_EXPECTED;
    }
    return good;
}

/* Gathers the lines of a transfer: one for each pool that its units go to. */
static uint32_t lines_of(const struct sent_fields *f, uint32_t send, struct history_line *lines)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < f->fixed.sent_count; i++) {
        const struct draw_record *draw = &f->draws[f->sent[i].draw];
        uint32_t at = 0;
        if (f->sent[i].send != send)
            continue;
        while (at < count && lines[at].item != draw->pool.item)
            at++;
        if (at == LINES_MAX)
            break;
        if (at == count)
            lines[count++] = (struct history_line){ .item = draw->pool.item,
                                                    .slot = expected_slot(draw->pool.owner) };
        lines[at].line.qty += draw->qty;
        lines[at].line.shipped = lines[at].line.qty;
    }
    return count;
}

static bool asks_lines(const struct history *history, struct text id,
                       const struct history_line *lines, uint32_t count)
{
    bool asks = history->filter.subject == HISTORY_ALL || history_asks_id(history, id);
    for (uint32_t i = 0; !asks && i < count; i++) {
        struct pool_key any = history_shared(lines[i].item, 0);
        asks = history_asks_pool(history, &any);
    }
    return asks;
}

/* What leaves the places where it is. */
static int tell_left(struct taking *taking, const struct sent_fields *f, uint32_t send, bool all)
{
    int error = 0;
    for (uint32_t i = 0; !error && i < f->fixed.sent_count; i++) {
        const struct sent_draw_record *sent = &f->sent[i];
        const struct draw_record *draw = &f->draws[sent->draw];
        struct pool_key from = { draw->pool.item, f->sends[send].from, sent->owner };
        if (sent->send == send && (all || history_asks_pool(taking->history, &from)))
            error = history_move(taking, &from, -(int64_t)draw->qty, 0, -(int64_t)draw->qty);
    }
    return error;
}

static int take_send(struct taking *taking, const struct sent_fields *f, uint32_t number)
{
    const struct send_record *send = &f->sends[number];
    struct history_line lines[LINES_MAX];
    struct text id = { send->id, send->id_len };
    uint32_t count = lines_of(f, number, lines);
    if (count == 0 || !asks_lines(taking->history, id, lines, count))
        return 0;
    struct history_supply head = { .eta_ms = send->eta_ms,
                                   .from = (uint16_t)(send->from + 1),
                                   .location = f->fixed.location,
                                   .state = SUPPLY_IN_TRANSIT };
    taking->event.type = "transfer";
    taking->event.id = id;
    taking->event.state = supply_state_name(SUPPLY_IN_TRANSIT);
    taking->event.eta_ms = send->eta_ms;
    int error = tell_left(taking, f, number, history_asks_id(taking->history, id));
    return error ? error : history_begin_supply(taking, id, &head, lines, count, true);
}

int history_take_sent(struct taking *taking)
{
    struct sent_fields f;
    if (!sent_decode(taking->record, &f) || !sent_can_be(&f))
        return -EILSEQ;
    const struct sent_record *r = &f.fixed;
    struct history_event before = taking->event;
    int error = 0;
    taking->event.time_ms = before.time_ms = r->created_ms;
    for (uint32_t i = 0; !error && i < r->send_count; i++)
        error = take_send(taking, &f, i);
    taking->event = before;
    struct reserve_fields granted = { .fixed = { .created_ms = r->created_ms,
                                                 .ttl_ms = r->ttl_ms,
                                                 .channel = r->channel,
                                                 .draw_count = r->draw_count },
                                      .id = f.id,
                                      .draws = f.draws,
                                      .ready = f.ready,
                                      .ref = f.ref };
    return error ? error : history_take_granted(taking, &granted);
}
