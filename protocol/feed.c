/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/feed.h"

#include <assert.h>

#include "engine/ledger/change_index.h"
#include "protocol/pack.h"

/* ---- which channels a catalogue change touches ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* A channel may sell, or may now sell, from any location. */
static uint64_t locations_changed(const struct catalogue *catalogue)
{
    uint64_t lsn = 0;
    for (unsigned i = 0; i < catalogue->location_count; i++)
        lsn = later(lsn, catalogue->locations[i].lsn);
    return lsn;
}

uint64_t feed_touched(const struct catalogue *catalogue, uint16_t channel)
{
    uint64_t lsn = locations_changed(catalogue);
    if (channel != FEED_ALL_CHANNELS)
        return later(lsn, catalogue->channels[channel].lsn);
    for (unsigned i = 0; i < catalogue->channel_count; i++)
        lsn = later(lsn, catalogue->channels[i].lsn);
    return lsn;
}

struct feed_view feed_look(const struct ledger *ledger, struct ctx *ctx, uint16_t channel)
{
    return (struct feed_view){ ledger, ctx, channel, locations_changed(ledger_catalogue(ctx)) };
}

/* ---- rows ---- */

static void pack_row(struct out *out, struct text channel, struct text sku, int64_t available,
                     uint64_t lsn)
{
    pack_array(out, 4);
    pack_text(out, channel);
    pack_text(out, sku);
    pack_int(out, available);
    pack_uint(out, lsn);
}

/* [2, "changed", ...; the row comes next. */
static const unsigned char changed[] = { 0x93, 2, 0xa7, 'c', 'h', 'a', 'n', 'g', 'e', 'd' };

uint32_t feed_pack_item(const struct feed_view *view, struct out *out, const struct feed_item *item,
                        bool notifications)
{
    const struct catalogue *catalogue = ledger_catalogue(view->ctx);
    struct text sku = ledger_item_sku(view->ledger, item->index);
    bool all = view->channel == FEED_ALL_CHANNELS;
    unsigned end = all ? catalogue->channel_count : view->channel + 1u;
    uint32_t rows = 0;
    for (unsigned i = all ? 0 : view->channel; i < end; i++) {
        uint64_t lsn = later(item->version, later(view->locations, catalogue->channels[i].lsn));
        if (lsn <= item->since)
            continue;
        int64_t available = ledger_item_availability(view->ctx, item->index, (uint16_t)i);
        if (notifications)
            out_append(out, changed, sizeof changed);
        pack_row(out, code_text(&catalogue->channels[i].code), sku, available,
                 lsn < item->until ? lsn : item->until);
        rows++;
    }
    return rows;
}

/* ---- telling subscribers ---- */

bool feed_begin_walk(struct subscription *s, uint64_t head)
{
    if (s->target != 0)
        return true;
    if (head <= s->since)
        return false;
    s->target = head;
    s->cursor = 0;
    s->passed = false;
    return true;
}

static bool same_position(const struct subscription *a, const struct subscription *b)
{
    return a->channel == b->channel && a->since == b->since && a->target == b->target &&
           a->cursor == b->cursor && a->eager == b->eager && a->passed == b->passed;
}

/* The walk visits items with versions above this; 0: every item, for the catalogue has changed. */
static uint64_t walk_base(const struct feed_view *view, uint64_t since)
{
    if (ledger_catalogue_lsn(view->ledger) <= since)
        return since;
    return feed_touched(ledger_catalogue(view->ctx), view->channel) > since ? 0 : since;
}

static void end_walk(struct subscription *s)
{
    s->since = s->target;
    s->target = 0;
    s->cursor = 0;
    s->eager = s->passed;
    s->passed = false;
}

/*
 * An item whose version is above the target is still changing, and the next walk will visit it:
 * this walk skips it, so that a change is sent once. The walk after one that skipped items skips
 * none: otherwise an item that changes all the time would never be sent.
 */
static void pack_slice(struct feed_slice *slice, const struct feed_view *view)
{
    struct subscription *s = &slice->to;
    uint64_t base = walk_base(view, s->since);
    struct feed_item item = { .since = s->since, .until = UINT64_MAX };
    for (unsigned looks = 0; slice->rows < FEED_SLICE_ROWS && looks < FEED_SLICE_LOOKS; looks++) {
        if (!change_index_next(view->ledger, base, &s->cursor, &item.index, &item.version)) {
            end_walk(s);
            return;
        }
        if (item.version > s->target && !s->eager)
            s->passed = true;
        else
            slice->rows += feed_pack_item(view, &slice->out, &item, true);
    }
}

bool feed_make_slice(struct feed_slice *slice, const struct feed_view *view,
                     const struct subscription *s)
{
    assert(s->target > s->since);
    if (slice->made && same_position(&slice->from, s))
        return true;
    feed_drop_slice(slice);
    slice->from = slice->to = *s;
    slice->rows = 0;
    slice->given = false;
    pack_slice(slice, view);
    slice->made = ledger_shown_until(view->ledger, &slice->shown_until);
    if (!slice->made)
        feed_drop_slice(slice);
    return slice->made;
}

void feed_drop_slice(struct feed_slice *slice)
{
    out_destroy(&slice->out);
    slice->made = false;
}

static void pack_progress(struct out *out, uint64_t lsn)
{
    pack_array(out, 3);
    pack_uint(out, 2);
    pack_string(out, "current");
    pack_array(out, 1);
    pack_uint(out, lsn);
}

void feed_give_slice(struct subscription *s, struct out *to, const struct feed_slice *slice)
{
    assert(slice->made);
    assert(same_position(&slice->from, s));
    out_append_stream(to, &slice->out);
    s->since = slice->to.since;
    s->target = slice->to.target;
    s->cursor = slice->to.cursor;
    s->eager = slice->to.eager;
    s->passed = slice->to.passed;
    if (s->progress && s->target == 0)
        pack_progress(to, s->since);
}
