/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/slots.h"

#include <assert.h>
#include <sched.h>
#include <string.h>

#include "engine/base/memory.h"

enum { CHUNK = CHUNK_SLOTS, STASH_MOST = 64, SHARED_AT_ONCE = 256 };

/* How often replay tries what a reader may be in the way of: for some seconds. */
enum { REPLAY_TRIES = 1 << 22 };

static struct ctx_ids *ids_of(struct id_table *ids, const struct id_cursor *cursor)
{
    return &ids->contexts[cursor->ctx];
}

/* Changes a metric that only its context writes. */
static void count_by(_Atomic uint64_t *metric, uint64_t by)
{
    uint64_t now = atomic_load_explicit(metric, memory_order_relaxed);
    atomic_store_explicit(metric, now + by, memory_order_relaxed);
}

static void fetch_entry(const struct id_entry *entry)
{
    memory_fetch(entry);
    memory_fetch((const char *)entry + 64);
}

/* ---- free and taken ---- */

void slots_release(struct id_table *ids, const struct id_entry *entry)
{
    uint32_t number = entry_number(ids, entry);
    uint64_t bit = UINT64_C(1) << number % CHUNK;
    uint64_t before =
        atomic_fetch_and_explicit(&ids->taken[number / CHUNK].bits, ~bit, memory_order_relaxed);
    if (before & bit)
        atomic_fetch_add_explicit(&ids->free, 1, memory_order_relaxed);
}

bool slots_keep(struct id_table *ids, uint32_t number)
{
    uint64_t bit = UINT64_C(1) << number % CHUNK;
    uint64_t before =
        atomic_fetch_or_explicit(&ids->taken[number / CHUNK].bits, bit, memory_order_relaxed);
    if (before & bit)
        return false;
    atomic_fetch_sub_explicit(&ids->free, 1, memory_order_relaxed);
    return true;
}

/* How many bits are clear. A release clears its bit before it counts, so the count may be negative
 * for a moment. */
uint64_t id_table_free(const struct id_table *ids)
{
    uint64_t free = atomic_load_explicit(&ids->free, memory_order_relaxed);
    return (int64_t)free > 0 ? free : 0;
}

/* Takes all free slots of a chunk. */
static uint64_t take_chunk(struct id_table *ids, uint32_t chunk)
{
    _Atomic uint64_t *bits = &ids->taken[chunk].bits;
    if (atomic_load_explicit(bits, memory_order_relaxed) == UINT64_MAX)
        return 0;
    uint64_t mine = ~atomic_fetch_or_explicit(bits, UINT64_MAX, memory_order_relaxed);
    atomic_fetch_sub_explicit(&ids->free, (uint64_t)__builtin_popcountll(mine),
                              memory_order_relaxed);
    return mine;
}

/* Advances the hand until it has taken something, by *most chunks at most. */
static bool next_chunk(struct id_table *ids, struct id_cursor *cursor, uint32_t *most)
{
    while (*most > 0 && id_table_free(ids) > 0) {
        uint64_t hand = atomic_fetch_add_explicit(&ids->hand, 1, memory_order_relaxed);
        cursor->chunk = (uint32_t)(hand % ids->chunk_count);
        cursor->candidates = take_chunk(ids, cursor->chunk);
        (*most)--;
        if (cursor->candidates != 0)
            return true;
    }
    return false;
}

/* Makes an owned entry stand for nothing; the caller still owns it. */
static struct id_entry *blank(struct id_entry *entry)
{
    atomic_store_explicit(&entry->state, state_word(ENTRY_FREE, STATE_NONE, 0) | STATE_BUSY,
                          memory_order_relaxed);
    return entry;
}

enum tried { TRIED_MINE, TRIED_LIVE, TRIED_BUSY };

/* Tries one slot of a chunk that this context took. LIVE: it was a tombstone that has been revived.
 * BUSY: try again; another thread looks at a tombstone, or is about to revive it. */
static enum tried try_slot(struct id_table *ids, struct id_entry *entry)
{
    uint64_t word;
    if (!entry_take(entry, &word))
        return TRIED_BUSY;
    bool stone = word_kind(word) == ENTRY_REFUSED;
    if (word_kind(word) == ENTRY_FREE || (stone && entry_unindex(ids, entry, word))) {
        blank(entry);
        return TRIED_MINE;
    }
    entry_put(entry, word);
    return stone ? TRIED_BUSY : TRIED_LIVE;
}

static struct id_entry *from_chunk(struct id_table *ids, struct id_cursor *cursor)
{
    for (uint64_t left = cursor->candidates; left != 0; left &= left - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(left);
        struct id_entry *entry = entry_at(ids, cursor->chunk * CHUNK + bit);
        if ((left & (left - 1)) != 0) /* usually the next one in memory */
            fetch_entry(entry + 1);
        enum tried tried = try_slot(ids, entry);
        if (tried != TRIED_BUSY)
            cursor->candidates &= ~(UINT64_C(1) << bit);
        if (tried == TRIED_MINE)
            return entry;
    }
    return NULL;
}

/* Goes round the table at most once. Busy slots keep it where it is: they are this context's, and
 * are free again in a moment. */
static struct id_entry *from_hand(struct id_table *ids, struct id_cursor *cursor)
{
    uint32_t most = ids->chunk_count + 1;
    for (;;) {
        struct id_entry *entry = from_chunk(ids, cursor);
        if (entry || cursor->candidates != 0 || !next_chunk(ids, cursor, &most))
            return entry;
    }
}

/* ---- the stash ---- */

static struct id_entry *from_stash(struct id_table *ids, struct id_cursor *cursor)
{
    if (cursor->stash == 0)
        return NULL;
    struct id_entry *entry = entry_at(ids, cursor->stash - 1);
    cursor->stash = entry->ended_next;
    entry->ended_next = 0;
    assert(cursor->stash_count > 0);
    cursor->stash_count--;
    return entry;
}

/* Frees an owned slot that stands for nothing, for the hand. */
static void to_hand(struct id_table *ids, struct id_entry *entry)
{
    entry_put(entry, state_word(ENTRY_FREE, STATE_NONE, 0));
    slots_release(ids, entry);
}

/* In the stash a slot stays busy: no other thread can reach it. A full stash frees it for all. */
static void to_stash(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry)
{
    if (cursor->stash_count == STASH_MOST) {
        to_hand(ids, entry);
        return;
    }
    assert(entry_is_owned(entry)); /* so nobody else has a way to it */
    cursor->stash_count++;
    entry->ended_next = cursor->stash;
    cursor->stash = entry_number(ids, entry) + 1;
}

/* Draws occupied the bytes of an entry's links. */
static void clear_links(struct id_entry *entry)
{
    entry->wheel_next = entry->wheel_prev = 0;
    entry->owner = NO_OWNER;
    entry->inbox_next = 0;
    entry->in_inbox = entry->tracked = entry->awaits = false;
    entry->sends = 0;
    entry->timed = NOT_TIMED;
    entry->ref_len = 0;
}

void slots_free_draws(struct id_table *ids, struct id_cursor *cursor, uint32_t more)
{
    while (more != 0) {
        struct id_entry *entry = entry_at(ids, more - 1);
        assert(word_kind(atomic_load_explicit(&entry->state, memory_order_relaxed)) == ENTRY_DRAWS);
        more = ((struct draws_entry *)(void *)entry)->next;
        clear_links(entry);
        to_stash(ids, cursor, blank(entry));
    }
}

/* ---- ended ids ---- */

static uint64_t ripe_at(const struct id_table *ids, const struct id_entry *entry)
{
    if (ids->remember_ms == 0) /* at once, also for a context whose iteration began earlier */
        return 0;
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
    uint64_t ended = entry_ended_ms(entry, word);
    uint64_t down = ended < ids->started_ms ? ids->downtime_ms : 0;
    return ended + down + ids->remember_ms;
}

static void append(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry)
{
    struct ctx_ids *own = ids_of(ids, cursor);
    uint32_t link = entry_number(ids, entry) + 1;
    assert(entry->owner == NO_OWNER);
    assert((own->first == 0) == (own->last == 0)); /* I9 */
    entry->ended_next = 0;
    entry->ended_prev = own->last;
    if (own->last != 0) {
        entry_at(ids, own->last - 1)->ended_next = link;
    } else {
        own->first = link;
        atomic_store_explicit(&own->ripe_ms, ripe_at(ids, entry), memory_order_relaxed);
    }
    own->last = link;
    count_by(&own->remembered, 1);
}

void slots_added(struct id_table *ids, const struct id_cursor *cursor)
{
    count_by(&ids_of(ids, cursor)->added, 1);
}

void slots_end(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
               uint64_t word)
{
    assert(entry_is_owned(entry)); /* E1 */
    assert(word_kind(word) != ENTRY_RESERVATION || state_final(word_state(word)));
    if (word_kind(word) == ENTRY_RESERVATION)
        entry->ended_ms = cursor->now_ms;
    else
        entry->done_ms = cursor->now_ms;
    /* For ripe_at, which reads the kind; the caller shows the entry. */
    atomic_store_explicit(&entry->state, word | STATE_BUSY, memory_order_relaxed);
    append(ids, cursor, entry);
    if (word_kind(word) == ENTRY_RESERVATION)
        count_by(&ids_of(ids, cursor)->live, (uint64_t)-1);
    else if (word_kind(word) != ENTRY_SUPPLY)
        slots_added(ids, cursor);
}

void slots_begin(struct id_table *ids, const struct id_cursor *cursor)
{
    count_by(&ids_of(ids, cursor)->live, 1);
    count_by(&ids_of(ids, cursor)->added, 1);
}

void slots_end_loaded(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry)
{
    append(ids, cursor, entry);
}

void slots_unend(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry)
{
    struct ctx_ids *own = ids_of(ids, cursor);
    uint32_t next = entry->ended_next, prev = entry->ended_prev;
    assert(own->first != 0); /* I9: it is in this queue */
    assert(prev != 0 || own->first == entry_number(ids, entry) + 1);
    if (prev != 0)
        entry_at(ids, prev - 1)->ended_next = next;
    else
        own->first = next;
    if (next != 0)
        entry_at(ids, next - 1)->ended_prev = prev;
    else
        own->last = prev;
    entry->ended_next = entry->ended_prev = 0;
    count_by(&own->remembered, (uint64_t)-1);
    /* `ripe_ms` still holds for the entries behind this one, which ended later. */
    if (own->first == 0)
        atomic_store_explicit(&own->ripe_ms, UINT64_MAX, memory_order_relaxed);
}

void id_table_note_forgotten(struct id_table *ids, uint64_t ended_ms)
{
    uint64_t before = atomic_load_explicit(&ids->forgotten_ms, memory_order_relaxed);
    while (before < ended_ms &&
           !atomic_compare_exchange_weak_explicit(&ids->forgotten_ms, &before, ended_ms,
                                                  memory_order_relaxed, memory_order_relaxed)) {
        /* another context has forgotten an id meanwhile */
    }
}

/* Prefetches what forgetting the next entries will touch: their slots, then their buckets. */
static void peek(const struct id_table *ids, const struct id_entry *first)
{
    if (first->ended_next == 0)
        return;
    const struct id_entry *next = entry_at(ids, first->ended_next - 1);
    uint64_t word = atomic_load_explicit(&next->state, memory_order_relaxed);
    id_table_prefetch_bucket(ids, id_hash(ids, entry_id(next, word)));
    memory_fetch(&ids->places[first->ended_next - 1]);
    if (next->ended_next != 0)
        fetch_entry(entry_at(ids, next->ended_next - 1));
}

/* May the first of the queue be forgotten? If not, notes when. */
static bool is_ripe(struct id_table *ids, const struct id_cursor *cursor,
                    const struct id_entry *first)
{
    uint64_t at = ripe_at(ids, first);
    if (at <= cursor->now_ms)
        return true;
    atomic_store_explicit(&ids_of(ids, cursor)->ripe_ms, at, memory_order_relaxed);
    return false;
}

/* Forgets the oldest of the queue, ripe or not, and returns its slot, busy. NULL: something is in
 * the way. */
static struct id_entry *forget(struct id_table *ids, struct id_cursor *cursor,
                               struct id_entry *entry)
{
    uint64_t word;
    peek(ids, entry);
    if (!entry_take(entry, &word))
        return NULL;
    assert(word_kind(word) != ENTRY_RESERVATION || state_final(word_state(word)));
    id_table_note_forgotten(ids, entry_ended_ms(entry, word)); /* before the id is gone */
    if (entry->in_inbox || !entry_unindex(ids, entry, word)) {
        entry_put(entry, word); /* its message is unread, or its bucket is busy */
        return NULL;
    }
    slots_unend(ids, cursor, entry);
    slots_free_draws(ids, cursor, entry_blocks(entry, word));
    return blank(entry);
}

static struct id_entry *oldest(const struct id_table *ids, const struct id_cursor *cursor)
{
    uint32_t first = ids->contexts[cursor->ctx].first;
    return first ? entry_at(ids, first - 1) : NULL;
}

static struct id_entry *forget_ripe(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *first = oldest(ids, cursor);
    return first && is_ripe(ids, cursor, first) ? forget(ids, cursor, first) : NULL;
}

/* Replay must find room: if the table is smaller than it was then, the oldest id has to go. */
static struct id_entry *forget_early(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *first = oldest(ids, cursor);
    bool early = first && !is_ripe(ids, cursor, first);
    struct id_entry *slot = first ? forget(ids, cursor, first) : NULL;
    cursor->early += slot && early;
    return slot;
}

/* ---- taking one ---- */

/* Beside readers something may be in the way: one of them looks at an entry for a moment. */
static struct id_entry *wait_for_slot(struct id_table *ids, struct id_cursor *cursor)
{
    for (unsigned i = 0; i < REPLAY_TRIES; i++) {
        struct id_entry *slot = from_hand(ids, cursor);
        if (!slot && cursor->candidates == 0)
            slot = forget_early(ids, cursor);
        if (slot || (cursor->candidates == 0 && !oldest(ids, cursor)))
            return slot;
        sched_yield();
    }
    return NULL;
}

static struct id_entry *find_slot(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *slot = from_stash(ids, cursor);
    bool plenty = cursor->candidates != 0 || id_table_free(ids) >= ids->chunk_count;
    if (!slot && plenty)
        slot = from_hand(ids, cursor);
    if (!slot && !cursor->replaying)
        slot = forget_ripe(ids, cursor);
    if (!slot)
        slot = cursor->replaying ? wait_for_slot(ids, cursor) : from_hand(ids, cursor);
    return slot;
}

/* Publishes how many free slots this context holds, which others could use. */
static void note_hoard(struct id_table *ids, const struct id_cursor *cursor)
{
    _Atomic uint32_t *hoard = &ids_of(ids, cursor)->hoard;
    uint32_t now = cursor->stash_count + (cursor->spare != NULL) +
                   (uint32_t)__builtin_popcountll(cursor->candidates);
    if (now != atomic_load_explicit(hoard, memory_order_relaxed))
        atomic_store_explicit(hoard, now, memory_order_relaxed);
}

struct id_entry *slots_take(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *slot = cursor->spare;
    cursor->spare = NULL;
    if (!slot)
        slot = find_slot(ids, cursor);
    note_hoard(ids, cursor);
    return slot;
}

void slots_give_back(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry)
{
    blank(entry);
    if (!cursor->spare)
        cursor->spare = entry;
    else
        to_stash(ids, cursor, entry);
    note_hoard(ids, cursor);
}

/* ---- sharing ---- */

/* Frees all slots that the context holds and does not use. */
static void share_hoard(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *entry;
    if (cursor->spare)
        to_hand(ids, cursor->spare);
    cursor->spare = NULL;
    while ((entry = from_stash(ids, cursor)) != NULL)
        to_hand(ids, entry);
    for (; cursor->candidates != 0; cursor->candidates &= cursor->candidates - 1)
        slots_release(ids, entry_at(ids, cursor->chunk * CHUNK +
                                             (uint32_t)__builtin_ctzll(cursor->candidates)));
}

void slots_share(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *entry;
    _Atomic bool *asked = &ids_of(ids, cursor)->asked;
    if (!atomic_load_explicit(asked, memory_order_relaxed))
        return;
    atomic_store_explicit(asked, false, memory_order_relaxed);
    for (unsigned i = 0; i < SHARED_AT_ONCE; i++) {
        entry = forget_ripe(ids, cursor);
        if (!entry)
            break;
        to_hand(ids, entry);
    }
    share_hoard(ids, cursor); /* last: forgetting has put draws into the stash */
    note_hoard(ids, cursor);
}

/* Asks other contexts to share; returns the free slots that they hold. *ripe: some have ripe ids to
 * forget. */
static uint64_t ask_others(struct id_table *ids, const struct id_cursor *cursor, bool *ripe)
{
    uint64_t slots = 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        struct ctx_ids *other = &ids->contexts[i];
        uint32_t hoard = atomic_load_explicit(&other->hoard, memory_order_relaxed);
        bool has_ripe =
            atomic_load_explicit(&other->ripe_ms, memory_order_relaxed) <= cursor->now_ms;
        if (i == cursor->ctx || (hoard == 0 && !has_ripe))
            continue;
        atomic_store_explicit(&other->asked, true, memory_order_relaxed);
        slots += hoard;
        *ripe |= has_ripe;
    }
    return slots;
}

/* Why `missing` more slots were not found. */
static enum entry_found why_none(struct id_table *ids, const struct id_cursor *cursor,
                                 uint64_t missing)
{
    const struct ctx_ids *own = &ids->contexts[cursor->ctx];
    bool ripe = atomic_load_explicit(&own->ripe_ms, memory_order_relaxed) <= cursor->now_ms;
    uint64_t slots = ask_others(ids, cursor, &ripe) + id_table_free(ids) +
                     (uint64_t)__builtin_popcountll(cursor->candidates);
    if (ripe || slots >= missing)
        return ENTRY_BUSY;
    bool young = ids->remember_ms > 0 && id_table_remembered(ids) > 0;
    return young ? ENTRY_TABLE_YOUNG : ENTRY_TABLE_FULL;
}

enum entry_found slots_why_none(struct id_table *ids, const struct id_cursor *cursor)
{
    return why_none(ids, cursor, 1);
}

/* ---- slots for an order ---- */

enum entry_found slots_prepare(struct id_table *ids, struct id_cursor *cursor, uint32_t count)
{
    while (cursor->prepared_count < count) {
        struct id_entry *slot = slots_take(ids, cursor);
        if (!slot) {
            enum entry_found why = why_none(ids, cursor, count - cursor->prepared_count);
            slots_unprepare(ids, cursor);
            return why;
        }
        slot->ended_next = cursor->prepared;
        cursor->prepared = entry_number(ids, slot) + 1;
        cursor->prepared_count++;
    }
    return ENTRY_ABSENT;
}

static struct id_entry *from_prepared(struct id_table *ids, struct id_cursor *cursor)
{
    if (cursor->prepared_count == 0)
        return NULL;
    struct id_entry *entry = entry_at(ids, cursor->prepared - 1);
    cursor->prepared = entry->ended_next;
    cursor->prepared_count--;
    entry->ended_next = 0;
    return entry;
}

void slots_unprepare(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *entry;
    while ((entry = from_prepared(ids, cursor)) != NULL)
        slots_give_back(ids, cursor, entry);
}

struct draws_entry *slots_take_draws(struct id_table *ids, struct id_cursor *cursor)
{
    struct id_entry *slot = from_prepared(ids, cursor);
    if (!slot)
        slot = slots_take(ids, cursor);
    if (!slot)
        return NULL;
    struct draws_entry *draws = (struct draws_entry *)(void *)slot;
    draws->next = 0;
    atomic_store_explicit(&draws->state, state_word(ENTRY_DRAWS, STATE_NONE, 0) | STATE_BUSY,
                          memory_order_relaxed);
    memset(draws->draws, 0, sizeof draws->draws);
    return draws;
}

/* ---- starting ---- */

void slots_resume(struct id_table *ids, struct id_cursor *cursor, uint32_t number)
{
    assert(number <= ids->max);
    assert(cursor->candidates == 0);
    atomic_store_explicit(&ids->hand, (number + CHUNK - 1) / CHUNK, memory_order_relaxed);
}

void id_table_started(struct id_table *ids, uint64_t last_ms, uint64_t now_ms)
{
    ids->started_ms = now_ms;
    ids->downtime_ms = now_ms > last_ms ? now_ms - last_ms : 0;
    for (unsigned i = 0; i < CONTEXTS_MAX; i++) {
        struct ctx_ids *own = &ids->contexts[i];
        if (own->first != 0)
            atomic_store(&own->ripe_ms, ripe_at(ids, entry_at(ids, own->first - 1)));
    }
}
