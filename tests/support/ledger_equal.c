/* SPDX-License-Identifier: Apache-2.0 */
/* Are two ledgers the same? This looks inside the engine, at everything that may be asked for. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/figures/figures.h"
#include "engine/ledger/ctx.h"
#include "engine/store/draws.h"
#include "engine/store/outcomes.h"
#include "engine/store/supply_lines.h"
#include "tests/support/ledger_rig.h"

struct comparing {
    const struct ledger *left, *right;
    bool forgetful;
    char *why;
    size_t size;
};

#define DIFFER(c, ...) (snprintf((c)->why, (c)->size, __VA_ARGS__), false)

/* ---- catalogue ---- */

static bool codes_equal(const struct code_text *a, const struct code_text *b)
{
    return text_equal(code_text(a), code_text(b));
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool locations_equal(const struct location *a, const struct location *b)
{
    if (a->group_count != b->group_count)
        return false;
    for (unsigned i = 0; i < a->group_count; i++)
        if (!codes_equal(&a->groups[i], &b->groups[i]))
            return false;
    return codes_equal(&a->code, &b->code) && codes_equal(&a->kind, &b->kind) &&
           text_equal(name_text(&a->name), name_text(&b->name)) && a->priority == b->priority &&
           a->lead_time_s == b->lead_time_s && a->safety == b->safety &&
           same_number(a->lat, b->lat) && same_number(a->lon, b->lon) && a->ships == b->ships &&
           a->pickup == b->pickup && a->active == b->active && a->lsn == b->lsn &&
           a->calendar == b->calendar && a->dispatch_count == b->dispatch_count &&
           memcmp(a->dispatch, b->dispatch, sizeof a->dispatch) == 0;
}

static bool channels_equal(const struct channel *a, const struct channel *b, uint16_t locations)
{
    if (a->place_count != b->place_count)
        return false;
    for (unsigned i = 0; i < a->place_count; i++)
        if (!codes_equal(&a->places[i], &b->places[i]))
            return false;
    return codes_equal(&a->code, &b->code) && codes_equal(&a->kind, &b->kind) &&
           text_equal(name_text(&a->name), name_text(&b->name)) && a->buffer == b->buffer &&
           a->hold_ttl_ms == b->hold_ttl_ms && a->sourcing == b->sourcing &&
           a->ignore_safety == b->ignore_safety && a->incoming == b->incoming &&
           a->horizon_s == b->horizon_s && a->lsn == b->lsn &&
           memcmp(a->rank, b->rank, locations * sizeof *a->rank) == 0;
}

static bool same_catalogue(const struct comparing *c)
{
    if (atomic_load(&c->left->catalogue_lsn) != atomic_load(&c->right->catalogue_lsn))
        return DIFFER(c, "the last change of the catalogue has two LSNs");
    const struct catalogue *a = atomic_load(&c->left->catalogue);
    const struct catalogue *b = atomic_load(&c->right->catalogue);
    if (a->location_count != b->location_count || a->channel_count != b->channel_count)
        return DIFFER(c, "%u and %u locations, %u and %u channels", a->location_count,
                      b->location_count, a->channel_count, b->channel_count);
    if (a->calendar_count != b->calendar_count)
        return DIFFER(c, "%u and %u calendars", a->calendar_count, b->calendar_count);
    for (uint16_t i = 0; i < a->calendar_count; i++)
        if (!codes_equal(&a->calendars[i].code, &b->calendars[i].code) ||
            a->calendars[i].lsn != b->calendars[i].lsn ||
            !calendars_equal(&a->calendars[i], &b->calendars[i]))
            return DIFFER(c, "calendar %u differs", i);
    for (uint16_t i = 0; i < a->location_count; i++)
        if (!locations_equal(&a->locations[i], &b->locations[i]))
            return DIFFER(c, "location %u differs", i);
    for (uint16_t i = 0; i < a->channel_count; i++)
        if (!channels_equal(&a->channels[i], &b->channels[i], a->location_count))
            return DIFFER(c, "channel %u differs", i);
    return true;
}

/* ---- items and pools ---- */

static bool same_details(const struct item_details *a, const struct item_details *b)
{
    if (!a || !b)
        return a == b;
    return a->has_low_stock == b->has_low_stock && a->low_stock == b->low_stock &&
           a->has_backorder_limit == b->has_backorder_limit &&
           a->backorder_limit == b->backorder_limit && a->lsn == b->lsn &&
           a->name_len == b->name_len && memcmp(a->name, b->name, a->name_len) == 0 &&
           a->barcode_len == b->barcode_len &&
           memcmp(a->barcode, b->barcode, a->barcode_len) == 0 && a->has_safety == b->has_safety &&
           a->safety == b->safety && a->decimals == b->decimals && a->unit_len == b->unit_len &&
           memcmp(a->unit, b->unit, a->unit_len) == 0;
}

/* The id of the supply that owns a pool; absent: none. */
static struct text owner_of_expected(const struct ledger *ledger, const struct incoming *in)
{
    uint32_t link = atomic_load(&in->supply);
    if (link == 0)
        return (struct text){ NULL, 0 };
    struct id_entry *entry = entry_at(&ledger->ids, link - 1);
    return entry_id(entry, atomic_load(&entry->state));
}

static bool same_changes(const struct incoming *a, const struct incoming *b)
{
    bool same = a->change_count == b->change_count;
    for (uint32_t i = 0; same && i < a->change_count; i++) {
        const struct eta_change *x = &a->changes[i], *y = &b->changes[i];
        same = x->lsn == y->lsn && x->covered_lsn == y->covered_lsn && x->ship_ms == y->ship_ms &&
               x->pickup_ms == y->pickup_ms;
    }
    return same;
}

/* What is known of what a pool expects, or has expected. */
static bool same_incoming(const struct comparing *c, const struct ledger *in,
                          const struct ledger *other, const struct pool *pool,
                          const struct pool *found)
{
    static const struct incoming none;
    const struct incoming *a = incoming_at(&in->items, pool_unit(&in->items, pool)), *b = &none;
    if (found)
        b = incoming_at(&other->items, pool_unit(&other->items, found));
    struct text by = owner_of_expected(in, a), by_other = owner_of_expected(other, b);
    bool same_time = incoming_expected(a) == 0 || a->eta_ms == b->eta_ms;
    if (incoming_expected(a) != incoming_expected(b) || !same_time || !text_equal(by, by_other))
        return DIFFER(c, "expected: %u by %llu of \"%.*s\", and %u by %llu of \"%.*s\"",
                      incoming_expected(a), (unsigned long long)a->eta_ms, (int)by.len, by.at,
                      incoming_expected(b), (unsigned long long)b->eta_ms, (int)by_other.len,
                      by_other.at);
    if (by.len > 0 && a->transfer != b->transfer)
        return DIFFER(c, "\"%.*s\" is a transfer in one only", (int)by.len, by.at);
    bool used = by.len > 0 || pool_read(pool) != 0; /* else what is left is of an earlier supply */
    if (used && !same_changes(a, b))
        return DIFFER(c, "what is expected was put off %u and %u times, or otherwise",
                      a->change_count, b->change_count);
    return true;
}

/* Is each pool of one found in the other? Pools that are empty need not be. */
static bool pools_within(const struct comparing *c, const struct ledger *in,
                         const struct ledger *other, uint32_t item)
{
    struct pool_walk walk = pool_walk_start(&in->items, item);
    const struct pool *pool;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load(&pool->key), word = pool_read(pool);
        const struct pool *found =
            pool_find(&other->items, item, key_location(key), key_owner(key));
        uint64_t there = found ? pool_read(found) : 0;
        if (there != word)
            return DIFFER(
                c, "item %u at location %u: on hand %lld and %lld, reserved %lld and %lld", item,
                key_location(key), (long long)word_on_hand(word), (long long)word_on_hand(there),
                (long long)word_reserved(word), (long long)word_reserved(there));
        uint64_t set = stocking_at(&in->items, pool_unit(&in->items, pool));
        bool shared = owner_kind(key_owner(key)) == POOL_SHARED; /* which a stocking makes */
        if (found ? stocking_at(&other->items, pool_unit(&other->items, found)) != set
                  : shared && set != 0)
            return DIFFER(c, "item %u at location %u: two stockings", item, key_location(key));
        if (!same_incoming(c, in, other, pool, found))
            return false;
    }
    return true;
}

static bool item_shown(const struct ledger *ledger, uint32_t index)
{
    struct text sku = item_sku(item_at(&ledger->items, index));
    return sku.len > 0 && items_find(&ledger->items, sku, sku_hash(&ledger->items, sku)) == index;
}

static bool same_items(const struct comparing *c)
{
    uint32_t left = atomic_load(&c->left->items.count), right = atomic_load(&c->right->items.count);
    for (uint32_t i = 0; i < (left > right ? left : right); i++) {
        bool in_left = item_shown(c->left, i);
        if (in_left != item_shown(c->right, i))
            return DIFFER(c, "item %u is only in the %s", i, in_left ? "first" : "second");
        if (!in_left)
            continue;
        if (!text_equal(item_sku(item_at(&c->left->items, i)),
                        item_sku(item_at(&c->right->items, i))))
            return DIFFER(c, "item %u has two names", i);
        if (!same_details(atomic_load(&c->left->items.details[i]),
                          atomic_load(&c->right->items.details[i])))
            return DIFFER(c, "item %u has details that differ", i);
        if (item_has(item_at(&c->left->items, i), ITEM_MOVED) !=
                item_has(item_at(&c->right->items, i), ITEM_MOVED) ||
            item_stocking(&c->left->items, i) != item_stocking(&c->right->items, i))
            return DIFFER(c, "item %u has moved, or has a safety, in one only", i);
        uint64_t mark = atomic_load(&c->left->items.versions[i]);
        uint64_t there = atomic_load(&c->right->items.versions[i]);
        if (there == 0 || there != mark)
            return DIFFER(c, "item %u is marked %llu and %llu", i, (unsigned long long)mark,
                          (unsigned long long)there);
        if (!pools_within(c, c->left, c->right, i) || !pools_within(c, c->right, c->left, i))
            return false;
    }
    return true;
}

/* ---- what ids stand for ---- */

static uint64_t pool_key_of(const struct ledger *ledger, uint32_t unit)
{
    return atomic_load(&pool_at(&ledger->items, unit)->key);
}

static bool same_track(const struct id_entry *a, struct draw *p, struct draw *q)
{
    const struct tracked_draw *x = draw_tracked(p), *y = draw_tracked(q);
    return !a->tracked || (x->collect_by_ms == y->collect_by_ms && x->granted == y->granted &&
                           x->lsn == y->lsn && x->step == y->step);
}

static bool same_draws(const struct comparing *c, struct id_entry *a, struct id_entry *b)
{
    struct draw_walk x = draw_walk_start(&c->left->ids, a);
    struct draw_walk y = draw_walk_start(&c->right->ids, b);
    for (;;) {
        struct draw *p = draw_walk_next(&x), *q = draw_walk_next(&y);
        if (!p || !q)
            return p == NULL && q == NULL;
        if (pool_key_of(c->left, p->pool) != pool_key_of(c->right, q->pool) || p->qty != q->qty ||
            p->fulfilled != q->fulfilled || p->cancelled != q->cancelled || !same_track(a, p, q) ||
            draw_ready_ms(a, p) != draw_ready_ms(b, q) || draw_last_ms(a, p) != draw_last_ms(b, q))
            return false;
    }
}

static bool same_reservation(const struct comparing *c, struct id_entry *a, struct id_entry *b,
                             enum entry_state state)
{
    struct text id = { a->id, (uint32_t)strnlen(a->id, ID_MAX) };
    char ref[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    uint32_t len = reservation_ref(&c->left->ids, a, ref);
    if (reservation_ref(&c->right->ids, b, other) != len || memcmp(ref, other, len) != 0)
        return DIFFER(c, "reservation \"%.*s\" has another ref", (int)id.len, id.at);
    if (a->lsn_first != b->lsn_first || a->lsn_last != b->lsn_last || a->content != b->content ||
        a->created_ms != b->created_ms || a->ttl_ms != b->ttl_ms || a->channel != b->channel)
        return DIFFER(c, "reservation \"%.*s\" differs", (int)id.len, id.at);
    if (!state_final(state) && a->expires_ms != b->expires_ms)
        return DIFFER(c, "reservation \"%.*s\": deadline, or LSN of its confirmation, differs",
                      (int)id.len, id.at);
    if (a->sends != b->sends || a->awaits != b->awaits)
        return DIFFER(c, "reservation \"%.*s\" has other transfers", (int)id.len, id.at);
    if (a->draw_count != b->draw_count || a->timed != b->timed || a->tracked != b->tracked ||
        !same_draws(c, a, b))
        return DIFFER(c, "reservation \"%.*s\" has draws that differ", (int)id.len, id.at);
    return true;
}

static bool same_lines(const struct comparing *c, const struct id_entry *a,
                       const struct id_entry *b)
{
    struct line_walk x = line_walk_start(&c->left->ids, a);
    struct line_walk y = line_walk_start(&c->right->ids, b);
    for (;;) {
        const struct line_entry *p = line_walk_next(&x), *q = line_walk_next(&y);
        if (!p || !q)
            return p == NULL && q == NULL;
        if (pool_key_of(c->left, p->pool) != pool_key_of(c->right, q->pool) || p->qty != q->qty ||
            p->shipped != q->shipped || p->accepted != q->accepted || p->rejected != q->rejected ||
            p->lost != q->lost || p->over != q->over)
            return false;
    }
}

/* A supply, or a step of one, which has no places and no ref. */
static bool same_supply(const struct comparing *c, const struct id_entry *a,
                        const struct id_entry *b, uint64_t word)
{
    char ref[NAME_MAX_BYTES], other[NAME_MAX_BYTES];
    int id_len = (int)word_id_len(word);
    if (a->content != b->content || a->lsn_first != b->lsn_first || a->lsn_last != b->lsn_last ||
        a->eta_ms != b->eta_ms)
        return DIFFER(c, "supply \"%.*s\" differs", id_len, a->id);
    if (!entry_over(word) && a->watched_ms != b->watched_ms)
        return DIFFER(c, "supply \"%.*s\" was watched up to %llu and %llu", id_len, a->id,
                      (unsigned long long)a->watched_ms, (unsigned long long)b->watched_ms);
    if (a->draw_count != b->draw_count || !same_lines(c, a, b))
        return DIFFER(c, "supply \"%.*s\" has lines that differ", id_len, a->id);
    if (word_kind(word) == ENTRY_SUPPLY_STEP)
        return true;
    uint32_t len = supply_ref(&c->left->ids, a, ref);
    if (a->from != b->from || a->location != b->location || a->sends != b->sends ||
        supply_ref(&c->right->ids, b, other) != len || memcmp(ref, other, len) != 0)
        return DIFFER(c, "supply \"%.*s\" has another ref, or other places", id_len, a->id);
    return true;
}

static bool same_outcomes(const struct comparing *c, const struct id_entry *a,
                          const struct id_entry *b)
{
    static _Thread_local struct movement_outcome left[LINES_MAX], right[LINES_MAX];
    if (a->draw_count != b->draw_count)
        return false;
    uint32_t count = outcomes_read(&c->left->ids, a, left);
    outcomes_read(&c->right->ids, b, right);
    return memcmp(left, right, count * sizeof left[0]) == 0;
}

static bool same_entry(const struct comparing *c, struct id_entry *a, struct id_entry *b,
                       uint64_t word)
{
    if (word_kind(word) == ENTRY_RESERVATION)
        return same_reservation(c, a, b, word_state(word));
    if (word_kind(word) == ENTRY_SUPPLY || word_kind(word) == ENTRY_SUPPLY_STEP)
        return same_supply(c, a, b, word);
    bool same = a->content == b->content && a->lsn_first == b->lsn_first;
    if (word_kind(word) == ENTRY_MOVEMENT)
        same &= same_outcomes(c, a, b);
    else
        same &= a->result_state == b->result_state;
    return same || DIFFER(c, "what \"%.*s\" did differs", (int)word_id_len(word), a->id);
}

static bool stands_for_something(uint64_t word)
{
    return !(word & STATE_BUSY) &&
           (word_kind(word) == ENTRY_RESERVATION || word_kind(word) == ENTRY_MOVEMENT ||
            word_kind(word) == ENTRY_STEP || word_kind(word) == ENTRY_SUPPLY ||
            word_kind(word) == ENTRY_SUPPLY_STEP);
}

static bool may_be_missing(const struct comparing *c, uint64_t word)
{
    /* A step that found its work done already is remembered, but is no change. */
    if (word_kind(word) == ENTRY_STEP)
        return true;
    return c->forgetful && entry_over(word);
}

/* A forgotten id that was given to such a step is in no record: the other ledger, if it has not
 * forgotten it, has what it stood for before. */
static bool may_be_older(uint64_t word, uint64_t other)
{
    bool step = word_kind(word) == ENTRY_STEP || word_kind(other) == ENTRY_STEP;
    uint64_t old = word_kind(word) == ENTRY_STEP ? other : word;
    return step && entry_over(old);
}

/* Each entry of `in`: is it the same in the other ledger? */
static bool id_table_within(const struct comparing *c, const struct ledger *in,
                            struct ledger *other)
{
    for (uint32_t i = 0; i < in->ids.max; i++) {
        struct id_entry *entry = entry_at(&in->ids, i), *found;
        uint64_t word = atomic_load(&entry->state), other_word;
        if (!stands_for_something(word))
            continue;
        struct text id = entry_id(entry, word);
        uint64_t hash = id_hash(&other->ids, id);
        bool there = id_table_find(&other->ids, id, hash, &found, &other_word) == ENTRY_FOUND;
        if (there)
            entry_put(found, other_word);
        if (!there || word_kind(other_word) == ENTRY_REFUSED) {
            if (may_be_missing(c, word))
                continue;
            return DIFFER(c, "\"%.*s\" is only in the %s", (int)id.len, id.at,
                          in == c->left ? "first" : "second");
        }
        if (other_word != word && may_be_older(word, other_word))
            continue;
        if (other_word != word)
            return DIFFER(c, "\"%.*s\" is %llx and %llx", (int)id.len, id.at,
                          (unsigned long long)word, (unsigned long long)other_word);
        struct id_entry *a = in == c->left ? entry : found, *b = in == c->left ? found : entry;
        if (!same_entry(c, a, b, word))
            return false;
    }
    return true;
}

static bool same_levels(const struct comparing *c)
{
    const struct levels *left = &c->left->crossings.levels, *right = &c->right->crossings.levels;
    uint16_t channels = atomic_load(&c->left->catalogue)->channel_count;
    uint32_t items = atomic_load(&c->left->items.count);
    for (uint32_t i = 0; i < items; i++)
        for (uint16_t at = 0; at < channels; at++)
            if (level_of(left, i, at) != level_of(right, i, at))
                return DIFFER(c, "item %u on channel %u has the levels %u and %u", i, at,
                              level_of(left, i, at), level_of(right, i, at));
    return true;
}

static struct shortage shortage_at(const struct ledger *ledger, const struct pool *pool)
{
    return pool ? ledger->shortages.of_pools[pool_unit(&ledger->items, pool)]
                : (struct shortage){ 0 };
}

static bool same_shortages(const struct comparing *c)
{
    for (uint32_t i = 0; i < atomic_load(&c->left->items.count); i++) {
        struct pool_walk walk = pool_walk_start(&c->left->items, i);
        const struct pool *pool;
        while ((pool = pool_walk_next(&walk)) != NULL) {
            uint64_t key = pool_read_key(pool);
            struct shortage left = shortage_at(c->left, pool);
            struct shortage right = shortage_at(
                c->right, pool_find(&c->right->items, i, key_location(key), key_owner(key)));
            if (left.since != right.since || left.until != right.until)
                return DIFFER(c, "item %u at %u is short since LSN %llu and %llu", i,
                              key_location(key), (unsigned long long)left.since,
                              (unsigned long long)right.since);
        }
    }
    return true;
}

/* ---- figures ---- */

static int compare_facts(const void *left, const void *right)
{
    const struct fact *a = left, *b = right;
    uint64_t of[][2] = { { a->hour, b->hour },       { a->measure, b->measure },
                         { a->item, b->item },       { a->location, b->location },
                         { a->channel, b->channel }, { a->units, b->units },
                         { a->count, b->count } };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i][0] != of[i][1])
            return of[i][0] < of[i][1] ? -1 : 1;
    return 0;
}

/* All facts, in an order that does not depend on when they were noted; to be freed. */
static struct fact *list_facts(struct figures *figures, size_t *count)
{
    struct fact *facts = NULL;
    struct figures_walk walk;
    *count = 0;
    figures_hold(figures);
    do { /* days are given up chunk by chunk: until none is left that has to be */
        figures_walk_start(figures, &walk);
        figures_fold_all(figures);
    } while (!figures_walk_holds(figures, &walk));
    figures_walk_start(figures, &walk);
    for (size_t room = 0; figures_walk_next(figures, &walk); facts[(*count)++] = walk.fact)
        if (*count == room && !(facts = realloc(facts, (room = 2 * room + 64) * sizeof *facts)))
            abort();
    figures_put(figures);
    if (*count > 1)
        qsort(facts, *count, sizeof *facts, compare_facts);
    return facts;
}

static bool same_figures(const struct comparing *c)
{
    size_t count, other;
    if (!c->left->figures || !c->right->figures)
        return true;
    struct fact *a = list_facts(c->left->figures, &count);
    struct fact *b = list_facts(c->right->figures, &other);
    bool same = count == other;
    for (size_t i = 0; same && i < count; i++)
        same = compare_facts(&a[i], &b[i]) == 0;
    free(a);
    free(b);
    return same || DIFFER(c, "%zu and %zu facts, and not the same", count, other);
}

bool ledgers_equal(const struct ledger *left, const struct ledger *right, bool forgetful, char *why,
                   size_t size)
{
    struct comparing c = { left, right, forgetful, why, size };
    return same_catalogue(&c) && same_items(&c) && same_levels(&c) && same_shortages(&c) &&
           same_figures(&c) && id_table_within(&c, left, (struct ledger *)(uintptr_t)right) &&
           id_table_within(&c, right, (struct ledger *)(uintptr_t)left);
}
