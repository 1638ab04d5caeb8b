/* SPDX-License-Identifier: Apache-2.0 */
/* The table of ids: the state machine, the index, slots and what is remembered in them, draws. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/slots.h"

static struct entries entries;
static struct entry_cursor cursor;

static void set_up_remembering(uint32_t max, uint64_t remember_ms)
{
    cursor = (struct entry_cursor){ .now_ms = 1000 };
    cr_assert_eq(entries_init(&entries, max, remember_ms, 42), 0);
}

/* What has ended may be forgotten at once, if there is no room. */
static void set_up(uint32_t max)
{
    set_up_remembering(max, 0);
}

static struct text name_of(char buffer[ID_MAX], uint64_t number)
{
    return (struct text){ buffer,
                          (uint32_t)snprintf(buffer, ID_MAX, "%llu", (unsigned long long)number) };
}

static enum entry_found add_at(struct entry_cursor *at, struct text id, struct entry **entry,
                               uint64_t *word)
{
    enum entry_found found = entries_add(&entries, at, id, id_hash(&entries, id), entry, word);
    return found == ENTRY_NO_SLOT ? slots_why_none(&entries, at) : found;
}

static enum entry_found add(struct text id, struct entry **entry, uint64_t *word)
{
    return add_at(&cursor, id, entry, word);
}

static enum entry_found find(struct text id, struct entry **entry, uint64_t *word)
{
    return entries_find(&entries, id, id_hash(&entries, id), entry, word);
}

static void end(struct entry *entry, uint64_t word)
{
    slots_end(&entries, &cursor, entry, word);
    entry_put(entry, word);
}

/* A done movement: remembered until its slot is reused. */
static struct entry *add_finished(struct text id)
{
    struct entry *entry;
    uint64_t word;
    cr_assert_eq(add(id, &entry, &word), ENTRY_ABSENT);
    end(entry, state_word(ENTRY_MOVEMENT, STATE_NONE, id.len));
    return entry;
}

/* A live reservation. */
static struct entry *add_live(struct text id)
{
    struct entry *entry;
    uint64_t word;
    cr_assert_eq(add(id, &entry, &word), ENTRY_ABSENT);
    entry->draw_count = 1;
    slots_begin(&entries, &cursor);
    entry_put(entry, state_word(ENTRY_RESERVATION, STATE_CONFIRMED, id.len));
    return entry;
}

static void end_live(struct entry *entry)
{
    uint64_t word;
    cr_assert(entry_take(entry, &word));
    end(entry, state_word(ENTRY_RESERVATION, STATE_CANCELLED, word_id_len(word)));
}

static bool remembered(struct text id)
{
    struct entry *entry;
    uint64_t word;
    enum entry_found found = find(id, &entry, &word);
    cr_assert_neq(found, ENTRY_UNDECIDED);
    if (found == ENTRY_FOUND)
        entry_put(entry, word);
    return found == ENTRY_FOUND;
}

/* ---- states ---- */

Test(entry, states_follow_each_other_as_documented)
{
    static const char *const allowed[STATE_COUNT] = {
        /* to: none held confirmed fulfilled cancelled expired */
        [STATE_NONE] = "011000",      [STATE_HELD] = "011011",      [STATE_CONFIRMED] = "001110",
        [STATE_FULFILLED] = "000000", [STATE_CANCELLED] = "000000", [STATE_EXPIRED] = "000000",
    };
    for (int from = 0; from < STATE_COUNT; from++)
        for (int to = 0; to < STATE_COUNT; to++)
            cr_assert_eq(state_may_become((enum entry_state)from, (enum entry_state)to),
                         allowed[from][to] == '1', "%s to %s", state_name((enum entry_state)from),
                         state_name((enum entry_state)to));
    for (int state = STATE_HELD; state < STATE_COUNT; state++)
        cr_assert_eq(state_final((enum entry_state)state), state >= STATE_FULFILLED);
}

Test(entry, the_state_word_holds_its_parts)
{
    uint64_t word = state_word(ENTRY_RESERVATION, STATE_EXPIRED, ID_MAX);
    word = word_with_last(word, 255);
    cr_assert_eq(word_kind(word), ENTRY_RESERVATION);
    cr_assert_eq(word_state(word), STATE_EXPIRED);
    cr_assert_eq(word_id_len(word), ID_MAX);
    cr_assert_eq(word_last(word), 255);
    cr_assert_eq(word_last(word_with_last(word, 1)), 1);
    cr_assert_not(word & STATE_BUSY);
}

Test(entry, one_owner_at_a_time)
{
    struct entry entry = { 0 };
    uint64_t word, other;
    atomic_store(&entry.state, state_word(ENTRY_RESERVATION, STATE_HELD, 3));
    cr_assert(entry_take(&entry, &word));
    cr_assert_not(word & STATE_BUSY);
    cr_assert_not(entry_take(&entry, &other));
    entry_put(&entry, state_word(ENTRY_RESERVATION, STATE_CONFIRMED, 3));
    cr_assert(entry_take(&entry, &other));
    cr_assert_eq(word_state(other), STATE_CONFIRMED);
}

/* ---- the index ---- */

Test(entry, takes_no_size_that_its_words_cannot_hold)
{
    cr_assert_eq(entries_init(&entries, 0, 0, 1), -EINVAL);
    cr_assert_eq(entries_init(&entries, UINT32_MAX, 0, 1), -EINVAL);
}

/* With four ids to a bucket an add finds no place now and then, though there are free slots. */
Test(entry, there_are_buckets_enough)
{
    const uint32_t sizes[] = { 1, 64, 65, 4096, 100000, 262144, 4000000 };
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_assert_eq(entries_init(&entries, sizes[i], 0, 1), 0);
        cr_assert_geq(3 * (uint64_t)entries.bucket_count, entries.max);
        cr_assert_geq(entries.max, sizes[i]);
        entries_destroy(&entries);
    }
}

Test(entry, an_id_is_added_once)
{
    struct entry *entry, *again;
    uint64_t word;
    set_up(64);
    cr_assert_eq(find(text_of("a"), &entry, &word), ENTRY_ABSENT);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    cr_assert_eq(add(text_of("a"), &again, &word), ENTRY_UNDECIDED, "it is busy");
    cr_assert_eq(find(text_of("a"), &again, &word), ENTRY_UNDECIDED);
    entry_put(entry, state_word(ENTRY_MOVEMENT, STATE_NONE, 1));
    cr_assert_eq(add(text_of("a"), &again, &word), ENTRY_FOUND);
    cr_assert_eq(again, entry);
    cr_assert_eq(word_kind(word), ENTRY_MOVEMENT);
    entry_put(again, word);
    cr_assert_eq(find(text_of("b"), &again, &word), ENTRY_ABSENT);
    entries_destroy(&entries);
}

Test(entry, a_refused_id_leaves_nothing)
{
    struct entry *entry, *again;
    uint64_t word;
    set_up(64);
    for (unsigned i = 0; i < 1000; i++) {
        char buffer[ID_MAX];
        cr_assert_eq(add(name_of(buffer, i), &entry, &word), ENTRY_ABSENT);
        entry_refuse(&entries, &cursor, entry, word);
        cr_assert_not(remembered(name_of(buffer, i)));
    }
    cr_assert_eq(entries_remembered(&entries), 0);
    cr_assert_eq(entries_used(&entries), 64, "all of them had one slot");
    cr_assert_eq(add(text_of("a"), &again, &word), ENTRY_ABSENT);
    cr_assert_eq(again, entry, "in the same slot");
    entries_destroy(&entries);
}

/* Another seat is at its bucket, so that the id cannot be taken out of the index at once. */
Test(entry, a_refused_id_whose_bucket_is_busy_is_a_tombstone)
{
    struct entry *entry, *again;
    uint64_t word;
    set_up(64);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    struct bucket *home = &entries.buckets[entries_home(&entries, id_hash(&entries, text_of("a")))];
    atomic_fetch_or(&home->head, 1);
    entry_refuse(&entries, &cursor, entry, word);
    atomic_fetch_and(&home->head, ~UINT64_C(1));
    cr_assert(remembered(text_of("a")), "its word is still in the index");
    cr_assert_eq(add(text_of("a"), &again, &word), ENTRY_ABSENT, "and it is free all the same");
    cr_assert_eq(again, entry);
    entry_put(again, state_word(ENTRY_RESERVATION, STATE_HELD, 1));
    /* It came to life: nothing reuses its slot. */
    char buffer[ID_MAX];
    for (uint64_t i = 0; i < 1000; i++)
        add_finished(name_of(buffer, i));
    cr_assert(remembered(text_of("a")));
    entries_destroy(&entries);
}

Test(entry, the_slot_of_a_tombstone_is_found_by_the_hand)
{
    struct entry *entry;
    uint64_t word;
    char buffer[ID_MAX];
    set_up(64);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    struct bucket *home = &entries.buckets[entries_home(&entries, id_hash(&entries, text_of("a")))];
    atomic_fetch_or(&home->head, 1);
    entry_refuse(&entries, &cursor, entry, word);
    atomic_fetch_and(&home->head, ~UINT64_C(1));
    for (uint64_t i = 0; i < 64; i++)
        add_live(name_of(buffer, i));
    cr_assert_not(remembered(text_of("a")));
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_TABLE_FULL);
    entries_destroy(&entries);
}

Test(entry, a_busy_home_bucket_is_in_the_way)
{
    struct entry *entry;
    uint64_t word;
    set_up(64);
    uint64_t hash = id_hash(&entries, text_of("a"));
    struct bucket *home = &entries.buckets[entries_home(&entries, hash)];
    atomic_store(&home->head, 1);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_UNDECIDED);
    cr_assert_eq(find(text_of("a"), &entry, &word), ENTRY_ABSENT, "reading needs no bucket");
    atomic_store(&home->head, 0);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    entries_destroy(&entries);
}

/* The n-th id whose home is that bucket. */
static uint64_t colliding(uint32_t bucket, uint64_t after)
{
    char buffer[ID_MAX];
    for (uint64_t i = after + 1;; i++)
        if (entries_home(&entries, id_hash(&entries, name_of(buffer, i))) == bucket)
            return i;
}

enum { HOME = 5, REACH = 16 * 7 }; /* buckets that an id may stray to, and their words */

static uint64_t strays_of(uint32_t bucket)
{
    return atomic_load(&entries.buckets[bucket].head);
}

Test(entry, ids_of_one_bucket_stray_into_the_next_and_are_found)
{
    uint64_t numbers[REACH + 1], last = 0;
    char buffer[ID_MAX];
    struct entry *entry;
    uint64_t word;
    set_up(4096);
    for (unsigned i = 0; i <= REACH; i++)
        numbers[i] = last = colliding(HOME, last);
    for (unsigned i = 0; i < REACH; i++)
        add_finished(name_of(buffer, numbers[i]));
    for (unsigned i = 0; i < REACH; i++)
        cr_assert(remembered(name_of(buffer, numbers[i])), "%u", i);
    cr_assert_eq(add(name_of(buffer, numbers[REACH]), &entry, &word), ENTRY_TABLE_FULL,
                 "there is no place left for it");
    cr_assert_neq(strays_of(HOME), 0);

    /* One of another home finds no place in its own bucket either, and goes on. */
    uint64_t neighbour = colliding(HOME + 1, 0);
    add_finished(name_of(buffer, neighbour));
    cr_assert(remembered(name_of(buffer, neighbour)));
    entries_destroy(&entries);
}

Test(entry, what_strayed_is_forgotten_without_a_trace)
{
    uint64_t last = 0;
    char buffer[ID_MAX];
    set_up(1024);
    for (unsigned i = 0; i < REACH / 4; i++)
        add_finished(name_of(buffer, last = colliding(HOME, last)));
    /* So many others that the hand has gone round. */
    for (uint64_t i = 0; i < 2048; i++)
        add_finished(name_of(buffer, (UINT64_C(1) << 40) + i));
    unsigned words = 0;
    for (uint32_t b = 0; b < entries.bucket_count; b++) {
        unsigned strays = 0;
        for (unsigned d = 1; d < 16; d++)
            strays += (unsigned)(strays_of(b) >> (4 * d) & 0xf);
        cr_assert_leq(strays, 8, "bucket %u", b);
        for (unsigned i = 0; i < 7; i++)
            words += atomic_load(&entries.buckets[b].words[i]) != 0;
    }
    cr_assert_leq(words, 1024, "no word is left over");
    last = 0;
    for (unsigned i = 0; i < REACH / 4; i++)
        cr_assert_not(remembered(name_of(buffer, last = colliding(HOME, last))));
    entries_destroy(&entries);
}

Test(entry, a_full_table_finds_all_of_its_ids)
{
    enum { COUNT = 4096 };
    char buffer[ID_MAX];
    struct entry *entry;
    uint64_t word;
    set_up(COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        add_live(name_of(buffer, i));
    cr_assert_eq(add(text_of("one more"), &entry, &word), ENTRY_TABLE_FULL);
    cr_assert_eq(entries_live(&entries), COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        cr_assert(remembered(name_of(buffer, i)));
    cr_assert_eq(add(name_of(buffer, 17), &entry, &word), ENTRY_FOUND, "a full table finds ids");
    entry_put(entry, word);
    entries_destroy(&entries);
}

/* ---- what is remembered, and for how long ---- */

Test(entry, the_oldest_are_forgotten_first_and_only_for_want_of_room)
{
    enum { COUNT = 256 };
    char buffer[ID_MAX];
    set_up(COUNT);
    for (uint64_t i = 0; i < 5 * COUNT; i++) {
        cursor.now_ms = i;
        add_finished(name_of(buffer, i));
        uint64_t first = i + 1 > COUNT ? i + 1 - COUNT : 0;
        cr_assert(remembered(name_of(buffer, first)), "%llu of %llu", (unsigned long long)first,
                  (unsigned long long)i);
        cr_assert(first == 0 || !remembered(name_of(buffer, first - 1)));
        cr_assert_eq(entries_remembered(&entries), i + 1 - first);
        cr_assert(first == 0 || entries_forgotten_ms(&entries) == first - 1);
    }
    entries_destroy(&entries);
}

/* What counts is when it ended, not when it began. */
Test(entry, a_long_life_is_remembered_from_its_end)
{
    char buffer[ID_MAX];
    set_up(64);
    struct entry *old = add_live(text_of("old"));
    for (uint64_t i = 0; i < 200; i++)
        add_finished(name_of(buffer, i));
    end_live(old);
    for (uint64_t i = 200; i < 263; i++)
        add_finished(name_of(buffer, i));
    cr_assert(remembered(text_of("old")));
    add_finished(name_of(buffer, 263));
    cr_assert_not(remembered(text_of("old")));
    entries_destroy(&entries);
}

Test(entry, nothing_is_forgotten_before_its_time)
{
    enum { COUNT = 128, REMEMBER = 5000 };
    char buffer[ID_MAX];
    struct entry *entry;
    uint64_t word;
    set_up_remembering(COUNT, REMEMBER);
    cr_assert_eq(entries_ripe_ms(&entries), UINT64_MAX);
    for (uint64_t i = 0; i < COUNT; i++) {
        cursor.now_ms = 1000 + i;
        add_finished(name_of(buffer, i));
    }
    cr_assert_eq(entries_ripe_ms(&entries), 1000 + REMEMBER);
    for (unsigned times = 0; times < 100; times++)
        cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_TABLE_YOUNG);
    cr_assert_eq(add(name_of(buffer, 5), &entry, &word), ENTRY_FOUND, "what is there is found");
    entry_put(entry, word);
    cursor.now_ms = 1000 + REMEMBER - 1;
    cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_TABLE_YOUNG);
    cursor.now_ms = 1000 + REMEMBER;
    add_finished(text_of("more"));
    cr_assert_not(remembered(name_of(buffer, 0)));
    cr_assert(remembered(name_of(buffer, 1)));
    cr_assert_eq(add(text_of("another"), &entry, &word), ENTRY_TABLE_YOUNG, "one was ripe");
    cr_assert_eq(entries_forgotten_ms(&entries), 1000);
    entries_destroy(&entries);
}

/* A client that could not reach a stopped engine still finds its first result. */
Test(entry, the_time_that_the_engine_was_down_does_not_count)
{
    struct entry *entry;
    uint64_t word;
    char buffer[ID_MAX];
    set_up_remembering(64, 5000);
    for (uint64_t i = 0; i < 64; i++)
        add_finished(name_of(buffer, i)); /* at 1000 */
    entries_started(&entries, 1000, 60000);
    cursor.now_ms = 60000 + 4999;
    cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_TABLE_YOUNG);
    cursor.now_ms = 60000 + 5000;
    cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_ABSENT);
    entries_destroy(&entries);
}

/* When it is replayed, the past needs room whatever was promised. */
Test(entry, replay_forgets_early_rather_than_find_no_room)
{
    char buffer[ID_MAX];
    set_up_remembering(64, 5000);
    cursor.replaying = true;
    for (uint64_t i = 0; i < 100; i++)
        add_finished(name_of(buffer, i));
    cr_assert_eq(cursor.early, 36);
    cr_assert_not(remembered(name_of(buffer, 35)));
    cr_assert(remembered(name_of(buffer, 36)));
    entries_destroy(&entries);
}

Test(entry, an_id_that_ended_may_leave_the_queue_anywhere)
{
    enum { COUNT = 64 };
    struct entry *all[COUNT];
    char buffer[ID_MAX];
    const unsigned leaving[] = { 0, 63, 20, 21, 1, 62 };
    set_up(COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        all[i] = add_finished(name_of(buffer, i));
    for (unsigned i = 0; i < sizeof leaving / sizeof leaving[0]; i++) {
        uint64_t word;
        cr_assert(entry_take(all[leaving[i]], &word));
        slots_unend(&entries, &cursor, all[leaving[i]]);
        entry_put(all[leaving[i]], state_word(ENTRY_RESERVATION, STATE_HELD, word_id_len(word)));
    }
    cr_assert_eq(entries_remembered(&entries), COUNT - 6);
    for (uint64_t i = 0; i < 500; i++)
        add_finished(name_of(buffer, COUNT + i));
    for (unsigned i = 0; i < sizeof leaving / sizeof leaving[0]; i++)
        cr_assert(remembered(name_of(buffer, leaving[i])));
    cr_assert_not(remembered(name_of(buffer, 22)));
    entries_destroy(&entries);
}

Test(entry, a_letter_on_its_way_keeps_the_slot)
{
    char buffer[ID_MAX];
    struct entry *entry;
    uint64_t word;
    set_up(64);
    struct entry *mailed = add_finished(text_of("mailed"));
    mailed->mailed = true;
    for (uint64_t i = 0; i < 63; i++)
        add_live(name_of(buffer, i));
    cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_UNDECIDED);
    cr_assert(remembered(text_of("mailed")));
    mailed->mailed = false;
    add_finished(text_of("more"));
    cr_assert_not(remembered(text_of("mailed")));
    entries_destroy(&entries);
}

/* ---- several seats ---- */

Test(entry, a_seat_shares_what_is_ripe_with_one_that_finds_nothing)
{
    enum { COUNT = 128 };
    struct entry_cursor other = { .now_ms = 6000, .seat = 1 };
    char buffer[ID_MAX];
    struct entry *entry;
    uint64_t word;
    struct text id = text_of("of the other seat");
    set_up_remembering(COUNT, 5000);
    for (uint64_t i = 0; i < COUNT; i++)
        add_finished(name_of(buffer, i)); /* at 1000 */
    other.now_ms = 5999;
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_TABLE_YOUNG);
    slots_share(&entries, &cursor);
    cr_assert_eq(entries_remembered(&entries), COUNT, "nobody asked");
    other.now_ms = cursor.now_ms = 6000;
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_UNDECIDED, "it asks");
    slots_share(&entries, &cursor);
    cr_assert_eq(entries_remembered(&entries), 0);
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_ABSENT);
    entries_destroy(&entries);
}

/* What another seat's queue says may be out of date: then asking clears it up. */
Test(entry, a_seat_that_is_asked_says_when_it_has_something)
{
    enum { COUNT = 128 };
    struct entry_cursor other = { .now_ms = 6000, .seat = 1 };
    char buffer[ID_MAX];
    struct entry *entry;
    uint64_t word;
    struct text id = text_of("of the other seat");
    set_up_remembering(COUNT, 5000);
    add_finished(name_of(buffer, 0)); /* at 1000 */
    cursor.now_ms = 3000;
    for (uint64_t i = 1; i < COUNT; i++)
        add_finished(name_of(buffer, i));
    cursor.now_ms = 6000;
    add_finished(text_of("in place of the first"));
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_UNDECIDED);
    slots_share(&entries, &cursor);
    cr_assert_eq(entries_ripe_ms(&entries), 3000 + 5000);
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_TABLE_YOUNG);
    entries_destroy(&entries);
}

Test(entry, a_slot_whose_bucket_is_busy_waits)
{
    char buffer[ID_MAX];
    set_up(64);
    for (uint64_t i = 0; i < 64; i++)
        add_finished(name_of(buffer, i));
    struct text id = name_of(buffer, 0);
    struct bucket *home = &entries.buckets[entries_home(&entries, id_hash(&entries, id))];
    atomic_fetch_or(&home->head, 1);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_null(slots_take(&entries, &cursor));
    cr_assert_eq(slots_why_none(&entries, &cursor), ENTRY_UNDECIDED);
    atomic_fetch_and(&home->head, ~UINT64_C(1));
    cr_assert(remembered(name_of(buffer, 0)));
    cr_assert_not_null(slots_take(&entries, &cursor));
    cr_assert_not(remembered(name_of(buffer, 0)));
    entries_destroy(&entries);
}

/* ---- draws ---- */

static uint32_t chain_of(unsigned blocks)
{
    uint32_t first = 0, *link = &first;
    for (unsigned i = 0; i < blocks; i++) {
        struct draws_entry *draws = slots_take_draws(&entries, &cursor);
        cr_assert_not_null(draws);
        *link = entry_number(&entries, (struct entry *)(void *)draws) + 1;
        link = &draws->next;
    }
    return first;
}

Test(entry, a_walk_goes_over_the_draws_of_all_blocks)
{
    const uint16_t counts[] = { 1, 2, 6, 7, 8, 14, 15, 100 };
    set_up(64);
    for (unsigned c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct entry entry = { .draw_count = counts[c] };
        if (counts[c] > 1)
            entry.more = chain_of((counts[c] + DRAWS_PER_ENTRY - 1) / DRAWS_PER_ENTRY);
        struct draw_walk walk = draw_walk_start(&entries, &entry);
        for (uint32_t i = 0; i < counts[c]; i++) {
            struct draw *draw = draw_walk_next(&walk);
            cr_assert_not_null(draw);
            draw->qty = i + 1;
        }
        cr_assert_null(draw_walk_next(&walk));
        walk = draw_walk_start(&entries, &entry);
        for (uint32_t i = 0; i < counts[c]; i++)
            cr_assert_eq(draw_walk_next(&walk)->qty, i + 1);
        if (counts[c] > 1)
            slots_free_draws(&entries, &cursor, entry.more);
    }
    entries_destroy(&entries);
}

/* More blocks than a seat keeps for itself. */
Test(entry, draws_are_freed_with_their_reservation)
{
    enum { BLOCKS = 100, COUNT = 256 };
    char buffer[ID_MAX];
    struct entry *entry;
    uint64_t word;
    set_up(COUNT);
    cr_assert_eq(add(text_of("many"), &entry, &word), ENTRY_ABSENT);
    entry->draw_count = BLOCKS * DRAWS_PER_ENTRY;
    entry->more = chain_of(BLOCKS);
    slots_begin(&entries, &cursor);
    entry_put(entry, state_word(ENTRY_RESERVATION, STATE_HELD, 4));
    for (uint64_t i = 0; i < 2 * COUNT; i++)
        add_finished(name_of(buffer, i));
    cr_assert(remembered(text_of("many")));
    cr_assert_eq(entries_remembered(&entries), COUNT - BLOCKS - 1);
    end_live(entry);
    for (uint64_t i = 2 * COUNT; i < 4 * COUNT; i++)
        add_finished(name_of(buffer, i));
    cr_assert_not(remembered(text_of("many")));
    cr_assert_eq(entries_remembered(&entries), COUNT, "its draws make room, too");
    entries_destroy(&entries);
}

Test(entry, a_full_table_has_no_slot_for_draws)
{
    set_up(64);
    uint32_t first = chain_of(64);
    cr_assert_null(slots_take_draws(&entries, &cursor));
    cr_assert_eq(slots_why_none(&entries, &cursor), ENTRY_TABLE_FULL);
    slots_free_draws(&entries, &cursor, first);
    cr_assert_not_null(slots_take_draws(&entries, &cursor));
    entries_destroy(&entries);
}

/* ---- memory ahead of use ---- */

static void populate_enough(void)
{
    enum populated populated;
    while ((populated = entries_populate(&entries)) == POPULATED_SOME) {
    }
    cr_assert_eq(populated, POPULATED_ENOUGH);
}

static bool has_memory(uint32_t number)
{
    unsigned char resident = 0;
    uintptr_t page = (uintptr_t)entry_at(&entries, number) & ~(uintptr_t)4095;
    cr_assert_eq(mincore((void *)page, 4096, &resident), 0);
    return resident & 1;
}

Test(entry, has_memory_ahead_of_its_use)
{
    enum { TABLE = 1 << 18 };
    char buffer[ID_MAX];
    set_up(TABLE);
    populate_enough();
    cr_assert_eq(entries.populated, 0, "nothing is used, so nothing is taken");
    uint64_t ids = 0;
    for (uint32_t used = 1; used < TABLE / 4; used *= 2) {
        while (entries_used(&entries) < used)
            add_finished(name_of(buffer, ids++));
        populate_enough();
        uint32_t ahead = entries.populated - entries_used(&entries);
        cr_assert_eq(ahead, entries_used(&entries), "as much again");
        cr_assert(has_memory(entries.populated - 1));
    }
    entries_destroy(&entries);
}

Test(entry, populates_all_of_its_table_and_no_more)
{
    char buffer[ID_MAX];
    set_up(1000);
    for (uint64_t i = 0; i < 5000; i++)
        add_finished(name_of(buffer, i));
    cr_assert_eq(entries_populate(&entries), POPULATED_SOME);
    cr_assert_eq(entries_populate(&entries), POPULATED_ALL);
    cr_assert_eq(entries.populated, entries.max);
    cr_assert(has_memory(entries.max - 1));
    entries_destroy(&entries);
}
