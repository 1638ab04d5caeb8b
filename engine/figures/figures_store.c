/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store of figures: cells in chunks, each chunk of one day, and a hash index over all cells.
 *
 * Work is in small steps: one fact, or one chunk of an old day. Adding some facts is followed by
 * tidying some chunks, so that nobody ever waits for a whole day to be given up.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/figures/figures_inside.h"

enum { HOURS = 24, MEASURE_BITS = 8, TIDY_MOST = 2 };

int store_init(struct store *store, size_t memory)
{
    uint32_t heads = 1024;
    if (memory < FIGURES_LEAST)
        memory = FIGURES_LEAST;
    while ((size_t)heads * 64 <= memory && heads < UINT32_C(1) << 30)
        heads *= 2;
    size_t left = memory - heads * sizeof *store->heads;
    size_t chunks = left / (CHUNK_CELLS * sizeof(struct cell) + sizeof *store->chunk_next);
    if (chunks > UINT32_MAX / CHUNK_CELLS - 1)
        chunks = UINT32_MAX / CHUNK_CELLS - 1;
    store->head_count = heads;
    store->chunk_count = store->free_count = (uint32_t)chunks;
    store->heads = memory_reserve_scattered(heads * sizeof *store->heads);
    store->cells = memory_reserve_scattered(chunks * CHUNK_CELLS * sizeof *store->cells);
    store->chunk_next = memory_reserve(chunks * sizeof *store->chunk_next);
    return store->heads && store->cells && store->chunk_next ? 0 : -ENOMEM;
}

void store_destroy(struct store *store)
{
    memory_release(store->heads, store->head_count * sizeof *store->heads);
    memory_release(store->cells, (size_t)store->chunk_count * CHUNK_CELLS * sizeof *store->cells);
    memory_release(store->chunk_next, store->chunk_count * sizeof *store->chunk_next);
}

/* ---- cells ---- */

static struct cell cell_of(const struct fact *fact)
{
    return (struct cell){ .item = fact->item,
                          .location = fact->location,
                          .channel = fact->channel,
                          .when = fact->hour << MEASURE_BITS | fact->measure,
                          .units = fact->units,
                          .count = fact->count };
}

static uint32_t *head_of_cell(const struct store *s, const struct cell *c)
{
    uint64_t place = (uint64_t)c->item << 32 | (uint64_t)c->location << 16 | c->channel;
    uint64_t h = (place ^ (uint64_t)c->when << 20) * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ h >> 32 ^ c->when) * UINT64_C(0xd6e8feb86659fd93);
    return &s->heads[(h ^ h >> 32) & (s->head_count - 1)];
}

static bool same_cell(const struct cell *a, const struct cell *b)
{
    return a->item == b->item && a->location == b->location && a->channel == b->channel &&
           a->when == b->when;
}

static bool fits(uint32_t a, uint32_t b)
{
    return a <= UINT32_MAX - b;
}

/* Takes the cell out of the index. */
static void unlink_cell(struct store *s, uint32_t number)
{
    uint32_t *at = head_of_cell(s, &s->cells[number]);
    while (*at != number + 1) {
        assert(*at != 0); /* every cell in a list is in the index */
        at = &s->cells[*at - 1].next;
    }
    *at = s->cells[number].next;
    s->facts--;
}

/* ---- chunks ---- */

static uint32_t take_chunk(struct store *s)
{
    uint32_t chunk = s->free_first;
    assert(s->free_count > 0);
    s->free_count--;
    if (chunk == 0)
        return ++s->chunks_touched;
    s->free_first = s->chunk_next[chunk - 1];
    return chunk;
}

static struct cell *new_cell(struct store *s, struct figures_day *day, unsigned which)
{
    struct cell_list *list = &day->lists[which];
    if (list->last == 0 || list->used == CHUNK_CELLS) {
        uint32_t chunk = take_chunk(s);
        s->chunk_next[chunk - 1] = 0;
        if (list->last)
            s->chunk_next[list->last - 1] = chunk;
        else
            list->first = chunk;
        list->last = chunk;
        list->used = 0;
        s->coarse_chunks += which == LIST_COARSE;
    }
    s->facts++;
    return &s->cells[(size_t)(list->last - 1) * CHUNK_CELLS + list->used++];
}

/* Adds to the cell, or makes it: there is a free chunk. */
static void add_cell(struct store *s, struct figures_day *day, unsigned which,
                     const struct cell *add)
{
    uint32_t *head = head_of_cell(s, add);
    for (uint32_t at = *head; at != 0; at = s->cells[at - 1].next) {
        struct cell *cell = &s->cells[at - 1];
        if (!same_cell(cell, add) || !fits(cell->units, add->units) ||
            !fits(cell->count, add->count))
            continue; /* what does not fit gets another cell of the same name */
        cell->units += add->units;
        cell->count += add->count;
        return;
    }
    struct cell *cell = new_cell(s, day, which);
    *cell = *add;
    cell->next = *head;
    *head = (uint32_t)(cell - s->cells) + 1;
}

static bool is_crossing(uint32_t measure)
{
    return measure == MEASURE_SOLD_OUT || measure == MEASURE_BACK_IN_STOCK;
}

/* What is left of a cell that loses detail. Of crossings, an item keeps the hours: their times
 * count from there, and it has few. */
static void add_coarse(struct store *s, struct figures_day *day, const struct cell *cell)
{
    struct cell hour = *cell, item = *cell;
    uint32_t measure = cell->when & ((1u << MEASURE_BITS) - 1);
    hour.item = FACT_NO_ITEM;
    item.location = item.channel = FACT_NO_CODE;
    if (!is_crossing(measure))
        item.when = day->day * HOURS << MEASURE_BITS | measure;
    if (measure != MEASURE_OVERLAP) /* overlaps of hours are facts of their own */
        add_cell(s, day, LIST_COARSE, &hour);
    add_cell(s, day, LIST_COARSE, &item);
}

/* ---- days ---- */

static void remove_day(struct store *s, uint32_t index)
{
    s->day_count--;
    memmove(&s->days[index], &s->days[index + 1], (s->day_count - index) * sizeof *s->days);
}

/* Takes the list's first chunk out of it and of the index, cell by cell. */
static void remove_chunk(struct store *s, struct figures_day *day, unsigned which)
{
    struct cell_list *list = &day->lists[which];
    uint32_t chunk = list->first;
    uint32_t count = chunk == list->last ? list->used : CHUNK_CELLS;
    assert(chunk != 0);
    list->first = s->chunk_next[chunk - 1];
    if (list->first == 0)
        list->last = list->used = 0;
    s->coarse_chunks -= which == LIST_COARSE;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = (chunk - 1) * CHUNK_CELLS + i;
        unlink_cell(s, number);
        if (which == LIST_DETAIL && day->day * HOURS >= s->extent.whole_from)
            add_coarse(s, day, &s->cells[number]);
    }
    s->chunk_next[chunk - 1] = s->free_first;
    s->free_first = chunk;
    s->free_count++;
    s->removals++;
}

/* Gives up part of the oldest day. */
static void drop_some(struct store *s)
{
    struct figures_day *day = &s->days[0];
    uint32_t after = (day->day + 1) * HOURS;
    if (s->extent.whole_from < after)
        s->extent.whole_from = after;
    if (s->extent.detail_from < after)
        s->extent.detail_from = after;
    if (day->lists[LIST_DETAIL].first)
        remove_chunk(s, day, LIST_DETAIL);
    else if (day->lists[LIST_COARSE].first)
        remove_chunk(s, day, LIST_COARSE);
    if (!day->lists[LIST_DETAIL].first && !day->lists[LIST_COARSE].first)
        remove_day(s, 0);
}

/* The oldest day that still has detail, or NULL. */
static struct figures_day *detailed_day(struct store *s)
{
    for (uint32_t i = 0; i < s->day_count; i++)
        if (s->days[i].lists[LIST_DETAIL].first)
            return &s->days[i];
    return NULL;
}

static void lose_detail(struct store *s, struct figures_day *day)
{
    uint32_t after = (day->day + 1) * HOURS;
    if (s->extent.detail_from < after)
        s->extent.detail_from = after;
    remove_chunk(s, day, LIST_DETAIL);
}

static bool dropping(const struct store *s)
{
    return s->day_count > FIGURES_DAYS ||
           (s->day_count > 0 && s->days[0].day * HOURS < s->extent.whole_from);
}

/* One step. False: there is nothing to do. */
static bool tidy_step(struct store *s, uint32_t free_wanted)
{
    if (dropping(s)) {
        drop_some(s);
        return true;
    }
    if (s->free_count >= free_wanted || s->day_count == 0)
        return false;
    struct figures_day *day = detailed_day(s);
    if (day && s->free_count >= FREE_LEAST / 2 && s->coarse_chunks <= s->chunk_count / 2)
        lose_detail(s, day);
    else
        drop_some(s);
    return true;
}

void store_tidy(struct store *store)
{
    uint32_t wanted = store->chunk_count / 16 + FREE_LEAST;
    for (int i = 0; i < TIDY_MOST && tidy_step(store, wanted); i++)
        assert(store->free_count <= store->chunk_count);
}

/* The day's entry, made if need be; NULL: it is older than all that are kept. */
static struct figures_day *find_day(struct store *s, uint32_t number)
{
    uint32_t at = s->day_count;
    while (at > 0 && s->days[at - 1].day > number)
        at--;
    if (at > 0 && s->days[at - 1].day == number)
        return &s->days[at - 1];
    if (at == 0 && s->day_count >= FIGURES_DAYS) {
        s->extent.whole_from = (number + 1) * HOURS;
        return NULL;
    }
    memmove(&s->days[at + 1], &s->days[at], (s->day_count - at) * sizeof *s->days);
    s->days[at] = (struct figures_day){ .day = number };
    s->day_count++;
    return &s->days[at];
}

/* Is it a fact of a single cell, or an overlap among those of one item? */
static bool is_detail(const struct fact *fact)
{
    bool placeless = fact->measure == MEASURE_OVERLAP || fact->measure == MEASURE_REFUSED ||
                     fact->measure == MEASURE_MISSING || is_crossing(fact->measure);
    return fact->item != FACT_NO_ITEM &&
           (placeless ? fact->channel : fact->location) != FACT_NO_CODE;
}

void store_add(struct store *store, const struct fact *fact)
{
    struct cell cell = cell_of(fact);
    while (store->day_count > DAYS_ROOM - 2 || store->free_count < FREE_LEAST)
        tidy_step(store, FREE_LEAST);
    if (fact->hour < store->extent.whole_from)
        return;
    struct figures_day *day = find_day(store, fact->hour / HOURS);
    if (!day)
        return;
    if (!is_detail(fact))
        add_cell(store, day, LIST_COARSE, &cell);
    else if (fact->hour < store->extent.detail_from)
        add_coarse(store, day, &cell);
    else
        add_cell(store, day, LIST_DETAIL, &cell);
}

void store_prefetch(const struct store *store, const struct fact *fact, unsigned stage)
{
    struct cell cell = cell_of(fact);
    const uint32_t *head = head_of_cell(store, &cell);
    if (stage == 0)
        memory_fetch(head);
    else if (*head != 0)
        memory_fetch(&store->cells[*head - 1]);
}

/* ---- walks ---- */

void figures_walk_start(const struct figures *figures, struct figures_walk *walk)
{
    *walk = (struct figures_walk){ .removals = figures->store.removals };
}

bool figures_walk_holds(const struct figures *figures, const struct figures_walk *walk)
{
    return figures->store.removals == walk->removals;
}

/* The first chunk of the next list, if it has one: of this day, or of the one after it. */
static bool next_list(const struct store *s, struct figures_walk *walk)
{
    if (walk->inside && !walk->coarse) {
        walk->coarse = true;
    } else {
        uint32_t at = 0;
        while (at < s->day_count && walk->inside && s->days[at].day <= walk->day)
            at++;
        if (at == s->day_count)
            return false;
        walk->day = s->days[at].day;
        walk->inside = true;
        walk->coarse = false;
    }
    for (uint32_t i = 0; i < s->day_count; i++)
        if (s->days[i].day == walk->day)
            walk->chunk = s->days[i].lists[walk->coarse ? LIST_COARSE : LIST_DETAIL].first;
    walk->at = 0;
    return true;
}

static uint32_t cells_in(const struct store *s, const struct figures_walk *walk)
{
    for (uint32_t i = 0; i < s->day_count; i++) {
        const struct cell_list *list = &s->days[i].lists[walk->coarse ? LIST_COARSE : LIST_DETAIL];
        if (s->days[i].day == walk->day)
            return walk->chunk == list->last ? list->used : CHUNK_CELLS;
    }
    return 0;
}

/* Moves on to a chunk that has more; false at the end. */
static bool next_chunk(const struct store *s, struct figures_walk *walk)
{
    while (walk->chunk == 0 || walk->at >= (walk->end = cells_in(s, walk))) {
        if (walk->chunk != 0)
            walk->chunk = s->chunk_next[walk->chunk - 1];
        walk->at = walk->end = 0;
        while (walk->chunk == 0)
            if (!next_list(s, walk))
                return false;
    }
    return true;
}

bool figures_walk_next(const struct figures *figures, struct figures_walk *walk)
{
    const struct store *s = &figures->store;
    if (walk->at >= walk->end && !next_chunk(s, walk))
        return false;
    const struct cell *c = &s->cells[(size_t)(walk->chunk - 1) * CHUNK_CELLS + walk->at++];
    walk->fact = (struct fact){ c->item,
                                c->location,
                                c->channel,
                                c->when >> MEASURE_BITS,
                                c->when & ((1u << MEASURE_BITS) - 1),
                                c->units,
                                c->count };
    return true;
}
