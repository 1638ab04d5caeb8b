/* SPDX-License-Identifier: Apache-2.0 */
/* Loads what ids stand for: reservations, and operations that were done. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/replay/contents_loading.h"
#include "engine/store/draws.h"
#include "engine/store/slot_places.h"
#include "engine/store/supply_lines.h"

static bool entry_can_be(const struct contents_entry *saved)
{
    bool id = saved->id_len >= 1 && saved->id_len <= ID_MAX;
    if (contents_has_lines(saved))
        return id && contents_supply_can_be(saved);
    bool reservation = saved->kind == ENTRY_RESERVATION;
    bool kind = reservation || saved->kind == ENTRY_MOVEMENT || saved->kind == ENTRY_STEP;
    bool state = reservation ? saved->state > STATE_NONE && saved->state < STATE_COUNT
                             : saved->state == STATE_NONE;
    bool outcomes =
        saved->kind == ENTRY_MOVEMENT && saved->draw_count > 1 && saved->draw_count <= LINES_MAX;
    bool draws = reservation ? saved->draw_count >= 1 && saved->draw_count <= DRAWS_MAX
                             : saved->draw_count == 0 || outcomes;
    bool led_to = saved->kind != ENTRY_STEP || saved->step.state < STATE_COUNT;
    bool timed = saved->timed <= (reservation ? TIMED_PICKUP : NOT_TIMED);
    if (reservation &&
        (saved->reservation.tracked > 1 || saved->reservation.ref_len > NAME_MAX_BYTES ||
         saved->reservation.sends > SENDS_MAX ||
         saved->reservation.awaits > (saved->reservation.sends > 0)))
        return false;
    return kind && state && draws && led_to && timed && id;
}

static struct contents_draw contents_draw_at(const struct entry_parts *p, uint32_t index)
{
    struct contents_draw saved;
    memcpy(&saved, p->draws + index * sizeof saved, sizeof saved);
    return saved;
}

/* How many slots it has behind its own. */
static uint32_t more_slots(const struct contents_entry *saved)
{
    if (contents_has_lines(saved))
        return supply_blocks(saved->supply.line_count, saved->supply.ref_len);
    return saved->kind == ENTRY_RESERVATION ? contents_draw_blocks(saved)
                                            : outcome_blocks(contents_outcomes(saved));
}

static int open_entry(struct loading *l, const unsigned char *at, size_t left,
                      struct entry_parts *p)
{
    struct contents_entry *saved = &p->saved;
    const struct contents_load *load = l->load;
    if (!contents_open_record(at, left, saved, sizeof *saved) || !entry_can_be(saved))
        return contents_complain(l->complaint, -EINVAL, "an entry is malformed");
    uint64_t draws = contents_draws(saved) * sizeof(struct contents_draw);
    uint64_t outcomes = contents_outcomes(saved) * sizeof(struct contents_outcome);
    p->draws = at + sizeof *saved;
    p->id = (struct text){ (const char *)p->draws + draws, saved->id_len };
    p->behind = (const unsigned char *)p->id.at + saved->id_len;
    uint64_t behind = contents_has_lines(saved) ? contents_lines_length(saved)
                                                : contents_behind_draws(saved) + outcomes;
    uint64_t end = (uint64_t)saved->slot + 1 + more_slots(saved);
    p->finished = entry_over(
        state_word((enum entry_kind)saved->kind, (enum entry_state)saved->state, saved->id_len));
    p->left_out = saved->slot < load->dropped;
    p->slot = (uint32_t)(saved->slot - load->dropped);
    if (sizeof *saved + draws + saved->id_len + behind > saved->length ||
        end > load->totals.slots ||
        (p->finished ? end > load->totals.finished_slots
                     : saved->slot < load->totals.finished_slots))
        return contents_complain(l->complaint, -EINVAL, "entry %u has invalid lengths or slots",
                                 saved->slot);
    assert(p->left_out || p->slot + more_slots(saved) < l->ledger->ids.max);
    p->hash = id_hash(&l->ledger->ids, p->id);
    return 0;
}

static void prefetch_entry(const struct loading *l, const struct entry_parts *p)
{
    const struct id_table *ids = &l->ledger->ids;
    const struct items *items = &l->ledger->items;
    if (p->left_out)
        return;
    id_table_prefetch_bucket(ids, p->hash);
    for (uint32_t i = 0; i < contents_draws(&p->saved) && i < 2; i++) {
        struct contents_draw draw = contents_draw_at(p, i);
        if (draw.pool.item < items->max_items) {
            const char *item = (const char *)item_at(items, draw.pool.item);
            memory_fetch(item + 64);
        }
    }
}

static int load_draw(struct loading *l, const struct entry_parts *p, uint32_t index,
                     struct draw *to)
{
    struct contents_draw saved = contents_draw_at(p, index);
    struct items *items = &l->ledger->items;
    struct pool *pool = NULL;
    if (saved.pool.item < items->max_items)
        pool = pool_find(items, saved.pool.item, saved.pool.location, saved.pool.owner);
    bool sane = pool && (saved.qty >= 1 || p->saved.reservation.tracked) &&
                saved.qty <= QUANTITY_MAX &&
                (uint64_t)saved.fulfilled + saved.cancelled <= saved.qty &&
                (p->saved.state != STATE_HELD || saved.fulfilled == 0);
    if (!sane)
        return contents_complain(l->complaint, -EINVAL, "\"%.*s\" has an invalid draw",
                                 (int)p->id.len, p->id.at);
    if (owner_kind(saved.pool.owner) == POOL_EXPECTED &&
        !pool_find(items, saved.pool.item, saved.pool.location, owner_of(POOL_SHARED, 0)))
        return contents_complain(l->complaint, -EINVAL,
                                 "\"%.*s\" draws from a supply to where its item has no stock",
                                 (int)p->id.len, p->id.at);
    *to = (struct draw){ pool_unit(items, pool), saved.qty, saved.fulfilled, saved.cancelled };
    assert(draw_left(to) <= to->qty); /* I3 */
    if (p->finished != (draw_left(to) == 0) && p->finished)
        return contents_complain(l->complaint, -EINVAL, "\"%.*s\" is %s with something left",
                                 (int)p->id.len, p->id.at, state_name(p->saved.state));
    if (draw_left(to) > 0)
        l->promised += draw_left(to) * contents_weight(to->pool);
    return 0;
}

/* A slot belongs to one record only. */
static int slot_is_taken(struct loading *l, const struct entry_parts *p)
{
    return contents_complain(l->complaint, -EINVAL, "\"%.*s\" has another entry's slot",
                             (int)p->id.len, p->id.at);
}

int contents_keep_block(struct loading *l, const struct entry_parts *p, uint32_t number, bool last,
                        struct draws_entry **block)
{
    struct id_table *ids = &l->ledger->ids;
    if (!slots_keep(ids, number))
        return slot_is_taken(l, p);
    *block = (struct draws_entry *)(void *)entry_at(ids, number);
    atomic_store_explicit(&(*block)->state, state_word(ENTRY_DRAWS, STATE_NONE, 0) | STATE_BUSY,
                          memory_order_relaxed);
    (*block)->next = last ? 0 : number + 2;
    return 0;
}

/* What is kept of a draw behind its reservation's id. */
static int load_behind(struct loading *l, const struct entry_parts *p, struct id_entry *entry,
                       uint32_t index, struct draw *draw)
{
    struct contents_track track;
    struct contents_times times = { .ready_ms = entry->created_ms };
    const unsigned char *tracks = p->behind + (entry->timed ? entry->draw_count * sizeof times : 0);
    if (entry_layout(entry) == LAYOUT_PLAIN)
        return 0;
    if (entry->timed)
        memcpy(&times, p->behind + index * sizeof times, sizeof times);
    draw_set_ready(draw, times.ready_ms, times.last_ms);
    if (!entry->tracked)
        return 0;
    memcpy(&track, tracks + index * sizeof track, sizeof track);
    struct tracked_draw *tracked = draw_tracked(draw);
    tracked->collect_by_ms = track.collect_by_ms;
    tracked->lsn = track.lsn;
    tracked->granted = track.granted;
    tracked->step = track.step;
    tracked->rejected = track.rejected;
    if (track.step >= PART_STEP_COUNT || track.rejected > 1 || track.granted > QUANTITY_MAX)
        return contents_complain(l->complaint, -EINVAL, "\"%.*s\" has an invalid step",
                                 (int)p->id.len, p->id.at);
    if (track.step != PART_OPEN)
        set_aside_more(&l->ledger->items, draw->pool, draw_left(draw));
    return 0;
}

/* The draws of an order over several pools lie in the slots behind its own, and so does its ref. */
static int load_draws(struct loading *l, const struct entry_parts *p, struct id_entry *entry)
{
    struct id_table *ids = &l->ledger->ids;
    uint32_t blocks = more_slots(&p->saved);
    struct draws_entry *block;
    struct draw *draw;
    int error = 0;
    assert(p->saved.draw_count <= DRAWS_MAX);
    for (uint32_t i = 1; !error && i <= blocks; i++)
        error = contents_keep_block(l, p, p->slot + i, i == blocks, &block);
    if (error)
        return error;
    if (blocks > 0)
        entry->more = p->slot + 2;
    struct draw_walk walk = draw_walk_start(ids, entry);
    for (uint32_t i = 0; !error && (draw = draw_walk_next(&walk)) != NULL; i++) {
        error = load_draw(l, p, i, draw);
        if (!error)
            error = load_behind(l, p, entry, i, draw);
    }
    uint32_t places = 0;
    for (uint32_t i = 0; i < p->saved.draw_count; i++)
        places = places_with(places, contents_draw_at(p, i).pool.location);
    slot_places_set(ids, entry, places);
    const char *ref = (const char *)p->behind + contents_behind_draws(&p->saved) - entry->ref_len;
    blocks_put_ref(ids, entry, blocks - ref_blocks(entry->ref_len),
                   (struct text){ ref, entry->ref_len });
    return error;
}

static int load_reservation(struct loading *l, const struct entry_parts *p, struct id_entry *entry)
{
    const struct contents_entry *saved = &p->saved;
    if (saved->channel >= atomic_load(&l->ledger->catalogue)->channel_count)
        return contents_complain(l->complaint, -EINVAL, "\"%.*s\" has an unknown channel",
                                 (int)p->id.len, p->id.at);
    entry->lsn_last = saved->reservation.lsn_last;
    entry->expires_ms = saved->reservation.moment;
    entry->created_ms = saved->reservation.created_ms;
    entry->ttl_ms = saved->ttl_ms;
    entry->channel = saved->channel;
    entry->draw_count = saved->draw_count;
    entry->timed = (uint8_t)saved->timed;
    entry->tracked = saved->reservation.tracked;
    entry->ref_len = saved->reservation.ref_len;
    entry->sends = (uint8_t)(saved->reservation.sends & SENDS_MAX);
    entry->awaits = saved->reservation.awaits;
    if (!p->finished)
        atomic_fetch_add_explicit(&l->ledger->ids.contexts[0].live, 1, memory_order_relaxed);
    return load_draws(l, p, entry);
}

/* The outcomes of a movement of several lines lie in the slots behind its own. */
static int load_outcomes(struct loading *l, const struct entry_parts *p, struct id_entry *entry)
{
    struct draws_entry *block = NULL;
    uint32_t number = p->slot, count = contents_outcomes(&p->saved);
    int error = 0;
    entry->more = number + 2;
    entry->draw_count = (uint16_t)count;
    for (uint32_t i = 0; !error && i < count; i++) {
        struct contents_outcome saved;
        uint32_t at = i % OUTCOMES_PER_ENTRY;
        memcpy(&saved, p->behind + i * sizeof saved, sizeof saved);
        if (at == 0)
            error = contents_keep_block(l, p, ++number, count - i <= OUTCOMES_PER_ENTRY, &block);
        assert(error || block);
        if (!error)
            block->outcomes[at] = (struct movement_outcome){ saved.on_hand, saved.available };
    }
    return error;
}

static int load_done(struct loading *l, const struct entry_parts *p, struct id_entry *entry)
{
    const struct contents_entry *saved = &p->saved;
    if (saved->kind == ENTRY_STEP) {
        entry->done_ms = saved->step.done_ms;
        entry->result_state = (uint32_t)saved->step.state;
        return 0;
    }
    entry->done_ms = saved->movement.done_ms;
    entry->delta = saved->movement.delta;
    if (contents_outcomes(saved) > 0)
        return load_outcomes(l, p, entry);
    entry->movement =
        (struct movement_outcome){ saved->movement.on_hand, saved->movement.available };
    return 0;
}

static int load_entry(struct loading *l, const struct entry_parts *p)
{
    struct id_table *ids = &l->ledger->ids;
    const struct contents_entry *saved = &p->saved;
    struct id_entry *entry = entry_at(ids, p->slot);
    int error = 0;
    if (p->left_out) {
        uint64_t ended_ms = contents_ended_ms(saved);
        bool early = ended_ms + ids->remember_ms > l->load->totals.last_ms;
        id_table_note_forgotten(ids, ended_ms);
        atomic_fetch_add_explicit(&l->load->early, early, memory_order_relaxed);
        return 0;
    }
    assert(p->id.at);
    if (!slots_keep(ids, p->slot))
        return slot_is_taken(l, p);
    entry->content = saved->content;
    entry->lsn_first = entry->lsn_last = saved->lsn_first;
    entry->owner = NO_OWNER;
    memcpy(entry->id, p->id.at, p->id.len);
    if (saved->kind == ENTRY_RESERVATION)
        error = load_reservation(l, p, entry);
    else if (contents_has_lines(saved))
        error = contents_load_supply(l, p, entry);
    else
        error = load_done(l, p, entry);
    if (error)
        return error;
    uint64_t word =
        state_word((enum entry_kind)saved->kind, (enum entry_state)saved->state, saved->id_len);
    entry_put(entry, word_with_last(word, saved->last));
    error = id_table_enter(ids, entry, p->id, p->hash);
    if (error)
        return contents_complain(l->complaint, -EINVAL, "\"%.*s\" %s", (int)p->id.len, p->id.at,
                                 error == -EEXIST ? "appears twice" : "does not fit the id table");
    return 0;
}

int contents_load_ids(struct loading *l, const unsigned char *at, size_t left)
{
    struct entry_parts window[AHEAD] = { 0 };
    uint64_t opened = 0, loaded = 0;
    int error = 0;
    while (!error && (left > 0 || loaded < opened)) {
        if (left > 0 && opened - loaded < AHEAD) {
            struct entry_parts *p = &window[opened % AHEAD];
            error = open_entry(l, at, left, p);
            if (error)
                break;
            prefetch_entry(l, p);
            at += p->saved.length;
            left -= p->saved.length;
            opened++;
        } else {
            error = load_entry(l, &window[loaded++ % AHEAD]);
            assert(loaded <= opened);
        }
    }
    return error;
}
