/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/operation_id.h"

#include "engine/ledger/seat.h"
#include "engine/store/id_time.h"

/* How far the clock of a client that makes ids with a time of their own may be off. */
enum { SKEW_MOST_MS = 60000 };

/* Was it made before what is remembered begins? Then it may have been done, and forgotten. */
static bool id_expired(const struct seat *seat, struct text id)
{
    const struct entries *entries = &seat->ledger->entries;
    uint64_t made_ms, skew = entries->remember_ms / 2;
    uint64_t forgotten = entries_forgotten_ms(entries);
    if (skew > SKEW_MOST_MS)
        skew = SKEW_MOST_MS;
    if (!id_time_ms(id, &made_ms))
        return false;
    if (forgotten == 0)
        return made_ms + SKEW_MOST_MS < wall_of(seat, seat->ledger->born_ms);
    return made_ms <= wall_of(seat, forgotten) + skew;
}

static enum code table_is_full(struct seat *seat)
{
    return fail(seat, CODE_LIMIT,
                "the table of ids is full of live reservations (%u); --reservations sets its size",
                seat->ledger->entries.max);
}

/* Says what size would do at the present rate. */
static enum code table_is_young(struct seat *seat)
{
    const struct entries *entries = &seat->ledger->entries;
    uint64_t remember = entries->remember_ms, ripe = entries_ripe_ms(entries);
    /* Another seat's turn may be some milliseconds ahead of this one's. */
    uint64_t wait = ripe > seat->engine_ms ? ripe - seat->engine_ms : 0;
    uint64_t age = wait < remember ? remember - wait : 0;
    uint64_t needed = entries->max - entries_remembered(entries) +
                      entries_remembered(entries) * (remember + 1) / (age + 1);
    return fail(seat, CODE_OVERLOADED,
                "the table of ids (%u) holds those of the last %llu s only, and each is remembered "
                "for %llu s; at this rate --reservations %llu would do",
                entries->max, (unsigned long long)age / 1000, (unsigned long long)remember / 1000,
                (unsigned long long)needed);
}

static enum code expired_id(struct seat *seat, const char *parameter, struct text id)
{
    return fail(seat, CODE_EXPIRED_ID,
                "%s \"%.*s\" was made before what is remembered begins: it may have been done "
                "already, and is not done again",
                parameter, (int)id.len, id.at);
}

/* A sleeping worker shares nothing. */
static void poke_all(struct seat *seat)
{
    uint64_t workers = UINT64_MAX >> (64 - seat->ledger->worker_count);
    seat->pokes |= workers & ~(UINT64_C(1) << seat->index);
}

enum code no_slots(struct seat *seat, enum entry_found why)
{
    switch (why) {
    case ENTRY_UNDECIDED:
        poke_all(seat);
        return CODE_DEFERRED;
    case ENTRY_TABLE_YOUNG:
        return table_is_young(seat);
    default:
        return table_is_full(seat);
    }
}

enum code begin_id(struct seat *seat, const char *parameter, struct text id, struct entry **entry,
                   uint64_t *word, bool *known)
{
    struct entries *entries = &seat->ledger->entries;
    enum entry_found found =
        entries_add(entries, &seat->cursor, id, id_hash(entries, id), entry, word);
    *known = found == ENTRY_FOUND;
    if (*known)
        return CODE_OK;
    if (found == ENTRY_UNDECIDED)
        return CODE_DEFERRED;
    if (id_expired(seat, id)) {
        if (found == ENTRY_ABSENT)
            entry_refuse(entries, &seat->cursor, *entry, *word);
        return expired_id(seat, parameter, id);
    }
    if (found == ENTRY_ABSENT)
        return CODE_OK;
    if (found == ENTRY_NO_SLOT)
        found = slots_why_none(entries, &seat->cursor);
    return no_slots(seat, found);
}
