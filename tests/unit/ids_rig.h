/* SPDX-License-Identifier: Apache-2.0 */
/* A table of ids, and what unit tests do with it. One for each file that includes it. */
#ifndef STOCKD_TESTS_UNIT_IDS_RIG_H
#define STOCKD_TESTS_UNIT_IDS_RIG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/store/slots.h"

static struct entries entries; /* of the test */
static struct entry_cursor cursor;

static inline void set_up_remembering(uint32_t max, uint64_t remember_ms)
{
    cursor = (struct entry_cursor){ .now_ms = 1000 };
    cr_assert_eq(entries_init(&entries, max, remember_ms, 42), 0);
}

/* What has ended may be forgotten at once, if there is no room. */
static inline void set_up(uint32_t max)
{
    set_up_remembering(max, 0);
}

static inline struct text name_of(char buffer[ID_MAX], uint64_t number)
{
    return (struct text){ buffer,
                          (uint32_t)snprintf(buffer, ID_MAX, "%llu", (unsigned long long)number) };
}

static inline enum entry_found add_at(struct entry_cursor *at, struct text id, struct entry **entry,
                                      uint64_t *word)
{
    enum entry_found found = entries_add(&entries, at, id, id_hash(&entries, id), entry, word);
    return found == ENTRY_NO_SLOT ? slots_why_none(&entries, at) : found;
}

static inline enum entry_found add(struct text id, struct entry **entry, uint64_t *word)
{
    return add_at(&cursor, id, entry, word);
}

static inline enum entry_found find(struct text id, struct entry **entry, uint64_t *word)
{
    return entries_find(&entries, id, id_hash(&entries, id), entry, word);
}

static inline void end(struct entry *entry, uint64_t word)
{
    slots_end(&entries, &cursor, entry, word);
    entry_put(entry, word);
}

/* A done movement: remembered until its slot is reused. */
static inline struct entry *add_finished(struct text id)
{
    struct entry *entry;
    uint64_t word;
    cr_assert_eq(add(id, &entry, &word), ENTRY_ABSENT);
    end(entry, state_word(ENTRY_MOVEMENT, STATE_NONE, id.len));
    return entry;
}

/* A live reservation. */
static inline struct entry *add_live(struct text id)
{
    struct entry *entry;
    uint64_t word;
    cr_assert_eq(add(id, &entry, &word), ENTRY_ABSENT);
    entry->draw_count = 1;
    slots_begin(&entries, &cursor);
    entry_put(entry, state_word(ENTRY_RESERVATION, STATE_CONFIRMED, id.len));
    return entry;
}

static inline void end_live(struct entry *entry)
{
    uint64_t word;
    cr_assert(entry_take(entry, &word));
    end(entry, state_word(ENTRY_RESERVATION, STATE_CANCELLED, word_id_len(word)));
}

static inline bool remembered(struct text id)
{
    struct entry *entry;
    uint64_t word;
    enum entry_found found = find(id, &entry, &word);
    cr_assert_neq(found, ENTRY_UNDECIDED);
    if (found == ENTRY_FOUND)
        entry_put(entry, word);
    return found == ENTRY_FOUND;
}

#endif
