/* SPDX-License-Identifier: Apache-2.0 */
/* The table of ids: the state machine, the index, draws. */
#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/ids_rig.h"

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
    struct id_entry entry = { 0 };
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
    cr_assert_eq(id_table_init(&ids, 0, 0, 1), -EINVAL);
    cr_assert_eq(id_table_init(&ids, UINT32_MAX, 0, 1), -EINVAL);
}

/* With four ids to a bucket an add finds no place now and then, though there are free slots. */
Test(entry, there_are_buckets_enough)
{
    const uint32_t sizes[] = { 1, 64, 65, 4096, 100000, 262144, 4000000 };
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        cr_assert_eq(id_table_init(&ids, sizes[i], 0, 1), 0);
        cr_assert_geq(3 * (uint64_t)ids.bucket_count, ids.max);
        cr_assert_geq(ids.max, sizes[i]);
        id_table_destroy(&ids);
    }
}

Test(entry, an_id_is_added_once)
{
    struct id_entry *entry, *again;
    uint64_t word;
    set_up(64);
    cr_assert_eq(find(text_of("a"), &entry, &word), ENTRY_ABSENT);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    cr_assert_eq(add(text_of("a"), &again, &word), ENTRY_BUSY, "it is busy");
    cr_assert_eq(find(text_of("a"), &again, &word), ENTRY_BUSY);
    entry_put(entry, state_word(ENTRY_MOVEMENT, STATE_NONE, 1));
    cr_assert_eq(add(text_of("a"), &again, &word), ENTRY_FOUND);
    cr_assert_eq(again, entry);
    cr_assert_eq(word_kind(word), ENTRY_MOVEMENT);
    entry_put(again, word);
    cr_assert_eq(find(text_of("b"), &again, &word), ENTRY_ABSENT);
    id_table_destroy(&ids);
}

Test(entry, a_refused_id_leaves_nothing)
{
    struct id_entry *entry, *again;
    uint64_t word;
    set_up(64);
    for (unsigned i = 0; i < 1000; i++) {
        char buffer[ID_MAX];
        cr_assert_eq(add(name_of(buffer, i), &entry, &word), ENTRY_ABSENT);
        entry_refuse(&ids, &cursor, entry, word);
        cr_assert_not(remembered(name_of(buffer, i)));
    }
    cr_assert_eq(id_table_remembered(&ids), 0);
    cr_assert_eq(id_table_used(&ids), 64, "all of them had one slot");
    cr_assert_eq(add(text_of("a"), &again, &word), ENTRY_ABSENT);
    cr_assert_eq(again, entry, "in the same slot");
    id_table_destroy(&ids);
}

/* Another context is at its bucket, so that the id cannot be taken out of the index at once. */
Test(entry, a_refused_id_whose_bucket_is_busy_is_a_tombstone)
{
    struct id_entry *entry, *again;
    uint64_t word;
    set_up(64);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    struct bucket *home = &ids.buckets[id_table_home(&ids, id_hash(&ids, text_of("a")))];
    atomic_fetch_or(&home->head, 1);
    entry_refuse(&ids, &cursor, entry, word);
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
    id_table_destroy(&ids);
}

Test(entry, the_slot_of_a_tombstone_is_found_by_the_hand)
{
    struct id_entry *entry;
    uint64_t word;
    char buffer[ID_MAX];
    set_up(64);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    struct bucket *home = &ids.buckets[id_table_home(&ids, id_hash(&ids, text_of("a")))];
    atomic_fetch_or(&home->head, 1);
    entry_refuse(&ids, &cursor, entry, word);
    atomic_fetch_and(&home->head, ~UINT64_C(1));
    for (uint64_t i = 0; i < 64; i++)
        add_live(name_of(buffer, i));
    cr_assert_not(remembered(text_of("a")));
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_TABLE_FULL);
    id_table_destroy(&ids);
}

Test(entry, a_busy_home_bucket_is_in_the_way)
{
    struct id_entry *entry;
    uint64_t word;
    set_up(64);
    uint64_t hash = id_hash(&ids, text_of("a"));
    struct bucket *home = &ids.buckets[id_table_home(&ids, hash)];
    atomic_store(&home->head, 1);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_BUSY);
    cr_assert_eq(find(text_of("a"), &entry, &word), ENTRY_ABSENT, "reading needs no bucket");
    atomic_store(&home->head, 0);
    cr_assert_eq(add(text_of("a"), &entry, &word), ENTRY_ABSENT);
    id_table_destroy(&ids);
}

/* The n-th id whose home is that bucket. */
static uint64_t colliding(uint32_t bucket, uint64_t after)
{
    char buffer[ID_MAX];
    for (uint64_t i = after + 1;; i++)
        if (id_table_home(&ids, id_hash(&ids, name_of(buffer, i))) == bucket)
            return i;
}

enum { HOME = 5, REACH = 16 * 7 }; /* buckets that an id may stray to, and their words */

static uint64_t strays_of(uint32_t bucket)
{
    return atomic_load(&ids.buckets[bucket].head);
}

Test(entry, ids_of_one_bucket_stray_into_the_next_and_are_found)
{
    uint64_t numbers[REACH + 1], last = 0;
    char buffer[ID_MAX];
    struct id_entry *entry;
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
    id_table_destroy(&ids);
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
    for (uint32_t b = 0; b < ids.bucket_count; b++) {
        unsigned strays = 0;
        for (unsigned d = 1; d < 16; d++)
            strays += (unsigned)(strays_of(b) >> (4 * d) & 0xf);
        cr_assert_leq(strays, 8, "bucket %u", b);
        for (unsigned i = 0; i < 7; i++)
            words += atomic_load(&ids.buckets[b].words[i]) != 0;
    }
    cr_assert_leq(words, 1024, "no word is left over");
    last = 0;
    for (unsigned i = 0; i < REACH / 4; i++)
        cr_assert_not(remembered(name_of(buffer, last = colliding(HOME, last))));
    id_table_destroy(&ids);
}

Test(entry, a_full_table_finds_all_of_its_ids)
{
    enum { COUNT = 4096 };
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    set_up(COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        add_live(name_of(buffer, i));
    cr_assert_eq(add(text_of("one more"), &entry, &word), ENTRY_TABLE_FULL);
    cr_assert_eq(id_table_live(&ids), COUNT);
    for (uint64_t i = 0; i < COUNT; i++)
        cr_assert(remembered(name_of(buffer, i)));
    cr_assert_eq(add(name_of(buffer, 17), &entry, &word), ENTRY_FOUND, "a full table finds ids");
    entry_put(entry, word);
    id_table_destroy(&ids);
}

/* ---- draws ---- */

static uint32_t chain_of(unsigned blocks)
{
    uint32_t first = 0, *link = &first;
    for (unsigned i = 0; i < blocks; i++) {
        struct draws_entry *draws = slots_take_draws(&ids, &cursor);
        cr_assert_not_null(draws);
        *link = entry_number(&ids, (struct id_entry *)(void *)draws) + 1;
        link = &draws->next;
    }
    return first;
}

Test(entry, a_walk_goes_over_the_draws_of_all_blocks)
{
    const uint16_t counts[] = { 1, 2, 6, 7, 8, 14, 15, 100 };
    set_up(64);
    for (unsigned c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        struct id_entry entry = { .draw_count = counts[c] };
        if (counts[c] > 1)
            entry.more = chain_of((counts[c] + DRAWS_PER_ENTRY - 1) / DRAWS_PER_ENTRY);
        struct draw_walk walk = draw_walk_start(&ids, &entry);
        for (uint32_t i = 0; i < counts[c]; i++) {
            struct draw *draw = draw_walk_next(&walk);
            cr_assert_not_null(draw);
            draw->qty = i + 1;
        }
        cr_assert_null(draw_walk_next(&walk));
        walk = draw_walk_start(&ids, &entry);
        for (uint32_t i = 0; i < counts[c]; i++)
            cr_assert_eq(draw_walk_next(&walk)->qty, i + 1);
        if (counts[c] > 1)
            slots_free_draws(&ids, &cursor, entry.more);
    }
    id_table_destroy(&ids);
}

/* More blocks than a context keeps for itself. */
Test(entry, draws_are_freed_with_their_reservation)
{
    enum { BLOCKS = 100, COUNT = 256 };
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    set_up(COUNT);
    cr_assert_eq(add(text_of("many"), &entry, &word), ENTRY_ABSENT);
    entry->draw_count = BLOCKS * DRAWS_PER_ENTRY;
    entry->more = chain_of(BLOCKS);
    slots_begin(&ids, &cursor);
    entry_put(entry, state_word(ENTRY_RESERVATION, STATE_HELD, 4));
    for (uint64_t i = 0; i < 2 * COUNT; i++)
        add_finished(name_of(buffer, i));
    cr_assert(remembered(text_of("many")));
    cr_assert_eq(id_table_remembered(&ids), COUNT - BLOCKS - 1);
    end_live(entry);
    for (uint64_t i = 2 * COUNT; i < 4 * COUNT; i++)
        add_finished(name_of(buffer, i));
    cr_assert_not(remembered(text_of("many")));
    cr_assert_eq(id_table_remembered(&ids), COUNT, "its draws make room, too");
    id_table_destroy(&ids);
}

Test(entry, a_full_table_has_no_slot_for_draws)
{
    set_up(64);
    uint32_t first = chain_of(64);
    cr_assert_null(slots_take_draws(&ids, &cursor));
    cr_assert_eq(slots_why_none(&ids, &cursor), ENTRY_TABLE_FULL);
    slots_free_draws(&ids, &cursor, first);
    cr_assert_not_null(slots_take_draws(&ids, &cursor));
    id_table_destroy(&ids);
}
