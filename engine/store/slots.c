/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/slots.h"

#include <assert.h>
#include <string.h>

#include "engine/base/memory.h"

enum { CHUNK = 64, STASH_MOST = 64, SHARED_AT_ONCE = 256 };

static struct seat_ids *ids_of(struct entries *entries, const struct entry_cursor *cursor)
{
    return &entries->seats[cursor->seat];
}

/* A figure that only its seat writes. */
static void change(_Atomic uint64_t *figure, uint64_t by)
{
    uint64_t now = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, now + by, memory_order_relaxed);
}

static void fetch_entry(const struct entry *entry)
{
    memory_fetch(entry);
    memory_fetch((const char *)entry + 64);
}

/* ---- free and taken ---- */

void slots_release(struct entries *entries, const struct entry *entry)
{
    uint32_t number = entry_number(entries, entry);
    uint64_t bit = UINT64_C(1) << number % CHUNK;
    uint64_t before =
        atomic_fetch_and_explicit(&entries->taken[number / CHUNK].bits, ~bit, memory_order_relaxed);
    if (before & bit)
        atomic_fetch_add_explicit(&entries->free, 1, memory_order_relaxed);
}

bool slots_keep(struct entries *entries, uint32_t number)
{
    uint64_t bit = UINT64_C(1) << number % CHUNK;
    uint64_t before =
        atomic_fetch_or_explicit(&entries->taken[number / CHUNK].bits, bit, memory_order_relaxed);
    if (before & bit)
        return false;
    atomic_fetch_sub_explicit(&entries->free, 1, memory_order_relaxed);
    return true;
}

/* How many bits are clear. A release counts after it has cleared, so it may seem to be less than
 * none for a moment. */
uint64_t entries_free(const struct entries *entries)
{
    uint64_t free = atomic_load_explicit(&entries->free, memory_order_relaxed);
    return (int64_t)free > 0 ? free : 0;
}

/* Takes all free slots of a chunk. */
static uint64_t take_chunk(struct entries *entries, uint32_t chunk)
{
    _Atomic uint64_t *bits = &entries->taken[chunk].bits;
    if (atomic_load_explicit(bits, memory_order_relaxed) == UINT64_MAX)
        return 0;
    uint64_t mine = ~atomic_fetch_or_explicit(bits, UINT64_MAX, memory_order_relaxed);
    atomic_fetch_sub_explicit(&entries->free, (uint64_t)__builtin_popcountll(mine),
                              memory_order_relaxed);
    return mine;
}

/* The hand goes on until it has taken something, at most so many chunks. */
static bool next_chunk(struct entries *entries, struct entry_cursor *cursor, uint32_t *most)
{
    while (*most > 0 && entries_free(entries) > 0) {
        uint64_t hand = atomic_fetch_add_explicit(&entries->hand, 1, memory_order_relaxed);
        cursor->chunk = (uint32_t)(hand % entries->chunk_count);
        cursor->candidates = take_chunk(entries, cursor->chunk);
        (*most)--;
        if (cursor->candidates != 0)
            return true;
    }
    return false;
}

/* An entry that the caller owns stands for nothing from here on; ownership stays. */
static struct entry *blank(struct entry *entry)
{
    atomic_store_explicit(&entry->state, state_word(ENTRY_FREE, STATE_NONE, 0) | STATE_BUSY,
                          memory_order_relaxed);
    return entry;
}

enum tried { TRIED_MINE, TRIED_LIVE, TRIED_BUSY };

/* One slot of a chunk that this seat took. LIVE: it was a tombstone that has come to life. BUSY: to
 * be tried again: somebody looks at a tombstone, or is about to bring it to life. */
static enum tried try_slot(struct entries *entries, struct entry *entry)
{
    uint64_t word;
    if (!entry_take(entry, &word))
        return TRIED_BUSY;
    bool stone = word_kind(word) == ENTRY_REFUSED;
    if (word_kind(word) == ENTRY_FREE || (stone && entry_unindex(entries, entry, word))) {
        blank(entry);
        return TRIED_MINE;
    }
    entry_put(entry, word);
    return stone ? TRIED_BUSY : TRIED_LIVE;
}

static struct entry *from_chunk(struct entries *entries, struct entry_cursor *cursor)
{
    for (uint64_t left = cursor->candidates; left != 0; left &= left - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(left);
        struct entry *entry = entry_at(entries, cursor->chunk * CHUNK + bit);
        if ((left & (left - 1)) != 0) /* mostly the next one in memory */
            fetch_entry(entry + 1);
        enum tried tried = try_slot(entries, entry);
        if (tried != TRIED_BUSY)
            cursor->candidates &= ~(UINT64_C(1) << bit);
        if (tried == TRIED_MINE)
            return entry;
    }
    return NULL;
}

/* Goes round the table once at most. Slots that are busy keep it where it is: they are this seat's,
 * and are free again in a moment. */
static struct entry *from_hand(struct entries *entries, struct entry_cursor *cursor)
{
    uint32_t most = entries->chunk_count + 1;
    for (;;) {
        struct entry *entry = from_chunk(entries, cursor);
        if (entry || cursor->candidates != 0 || !next_chunk(entries, cursor, &most))
            return entry;
    }
}

/* ---- the stash ---- */

static struct entry *from_stash(struct entries *entries, struct entry_cursor *cursor)
{
    if (cursor->stash == 0)
        return NULL;
    struct entry *entry = entry_at(entries, cursor->stash - 1);
    cursor->stash = entry->ended_next;
    entry->ended_next = 0;
    cursor->stash_count--;
    return entry;
}

/* Lets the hand have an owned slot that stands for nothing. */
static void to_hand(struct entries *entries, struct entry *entry)
{
    entry_put(entry, state_word(ENTRY_FREE, STATE_NONE, 0));
    slots_release(entries, entry);
}

/* In the stash a slot stays busy: nobody else has a way to it. What does not fit is for all. */
static void to_stash(struct entries *entries, struct entry_cursor *cursor, struct entry *entry)
{
    if (cursor->stash_count == STASH_MOST) {
        to_hand(entries, entry);
        return;
    }
    cursor->stash_count++;
    entry->ended_next = cursor->stash;
    cursor->stash = entry_number(entries, entry) + 1;
}

/* Draws lay where an entry has its links. */
static void clear_links(struct entry *entry)
{
    entry->wheel_next = entry->wheel_prev = 0;
    entry->owner = NO_OWNER;
    entry->mail_next = 0;
    entry->mailed = false;
}

void slots_free_draws(struct entries *entries, struct entry_cursor *cursor, uint32_t more)
{
    while (more != 0) {
        struct entry *entry = entry_at(entries, more - 1);
        more = ((struct draws_entry *)(void *)entry)->next;
        clear_links(entry);
        to_stash(entries, cursor, blank(entry));
    }
}

/* ---- ended ids ---- */

static uint64_t ripe_at(const struct entries *entries, const struct entry *entry)
{
    if (entries->remember_ms == 0) /* at once, also for a seat whose turn began before */
        return 0;
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_relaxed);
    uint64_t ended = entry_ended_ms(entry, word);
    uint64_t down = ended < entries->started_ms ? entries->downtime_ms : 0;
    return ended + down + entries->remember_ms;
}

static void append(struct entries *entries, struct entry_cursor *cursor, struct entry *entry)
{
    struct seat_ids *ids = ids_of(entries, cursor);
    uint32_t link = entry_number(entries, entry) + 1;
    assert(entry->owner == NO_OWNER);
    entry->ended_next = 0;
    entry->ended_prev = ids->last;
    if (ids->last != 0) {
        entry_at(entries, ids->last - 1)->ended_next = link;
    } else {
        ids->first = link;
        atomic_store_explicit(&ids->ripe_ms, ripe_at(entries, entry), memory_order_relaxed);
    }
    ids->last = link;
    change(&ids->remembered, 1);
}

void slots_end(struct entries *entries, struct entry_cursor *cursor, struct entry *entry,
               uint64_t word)
{
    if (word_kind(word) == ENTRY_RESERVATION)
        entry->ended_ms = cursor->now_ms;
    else
        entry->done_ms = cursor->now_ms;
    /* For ripe_at, which looks at its kind; the caller shows the rest. */
    atomic_store_explicit(&entry->state, word | STATE_BUSY, memory_order_relaxed);
    append(entries, cursor, entry);
    if (word_kind(word) == ENTRY_RESERVATION)
        change(&ids_of(entries, cursor)->live, (uint64_t)-1);
    else
        change(&ids_of(entries, cursor)->added, 1);
}

void slots_begin(struct entries *entries, const struct entry_cursor *cursor)
{
    change(&ids_of(entries, cursor)->live, 1);
    change(&ids_of(entries, cursor)->added, 1);
}

void slots_end_loaded(struct entries *entries, struct entry_cursor *cursor, struct entry *entry)
{
    append(entries, cursor, entry);
}

void slots_unend(struct entries *entries, struct entry_cursor *cursor, struct entry *entry)
{
    struct seat_ids *ids = ids_of(entries, cursor);
    uint32_t next = entry->ended_next, prev = entry->ended_prev;
    if (prev != 0)
        entry_at(entries, prev - 1)->ended_next = next;
    else
        ids->first = next;
    if (next != 0)
        entry_at(entries, next - 1)->ended_prev = prev;
    else
        ids->last = prev;
    entry->ended_next = entry->ended_prev = 0;
    change(&ids->remembered, (uint64_t)-1);
    /* What `ripe_ms` says of the one before holds for those behind it, who ended later. */
    if (ids->first == 0)
        atomic_store_explicit(&ids->ripe_ms, UINT64_MAX, memory_order_relaxed);
}

void entries_note_forgotten(struct entries *entries, uint64_t ended_ms)
{
    uint64_t before = atomic_load_explicit(&entries->forgotten_ms, memory_order_relaxed);
    while (before < ended_ms &&
           !atomic_compare_exchange_weak_explicit(&entries->forgotten_ms, &before, ended_ms,
                                                  memory_order_relaxed, memory_order_relaxed)) {
        /* another seat forgot one meanwhile */
    }
}

/* Fetches what forgetting the next ones will touch: their slots, then their buckets. */
static void peek(const struct entries *entries, const struct entry *first)
{
    if (first->ended_next == 0)
        return;
    const struct entry *next = entry_at(entries, first->ended_next - 1);
    uint64_t word = atomic_load_explicit(&next->state, memory_order_relaxed);
    entries_prefetch_bucket(entries, id_hash(entries, entry_id(next, word)));
    if (next->ended_next != 0)
        fetch_entry(entry_at(entries, next->ended_next - 1));
}

/* May the first of the queue be forgotten? If not, notes when it may. */
static bool is_ripe(struct entries *entries, const struct entry_cursor *cursor,
                    const struct entry *first)
{
    uint64_t at = ripe_at(entries, first);
    if (at <= cursor->now_ms)
        return true;
    atomic_store_explicit(&ids_of(entries, cursor)->ripe_ms, at, memory_order_relaxed);
    return false;
}

/* Forgets the oldest of the queue, ripe or not: its slot, busy. NULL: something is in the way. */
static struct entry *forget(struct entries *entries, struct entry_cursor *cursor,
                            struct entry *entry)
{
    uint64_t word;
    peek(entries, entry);
    if (!entry_take(entry, &word))
        return NULL;
    assert(word_kind(word) != ENTRY_RESERVATION || state_final(word_state(word)));
    entries_note_forgotten(entries, entry_ended_ms(entry, word)); /* before it is gone */
    if (entry->mailed || !entry_unindex(entries, entry, word)) {
        entry_put(entry, word); /* its letter has yet to be read, or its bucket is busy */
        return NULL;
    }
    slots_unend(entries, cursor, entry);
    if (word_kind(word) == ENTRY_RESERVATION && draw_blocks(entry->draw_count, entry->timed) > 0)
        slots_free_draws(entries, cursor, entry->more);
    return blank(entry);
}

static struct entry *oldest(const struct entries *entries, const struct entry_cursor *cursor)
{
    uint32_t first = entries->seats[cursor->seat].first;
    return first ? entry_at(entries, first - 1) : NULL;
}

static struct entry *forget_ripe(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *first = oldest(entries, cursor);
    return first && is_ripe(entries, cursor, first) ? forget(entries, cursor, first) : NULL;
}

/* The past happened: where the table is smaller than it was then, the oldest has to go. */
static struct entry *forget_early(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *first = oldest(entries, cursor);
    if (first)
        cursor->early += !is_ripe(entries, cursor, first);
    return first ? forget(entries, cursor, first) : NULL;
}

/* ---- taking one ---- */

static struct entry *find_slot(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *slot = from_stash(entries, cursor);
    bool plenty = cursor->candidates != 0 || entries_free(entries) >= entries->chunk_count;
    if (!slot && plenty)
        slot = from_hand(entries, cursor);
    if (!slot && !cursor->replaying)
        slot = forget_ripe(entries, cursor);
    if (!slot)
        slot = from_hand(entries, cursor);
    if (!slot && cursor->replaying)
        slot = forget_early(entries, cursor);
    return slot;
}

/* Says what other seats could do with of what this one has. */
static void note_hoard(struct entries *entries, const struct entry_cursor *cursor)
{
    _Atomic uint32_t *hoard = &ids_of(entries, cursor)->hoard;
    uint32_t now = cursor->stash_count + (cursor->spare != NULL) +
                   (uint32_t)__builtin_popcountll(cursor->candidates);
    if (now != atomic_load_explicit(hoard, memory_order_relaxed))
        atomic_store_explicit(hoard, now, memory_order_relaxed);
}

struct entry *slots_take(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *slot = cursor->spare;
    cursor->spare = NULL;
    if (!slot)
        slot = find_slot(entries, cursor);
    note_hoard(entries, cursor);
    return slot;
}

void slots_give_back(struct entries *entries, struct entry_cursor *cursor, struct entry *entry)
{
    blank(entry);
    if (!cursor->spare)
        cursor->spare = entry;
    else
        to_stash(entries, cursor, entry);
    note_hoard(entries, cursor);
}

/* ---- sharing ---- */

/* All that the seat has and does not use. */
static void share_hoard(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *entry;
    if (cursor->spare)
        to_hand(entries, cursor->spare);
    cursor->spare = NULL;
    while ((entry = from_stash(entries, cursor)) != NULL)
        to_hand(entries, entry);
    for (; cursor->candidates != 0; cursor->candidates &= cursor->candidates - 1)
        slots_release(entries, entry_at(entries, cursor->chunk * CHUNK + (uint32_t)__builtin_ctzll(
                                                                             cursor->candidates)));
}

void slots_share(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *entry;
    _Atomic bool *asked = &ids_of(entries, cursor)->asked;
    if (!atomic_load_explicit(asked, memory_order_relaxed))
        return;
    atomic_store_explicit(asked, false, memory_order_relaxed);
    for (unsigned i = 0; i < SHARED_AT_ONCE; i++) {
        entry = forget_ripe(entries, cursor);
        if (!entry)
            break;
        to_hand(entries, entry);
    }
    share_hoard(entries, cursor); /* afterwards: the draws of what was forgotten are in the stash */
    note_hoard(entries, cursor);
}

/* What others have, and have been asked to share. *ripe: some of it has yet to be forgotten. */
static uint64_t ask_others(struct entries *entries, const struct entry_cursor *cursor, bool *ripe)
{
    uint64_t slots = 0;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct seat_ids *other = &entries->seats[i];
        uint32_t hoard = atomic_load_explicit(&other->hoard, memory_order_relaxed);
        bool has_ripe =
            atomic_load_explicit(&other->ripe_ms, memory_order_relaxed) <= cursor->now_ms;
        if (i == cursor->seat || (hoard == 0 && !has_ripe))
            continue;
        atomic_store_explicit(&other->asked, true, memory_order_relaxed);
        slots += hoard;
        *ripe |= has_ripe;
    }
    return slots;
}

/* Why `missing` slots more were not found. */
static enum entry_found why_none(struct entries *entries, const struct entry_cursor *cursor,
                                 uint64_t missing)
{
    const struct seat_ids *own = &entries->seats[cursor->seat];
    bool ripe = atomic_load_explicit(&own->ripe_ms, memory_order_relaxed) <= cursor->now_ms;
    uint64_t slots = ask_others(entries, cursor, &ripe) + entries_free(entries) +
                     (uint64_t)__builtin_popcountll(cursor->candidates);
    if (ripe || slots >= missing)
        return ENTRY_UNDECIDED;
    bool young = entries->remember_ms > 0 && entries_remembered(entries) > 0;
    return young ? ENTRY_TABLE_YOUNG : ENTRY_TABLE_FULL;
}

enum entry_found slots_why_none(struct entries *entries, const struct entry_cursor *cursor)
{
    return why_none(entries, cursor, 1);
}

/* ---- slots for an order ---- */

enum entry_found slots_prepare(struct entries *entries, struct entry_cursor *cursor, uint32_t count)
{
    while (cursor->prepared_count < count) {
        struct entry *slot = slots_take(entries, cursor);
        if (!slot) {
            enum entry_found why = why_none(entries, cursor, count - cursor->prepared_count);
            slots_unprepare(entries, cursor);
            return why;
        }
        slot->ended_next = cursor->prepared;
        cursor->prepared = entry_number(entries, slot) + 1;
        cursor->prepared_count++;
    }
    return ENTRY_ABSENT;
}

static struct entry *from_prepared(struct entries *entries, struct entry_cursor *cursor)
{
    if (cursor->prepared_count == 0)
        return NULL;
    struct entry *entry = entry_at(entries, cursor->prepared - 1);
    cursor->prepared = entry->ended_next;
    cursor->prepared_count--;
    entry->ended_next = 0;
    return entry;
}

void slots_unprepare(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *entry;
    while ((entry = from_prepared(entries, cursor)) != NULL)
        slots_give_back(entries, cursor, entry);
}

struct draws_entry *slots_take_draws(struct entries *entries, struct entry_cursor *cursor)
{
    struct entry *slot = from_prepared(entries, cursor);
    if (!slot)
        slot = slots_take(entries, cursor);
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

void slots_resume(struct entries *entries, struct entry_cursor *cursor, uint32_t number)
{
    assert(number <= entries->max);
    assert(cursor->candidates == 0);
    atomic_store_explicit(&entries->hand, (number + CHUNK - 1) / CHUNK, memory_order_relaxed);
}

void entries_started(struct entries *entries, uint64_t last_ms, uint64_t now_ms)
{
    entries->started_ms = now_ms;
    entries->downtime_ms = now_ms > last_ms ? now_ms - last_ms : 0;
    for (unsigned i = 0; i < SEATS_MAX; i++) {
        struct seat_ids *ids = &entries->seats[i];
        if (ids->first != 0)
            atomic_store(&ids->ripe_ms, ripe_at(entries, entry_at(entries, ids->first - 1)));
    }
}
