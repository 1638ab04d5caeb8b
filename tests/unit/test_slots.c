/* SPDX-License-Identifier: Apache-2.0 */
/* The slots of the table of ids: what is remembered there, for how long, and what is shared. */
#include <criterion/criterion.h>
#include <sys/mman.h>

#include "tests/unit/ids_rig.h"

/* ---- what is remembered, and for how long ---- */

Test(slots, the_oldest_are_forgotten_first_and_only_for_want_of_room)
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
        cr_assert_eq(id_table_remembered(&ids), i + 1 - first);
        cr_assert(first == 0 || id_table_forgotten_ms(&ids) == first - 1);
    }
    id_table_destroy(&ids);
}

/* What counts is when it ended, not when it began. */
Test(slots, a_long_life_is_remembered_from_its_end)
{
    char buffer[ID_MAX];
    set_up(64);
    struct id_entry *old = add_live(text_of("old"));
    for (uint64_t i = 0; i < 200; i++)
        add_finished(name_of(buffer, i));
    end_live(old);
    for (uint64_t i = 200; i < 263; i++)
        add_finished(name_of(buffer, i));
    cr_assert(remembered(text_of("old")));
    add_finished(name_of(buffer, 263));
    cr_assert_not(remembered(text_of("old")));
    id_table_destroy(&ids);
}

Test(slots, nothing_is_forgotten_before_its_time)
{
    enum { COUNT = 128, REMEMBER = 5000 };
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    set_up_remembering(COUNT, REMEMBER);
    cr_assert_eq(id_table_ripe_ms(&ids), UINT64_MAX);
    for (uint64_t i = 0; i < COUNT; i++) {
        cursor.now_ms = 1000 + i;
        add_finished(name_of(buffer, i));
    }
    cr_assert_eq(id_table_ripe_ms(&ids), 1000 + REMEMBER);
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
    cr_assert_eq(id_table_forgotten_ms(&ids), 1000);
    id_table_destroy(&ids);
}

/* A client that could not reach a stopped engine still finds its first result. */
Test(slots, the_time_that_the_engine_was_down_does_not_count)
{
    struct id_entry *entry;
    uint64_t word;
    char buffer[ID_MAX];
    set_up_remembering(64, 5000);
    for (uint64_t i = 0; i < 64; i++)
        add_finished(name_of(buffer, i)); /* at 1000 */
    id_table_started(&ids, 1000, 60000);
    cursor.now_ms = 60000 + 4999;
    cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_TABLE_YOUNG);
    cursor.now_ms = 60000 + 5000;
    cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_ABSENT);
    id_table_destroy(&ids);
}

/* When it is replayed, the past needs room whatever was promised. */
Test(slots, replay_forgets_early_rather_than_find_no_room)
{
    char buffer[ID_MAX];
    set_up_remembering(64, 5000);
    cursor.replaying = true;
    for (uint64_t i = 0; i < 100; i++)
        add_finished(name_of(buffer, i));
    cr_assert_eq(cursor.early, 36);
    cr_assert_not(remembered(name_of(buffer, 35)));
    cr_assert(remembered(name_of(buffer, 36)));
    id_table_destroy(&ids);
}

Test(slots, an_id_that_ended_may_leave_the_queue_anywhere)
{
    enum { COUNT = 64 };
    struct id_entry *all[COUNT];
    char buffer[ID_MAX];
    const unsigned leaving[] = { 0, 63, 20, 21, 1, 62 };
    set_up(COUNT);
    for (unsigned i = 0; i < COUNT; i++)
        all[i] = add_finished(name_of(buffer, i));
    for (unsigned i = 0; i < sizeof leaving / sizeof leaving[0]; i++) {
        uint64_t word;
        cr_assert(entry_take(all[leaving[i]], &word));
        slots_unend(&ids, &cursor, all[leaving[i]]);
        entry_put(all[leaving[i]], state_word(ENTRY_RESERVATION, STATE_HELD, word_id_len(word)));
    }
    cr_assert_eq(id_table_remembered(&ids), COUNT - 6);
    for (uint64_t i = 0; i < 500; i++)
        add_finished(name_of(buffer, COUNT + i));
    for (unsigned i = 0; i < sizeof leaving / sizeof leaving[0]; i++)
        cr_assert(remembered(name_of(buffer, leaving[i])));
    cr_assert_not(remembered(name_of(buffer, 22)));
    id_table_destroy(&ids);
}

Test(slots, a_message_on_its_way_keeps_the_slot)
{
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    set_up(64);
    struct id_entry *in_inbox = add_finished(text_of("in_inbox"));
    in_inbox->in_inbox = true;
    for (uint64_t i = 0; i < 63; i++)
        add_live(name_of(buffer, i));
    cr_assert_eq(add(text_of("more"), &entry, &word), ENTRY_BUSY);
    cr_assert(remembered(text_of("in_inbox")));
    in_inbox->in_inbox = false;
    add_finished(text_of("more"));
    cr_assert_not(remembered(text_of("in_inbox")));
    id_table_destroy(&ids);
}

/* ---- several contexts ---- */

Test(slots, a_context_shares_what_is_ripe_with_one_that_finds_nothing)
{
    enum { COUNT = 128 };
    struct id_cursor other = { .now_ms = 6000, .ctx = 1 };
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    struct text id = text_of("of the other context");
    set_up_remembering(COUNT, 5000);
    for (uint64_t i = 0; i < COUNT; i++)
        add_finished(name_of(buffer, i)); /* at 1000 */
    other.now_ms = 5999;
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_TABLE_YOUNG);
    slots_share(&ids, &cursor);
    cr_assert_eq(id_table_remembered(&ids), COUNT, "nobody asked");
    other.now_ms = cursor.now_ms = 6000;
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_BUSY, "it asks");
    slots_share(&ids, &cursor);
    cr_assert_eq(id_table_remembered(&ids), 0);
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_ABSENT);
    id_table_destroy(&ids);
}

/* What it freed of the draws of a reservation, though it has nothing else to share. */
Test(slots, a_context_shares_its_stash)
{
    struct id_cursor other = { .now_ms = 1000, .ctx = 1 };
    uint32_t draws[2];
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    struct text id = text_of("of the other context");
    set_up(64);
    for (unsigned i = 0; i < 2; i++) {
        struct draws_entry *slot = slots_take_draws(&ids, &cursor);
        draws[i] = entry_number(&ids, (struct id_entry *)(void *)slot) + 1;
    }
    for (uint64_t i = 0; i < 62; i++)
        add_live(name_of(buffer, i));
    slots_free_draws(&ids, &cursor, draws[0]);
    slots_free_draws(&ids, &cursor, draws[1]);
    add_live(text_of("in one of them"));
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_BUSY, "it asks");
    slots_share(&ids, &cursor);
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_ABSENT);
    id_table_destroy(&ids);
}

/* What another context's queue says may be out of date: then asking clears it up. */
Test(slots, a_context_that_is_asked_says_when_it_has_something)
{
    enum { COUNT = 128 };
    struct id_cursor other = { .now_ms = 6000, .ctx = 1 };
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    struct text id = text_of("of the other context");
    set_up_remembering(COUNT, 5000);
    add_finished(name_of(buffer, 0)); /* at 1000 */
    cursor.now_ms = 3000;
    for (uint64_t i = 1; i < COUNT; i++)
        add_finished(name_of(buffer, i));
    cursor.now_ms = 6000;
    add_finished(text_of("in place of the first"));
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_BUSY);
    slots_share(&ids, &cursor);
    cr_assert_eq(id_table_ripe_ms(&ids), 3000 + 5000);
    cr_assert_eq(add_at(&other, id, &entry, &word), ENTRY_TABLE_YOUNG);
    id_table_destroy(&ids);
}

Test(slots, a_slot_whose_bucket_is_busy_waits)
{
    char buffer[ID_MAX];
    set_up(64);
    for (uint64_t i = 0; i < 64; i++)
        add_finished(name_of(buffer, i));
    struct text id = name_of(buffer, 0);
    struct bucket *home = &ids.buckets[id_table_home(&ids, id_hash(&ids, id))];
    atomic_fetch_or(&home->head, 1);
    for (unsigned i = 0; i < 40; i++)
        cr_assert_null(slots_take(&ids, &cursor));
    cr_assert_eq(slots_why_none(&ids, &cursor), ENTRY_BUSY);
    atomic_fetch_and(&home->head, ~UINT64_C(1));
    cr_assert(remembered(name_of(buffer, 0)));
    cr_assert_not_null(slots_take(&ids, &cursor));
    cr_assert_not(remembered(name_of(buffer, 0)));
    id_table_destroy(&ids);
}

/* ---- memory ahead of use ---- */

static void populate_enough(void)
{
    enum populated populated;
    while ((populated = id_table_populate(&ids)) == POPULATED_SOME) {
    }
    cr_assert_eq(populated, POPULATED_ENOUGH);
}

static bool has_memory(uint32_t number)
{
    unsigned char resident = 0;
    uintptr_t page = (uintptr_t)entry_at(&ids, number) & ~(uintptr_t)4095;
    cr_assert_eq(mincore((void *)page, 4096, &resident), 0);
    return resident & 1;
}

Test(slots, has_memory_ahead_of_its_use)
{
    enum { TABLE = 1 << 18 };
    char buffer[ID_MAX];
    set_up(TABLE);
    populate_enough();
    cr_assert_eq(ids.populated, 0, "nothing is used, so nothing is taken");
    uint64_t count = 0;
    for (uint32_t used = 1; used < TABLE / 4; used *= 2) {
        while (id_table_used(&ids) < used)
            add_finished(name_of(buffer, count++));
        populate_enough();
        uint32_t on_prefetch = ids.populated - id_table_used(&ids);
        cr_assert_eq(on_prefetch, id_table_used(&ids), "as much again");
        cr_assert(has_memory(ids.populated - 1));
    }
    id_table_destroy(&ids);
}

Test(slots, populates_all_of_its_table_and_no_more)
{
    char buffer[ID_MAX];
    set_up(1000);
    for (uint64_t i = 0; i < 5000; i++)
        add_finished(name_of(buffer, i));
    cr_assert_eq(id_table_populate(&ids), POPULATED_SOME);
    cr_assert_eq(id_table_populate(&ids), POPULATED_ALL);
    cr_assert_eq(ids.populated, ids.max);
    cr_assert(has_memory(ids.max - 1));
    id_table_destroy(&ids);
}

/* The context that asks goes on with its own iterations meanwhile: it must not take its question
 * for another's, or the other one never hears of it. */
Test(slots, a_question_waits_for_the_context_that_is_asked)
{
    enum { COUNT = 64 };
    struct id_cursor other = { .now_ms = 1000, .ctx = 1 };
    char buffer[ID_MAX];
    struct id_entry *entry;
    uint64_t word;
    set_up(COUNT);
    struct id_entry *hoarded = slots_take(&ids, &other);
    slots_give_back(&ids, &other, hoarded);
    while (other.candidates != 0)
        other.candidates &= other.candidates - 1; /* the rest of the table is in use */
    for (unsigned iterations = 0; iterations < 5; iterations++) {
        cr_assert_eq(add(name_of(buffer, iterations), &entry, &word), ENTRY_BUSY);
        slots_share(&ids, &cursor);
    }
    slots_share(&ids, &other);
    cr_assert_eq(add(text_of("served"), &entry, &word), ENTRY_ABSENT);
    cr_assert_eq(entry, hoarded);
    id_table_destroy(&ids);
}
