/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ops/parts.h"

#include <assert.h>

#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ops/deadline.h"
#include "engine/ops/reservation.h"

static uint16_t location_of(const struct ctx *ctx, const struct draw *draw)
{
    return key_location(pool_read_key(pool_at(&ctx->ledger->items, draw->pool)));
}

uint16_t first_location(const struct ctx *ctx, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    return location_of(ctx, draw_walk_next(&walk));
}

enum part_step draw_step(const struct id_entry *entry, struct draw *draw)
{
    return entry->tracked ? (enum part_step)draw_tracked(draw)->step : PART_OPEN;
}

static uint64_t collect_by_ms(const struct id_entry *entry, struct draw *draw)
{
    return entry->tracked ? draw_tracked(draw)->collect_by_ms : 0;
}

static void add_draw(struct part *part, const struct id_entry *entry, struct draw *draw)
{
    bool first = part->left == 0;
    part->draws += draw->qty > 0;
    part->left += draw_left(draw);
    part->fulfilled += draw->fulfilled;
    if (draw_left(draw) == 0)
        return;
    if (first || draw_step(entry, draw) < part->step) {
        part->step = draw_step(entry, draw);
        part->collect_by_ms = collect_by_ms(entry, draw);
    }
}

struct part part_at(const struct ctx *ctx, struct id_entry *entry, uint16_t location)
{
    struct part part = { 0 };
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    assert(entry_is_owned(entry)); /* E1 */
    while ((draw = draw_walk_next(&walk)) != NULL)
        if (location_of(ctx, draw) == location)
            add_draw(&part, entry, draw);
    return part;
}

const char *part_step_name(const struct part *part)
{
    static const char *const names[PART_STEP_COUNT] = { "open", "ready", "not_collected" };
    if (part->left > 0)
        return names[part->step];
    return part->fulfilled > 0 ? "fulfilled" : "cancelled";
}

enum code part_refused(struct ctx *ctx, const struct txn *t, struct text location,
                       const struct part *part, const char *wanted)
{
    struct text id = entry_id(t->reservation, t->word);
    if (part->draws == 0)
        fail(ctx, CODE_WRONG_STATE, "location: nothing of \"%.*s\" is drawn from \"%.*s\"",
             (int)id.len, id.at, (int)location.len, location.at);
    else
        fail(ctx, CODE_WRONG_STATE, "the part of \"%.*s\" at \"%.*s\" is %s: it cannot be %s",
             (int)id.len, id.at, (int)location.len, location.at, part_step_name(part), wanted);
    ctx->failure.state = state_name(word_state(t->word));
    return CODE_WRONG_STATE;
}

void part_settled(const struct ctx *ctx, struct draw *draw, uint32_t units)
{
    if (draw_tracked(draw)->step != PART_OPEN)
        set_aside_less(&ctx->ledger->items, draw->pool, units);
}

/* ---- the view ---- */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void view_parts(struct ctx *ctx, struct id_entry *entry, struct reservation_view *view)
{
    const struct catalogue *catalogue = catalogue_now(ctx);
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    view->part_count = 0;
    view->parts = ctx->part_views;
    for (uint32_t i = 0; (draw = draw_walk_next(&walk)) != NULL;) {
        if (draw->qty == 0)
            continue; /* as in the view */
        uint64_t ready_ms = view->draws[i++].ready_ms;
        uint16_t location = location_of(ctx, draw);
        if (location == NO_LOCATION)
            continue; /* no place works on it yet */
        uint16_t *at = &ctx->part_at[location];
        if (*at == 0) {
            struct part part = part_at(ctx, entry, location);
            ctx->work += entry->draw_count;
            ctx->part_views[view->part_count] =
                (struct part_view){ .location = code_text(&catalogue->locations[location].code),
                                    .step = part_step_name(&part),
                                    .collect_by_ms = part.left > 0 ? part.collect_by_ms : 0 };
            *at = (uint16_t)++view->part_count;
        }
        struct part_view *part = &ctx->part_views[*at - 1];
        part->ready_ms = later(part->ready_ms, ready_ms);
    }
    walk = draw_walk_start(&ctx->ledger->ids, entry);
    while ((draw = draw_walk_next(&walk)) != NULL)
        if (location_of(ctx, draw) != NO_LOCATION)
            ctx->part_at[location_of(ctx, draw)] = 0;
}

/* ---- time ---- */

static bool awaits_buyer(const struct id_entry *entry, struct draw *draw)
{
    return draw_left(draw) > 0 && draw_step(entry, draw) == PART_READY &&
           collect_by_ms(entry, draw) != 0;
}

uint64_t parts_next_ms(const struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    uint64_t next_ms = UINT64_MAX;
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    if (word_state(word) != STATE_CONFIRMED || !entry->tracked)
        return UINT64_MAX;
    while ((draw = draw_walk_next(&walk)) != NULL)
        if (awaits_buyer(entry, draw) && collect_by_ms(entry, draw) < next_ms)
            next_ms = collect_by_ms(entry, draw);
    return deadline_look_ms(ctx, next_ms);
}

void parts_watch(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    deadline_set(ctx, entry, parts_next_ms(ctx, entry, word));
}

void parts_set_ready(const struct ctx *ctx, struct id_entry *entry, uint16_t location,
                     uint64_t collect_by)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    assert(entry_is_owned(entry)); /* E1 */
    assert(entry->tracked);
    if (location == first_location(ctx, entry))
        entry->awaits = false;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if (draw_left(draw) == 0 || location_of(ctx, draw) != location)
            continue;
        if (draw_step(entry, draw) == PART_OPEN)
            set_aside_more(&ctx->ledger->items, draw->pool, draw_left(draw));
        draw_tracked(draw)->step = PART_READY;
        draw_tracked(draw)->collect_by_ms = collect_by;
    }
}

/* Should its buyer have collected the draw by now? */
static bool is_overdue(const struct id_entry *entry, struct draw *draw, uint64_t wall_ms)
{
    return awaits_buyer(entry, draw) && collect_by_ms(entry, draw) <= wall_ms;
}

void parts_leave_behind(const struct ctx *ctx, struct id_entry *entry, uint16_t location,
                        uint64_t wall_ms)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    assert(entry_is_owned(entry)); /* E1 */
    assert(entry->tracked);
    while ((draw = draw_walk_next(&walk)) != NULL)
        if (location_of(ctx, draw) == location && is_overdue(entry, draw, wall_ms)) /* @overdue */
            draw_tracked(draw)->step = PART_NOT_COLLECTED;
}

static void record_not_collected(struct ctx *ctx, struct id_entry *entry, uint64_t word,
                                 uint16_t location)
{
    struct not_collected_fields f = {
        .fixed = { .head = head_of(ctx, RECORD_NOT_COLLECTED, 0),
                   .time_ms = ctx->wall_ms,
                   .location = location,
                   .channel = entry->channel },
        .id = entry_id(entry, word),
    };
    f.fixed.head.client = 0; /* no client asked for this */
    struct record_builder b = not_collected_begin(ctx->record, &f);
    uint32_t length = record_end(&b);
    uint64_t position = ctx_claim(ctx, length);
    ctx_publish(ctx, position);
    entry->lsn_last = position + length;
    parts_leave_behind(ctx, entry, location, ctx->wall_ms);
}

/* NULL: none. */
static struct draw *find_overdue(const struct ctx *ctx, struct id_entry *entry)
{
    struct draw_walk walk = draw_walk_start(&ctx->ledger->ids, entry);
    struct draw *draw;
    while (entry->tracked && (draw = draw_walk_next(&walk)) != NULL)
        if (is_overdue(entry, draw, ctx->wall_ms))
            return draw;
    return NULL;
}

void parts_come_up(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    const struct draw *draw;
    entry->owner = NO_OWNER;
    bool room = ledger_has_room(ctx);
    while (room && (draw = find_overdue(ctx, entry)) != NULL) {
        record_not_collected(ctx, entry, word, location_of(ctx, draw));
        room = ledger_has_room(ctx);
    }
    if (room)
        parts_watch(ctx, entry, word);
    else
        deadline_set(ctx, entry, ctx->engine_ms + WHEEL_TICK_MS);
    entry_put(entry, word);
}
