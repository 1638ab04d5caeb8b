/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supplies in the id table: an entry with its lines, and behind them the ref, in blocks.
 *
 * The states of a supply, of which the state byte of its entry is one:
 *
 *     held --> in transit --> arrived
 *       `---------'`--------> withdrawn
 *
 * Once it is in transit a supply stays so until nothing of it is under way or held. Then it has
 * arrived if anything of it was shipped and not withdrawn again, and is withdrawn otherwise.
 */
#ifndef STOCKD_ENGINE_STORE_SUPPLY_LINES_H
#define STOCKD_ENGINE_STORE_SUPPLY_LINES_H

#include "engine/store/id_table.h"

enum supply_state {
    SUPPLY_NONE,
    SUPPLY_HELD,
    SUPPLY_IN_TRANSIT,
    SUPPLY_ARRIVED,
    SUPPLY_WITHDRAWN,
    SUPPLY_STATE_COUNT
};

/* "held" and so on; static. "?" if it is none. */
const char *supply_state_name(unsigned state);
/* 0 if no state has that name. */
enum supply_state supply_state_named(struct text name);
bool supply_may_become(enum supply_state from, enum supply_state to);

static inline bool supply_over(enum supply_state state)
{
    return state >= SUPPLY_ARRIVED;
}

static inline enum supply_state word_supply_state(uint64_t word)
{
    return (enum supply_state)(word >> 8 & 0xff);
}

/* Has what the entry stands for ended? */
static inline bool entry_over(uint64_t word)
{
    switch (word_kind(word)) {
    case ENTRY_RESERVATION:
        return state_final(word_state(word));
    case ENTRY_SUPPLY:
        return supply_over(word_supply_state(word));
    default:
        return true;
    }
}

static inline uint64_t supply_word(enum entry_kind kind, enum supply_state state, uint32_t id_len)
{
    return state_word(kind, (enum entry_state)state, id_len);
}

/* Units that were shipped and have neither come nor been lost. */
static inline uint32_t line_under_way(const struct line_entry *line)
{
    return line->shipped + line->over - line->accepted - line->rejected - line->lost;
}

/* Units of a transfer that are held where it comes from. */
static inline uint32_t line_held(const struct line_entry *line)
{
    return line->qty - line->shipped;
}

struct items;

/* The shared pool in which a transfer's line is held, by its unit: of its item, where the supply
 * comes from. UINT32_MAX: there is none. */
uint32_t line_source(const struct items *items, const struct id_entry *supply,
                     const struct line_entry *line);

/* How many blocks the lines and the ref of a supply take. */
static inline uint32_t supply_blocks(uint32_t lines, uint32_t ref_len)
{
    return line_blocks(lines) + ref_blocks(ref_len);
}

/* A walk over the lines of a supply, or of a step of one. The caller owns the entry. */
struct line_walk {
    const struct id_table *ids;
    struct draws_entry *block;
    uint32_t next; /* block: number + 1 */
    uint32_t at, left;
};

struct line_walk line_walk_start(const struct id_table *ids, const struct id_entry *entry);
/* NULL at the end. */
struct line_entry *line_walk_next(struct line_walk *walk);

/* Stores lines and a ref in blocks that were set aside (slots_prepare). The caller owns the entry,
 * which has no blocks yet. False: there are too few slots, and it has none. */
bool supply_store(struct id_table *ids, struct id_cursor *cursor, struct id_entry *entry,
                  const struct line_entry *lines, uint32_t count, struct text ref);

/* Copies the ref. Returns its length. */
uint32_t supply_ref(const struct id_table *ids, const struct id_entry *entry,
                    char ref[NAME_MAX_BYTES]);

/* Is anything of it under way now? */
bool supply_under_way(const struct id_table *ids, const struct id_entry *entry);

/* The state that follows from the lines, for a supply that was in the state before. */
enum supply_state supply_state_of(const struct id_table *ids, const struct id_entry *entry,
                                  enum supply_state before);
/* Can a supply with these lines be in that state? */
bool supply_state_fits(const struct id_table *ids, const struct id_entry *entry,
                       enum supply_state state);

#endif
