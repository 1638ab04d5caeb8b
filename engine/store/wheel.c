/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/store/wheel.h"

#include <assert.h>
#include <string.h>

/* The first entry of a list names the list instead of a predecessor. */
#define FIRST_IN UINT32_C(0x80000000)

enum { LEVEL_BITS = 8, DUE_LISTS = WHEEL_LEVELS * WHEEL_SLOTS };

void wheel_init(struct wheel *wheel, uint64_t now_ms)
{
    memset(wheel, 0, sizeof *wheel);
    wheel->tick = now_ms / WHEEL_TICK_MS;
}

static uint32_t *list_head(struct wheel *wheel, uint32_t list)
{
    return list < DUE_LISTS ? &wheel->heads[list] : &wheel->due[list - DUE_LISTS];
}

static void note_occupied(struct wheel *wheel, uint32_t list)
{
    if (list >= WHEEL_SLOTS)
        return;
    uint64_t bit = UINT64_C(1) << list % 64;
    if (wheel->heads[list] != 0)
        wheel->occupied[list / 64] |= bit;
    else
        wheel->occupied[list / 64] &= ~bit;
}

/* The list for a future tick. */
static uint32_t list_for(const struct wheel *wheel, uint64_t tick)
{
    assert(tick > wheel->tick);
    uint64_t ahead = tick - wheel->tick;
    unsigned level = 0;
    while (level < WHEEL_LEVELS - 1 && ahead >> (LEVEL_BITS * (level + 1)) != 0)
        level++;
    uint64_t furthest = wheel->tick + (UINT64_C(1) << (LEVEL_BITS * WHEEL_LEVELS)) - 1;
    if (tick > furthest)
        tick = furthest;
    uint32_t slot = (uint32_t)(tick >> (LEVEL_BITS * level)) % WHEEL_SLOTS;
    return level * WHEEL_SLOTS + slot;
}

void wheel_link(struct wheel *wheel, struct id_table *ids, struct id_entry *entry,
                uint64_t deadline_ms)
{
    uint64_t tick = (deadline_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;
    if (tick <= wheel->tick)
        tick = wheel->tick + 1;
    uint32_t list = list_for(wheel, tick);
    uint32_t *head = list_head(wheel, list);
    uint32_t link = entry_number(ids, entry) + 1;
    assert(link < FIRST_IN);
    assert(list < DUE_LISTS);
    entry->wheel_prev = FIRST_IN | list;
    entry->wheel_next = *head;
    if (*head != 0)
        entry_at(ids, *head - 1)->wheel_prev = link;
    *head = link;
    wheel->count++;
    note_occupied(wheel, list);
}

void wheel_unlink(struct wheel *wheel, struct id_table *ids, struct id_entry *entry)
{
    assert(wheel->count > 0);
    uint32_t prev = entry->wheel_prev, next = entry->wheel_next;
    if (next != 0)
        entry_at(ids, next - 1)->wheel_prev = prev;
    if (prev & FIRST_IN) {
        uint32_t list = prev & ~FIRST_IN;
        assert(*list_head(wheel, list) == entry_number(ids, entry) + 1);
        *list_head(wheel, list) = next;
        note_occupied(wheel, list);
    } else {
        entry_at(ids, prev - 1)->wheel_next = next;
    }
    entry->wheel_next = entry->wheel_prev = 0;
    wheel->count--;
}

/* Makes a whole list due. */
static void move_to_due(struct wheel *wheel, struct id_table *ids, unsigned level, uint32_t slot)
{
    assert(slot < WHEEL_SLOTS);
    uint32_t list = level * WHEEL_SLOTS + slot;
    assert(wheel->due[level] == 0);
    wheel->due[level] = wheel->heads[list];
    wheel->heads[list] = 0;
    if (wheel->due[level] != 0)
        entry_at(ids, wheel->due[level] - 1)->wheel_prev = FIRST_IN | (DUE_LISTS + level);
    note_occupied(wheel, list);
}

/* Advances one tick: the lowest level's slot is due, and where a level has wrapped, the next
 * level's slot must be spread over the levels below it. */
static void step(struct wheel *wheel, struct id_table *ids)
{
    wheel->tick++;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        move_to_due(wheel, ids, level,
                    (uint32_t)(wheel->tick >> (LEVEL_BITS * level)) % WHEEL_SLOTS);
        if ((wheel->tick >> (LEVEL_BITS * level)) % WHEEL_SLOTS != 0)
            break;
    }
}

struct id_entry *wheel_take_due(struct wheel *wheel, struct id_table *ids, uint64_t now_ms)
{
    uint64_t now = now_ms / WHEEL_TICK_MS;
    for (;;) {
        for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
            if (wheel->due[level] == 0)
                continue;
            struct id_entry *entry = entry_at(ids, wheel->due[level] - 1);
            wheel_unlink(wheel, ids, entry);
            return entry;
        }
        if (wheel->count == 0 && wheel->tick < now)
            wheel->tick = now;
        if (wheel->tick >= now)
            return NULL;
        step(wheel, ids);
    }
}

uint64_t wheel_next_ms(const struct wheel *wheel)
{
    if (wheel->count == 0)
        return UINT64_MAX;
    for (unsigned level = 0; level < WHEEL_LEVELS; level++)
        if (wheel->due[level] != 0)
            return 0;
    uint64_t tick = wheel->tick + 1;
    /* Up to where the next level's slot must be spread. */
    while (tick % WHEEL_SLOTS != 0) {
        uint32_t slot = (uint32_t)(tick % WHEEL_SLOTS);
        uint64_t from = wheel->occupied[slot / 64] >> slot % 64;
        if (from != 0) {
            tick += (unsigned)__builtin_ctzll(from);
            break;
        }
        tick += 64 - slot % 64;
    }
    return tick * WHEEL_TICK_MS;
}

/* The caller owns the entry, or keeps it `in_inbox`: no other thread writes its link. */
static void push(struct wheel *wheel, struct id_table *ids, struct id_entry *entry)
{
    uint32_t link = entry_number(ids, entry) + 1;
    uint32_t first = atomic_load_explicit(&wheel->inbox, memory_order_relaxed);
    do
        entry->inbox_next = first;
    while (!atomic_compare_exchange_weak_explicit(&wheel->inbox, &first, link, memory_order_release,
                                                  memory_order_relaxed)); /* Q1 */
}

bool wheel_send(struct wheel *wheel, struct id_table *ids, struct id_entry *entry)
{
    if (entry->in_inbox)
        return false;
    assert(entry_is_owned(entry)); /* E1 */
    entry->in_inbox = true;
    push(wheel, ids, entry);
    return true;
}

struct id_entry *wheel_take_inbox(struct wheel *wheel, struct id_table *ids)
{
    if (atomic_load_explicit(&wheel->inbox, memory_order_relaxed) == 0)
        return NULL;
    uint32_t first = atomic_exchange_explicit(&wheel->inbox, 0, memory_order_acquire); /* Q1 */
    return first ? entry_at(ids, first - 1) : NULL;
}

struct id_entry *wheel_inbox_next(struct id_table *ids, const struct id_entry *entry)
{
    return entry->inbox_next ? entry_at(ids, entry->inbox_next - 1) : NULL;
}

void wheel_send_again(struct wheel *wheel, struct id_table *ids, struct id_entry *entry)
{
    push(wheel, ids, entry);
}

bool wheel_has_messages(const struct wheel *wheel)
{
    return atomic_load_explicit(&wheel->inbox, memory_order_relaxed) != 0;
}
