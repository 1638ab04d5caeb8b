/* SPDX-License-Identifier: Apache-2.0 */
/* A table of ids, and what unit tests do with it. One for each file that includes it. */
#ifndef STOCKD_TESTS_UNIT_IDS_RIG_H
#define STOCKD_TESTS_UNIT_IDS_RIG_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "engine/store/slots.h"

static struct id_table ids; /* of the test */
static struct id_cursor cursor;

static inline void set_up_remembering(uint32_t max, uint64_t remember_ms)
{
    cursor = (struct id_cursor){ .now_ms = 1000 };
    cr_assert_eq(id_table_init(&ids, max, remember_ms, 42), 0);
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

static inline enum entry_found add_at(struct id_cursor *at, struct text id, struct id_entry **entry,
                                      uint64_t *word)
{
    enum entry_found found = id_table_add(&ids, at, id, id_hash(&ids, id), entry, word);
    return found == ENTRY_NO_SLOT ? slots_why_none(&ids, at) : found;
}

static inline enum entry_found add(struct text id, struct id_entry **entry, uint64_t *word)
{
    return add_at(&cursor, id, entry, word);
}

static inline enum entry_found find(struct text id, struct id_entry **entry, uint64_t *word)
{
    return id_table_find(&ids, id, id_hash(&ids, id), entry, word);
}

static inline void end(struct id_entry *entry, uint64_t word)
{
    slots_end(&ids, &cursor, entry, word);
    entry_put(entry, word);
}

/* A done movement: remembered until its slot is reused. */
static inline struct id_entry *add_finished(struct text id)
{
    struct id_entry *entry;
    uint64_t word;
    cr_assert_eq(add(id, &entry, &word), ENTRY_ABSENT);
    entry->draw_count = 0;
    end(entry, state_word(ENTRY_MOVEMENT, STATE_NONE, id.len));
    return entry;
}

/* A live reservation. */
static inline struct id_entry *add_live(struct text id)
{
    struct id_entry *entry;
    uint64_t word;
    cr_assert_eq(add(id, &entry, &word), ENTRY_ABSENT);
    entry->draw_count = 1;
    slots_begin(&ids, &cursor);
    entry_put(entry, state_word(ENTRY_RESERVATION, STATE_CONFIRMED, id.len));
    return entry;
}

static inline void end_live(struct id_entry *entry)
{
    uint64_t word;
    cr_assert(entry_take(entry, &word));
    end(entry, state_word(ENTRY_RESERVATION, STATE_CANCELLED, word_id_len(word)));
}

static inline bool remembered(struct text id)
{
    struct id_entry *entry;
    uint64_t word;
    enum entry_found found = find(id, &entry, &word);
    cr_assert_neq(found, ENTRY_BUSY);
    if (found == ENTRY_FOUND)
        entry_put(entry, word);
    return found == ENTRY_FOUND;
}

#endif
