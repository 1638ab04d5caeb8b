/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/ledger/seat.h"
#include "engine/sourcing/sourcing.h"
#include "engine/txn/txn.h"

/* A seat, and the memory in which the rooms above it plan. */
struct seat_memory {
    struct seat seat;
    struct postings postings;
    struct order_plan order_plan;
    struct candidates candidates;
};

static struct seat *make_seat(struct ledger *ledger, uint8_t index)
{
    struct seat_memory *memory = memory_reserve(sizeof *memory);
    if (!memory)
        return NULL;
    struct seat *seat = &memory->seat;
    seat->ledger = ledger;
    seat->index = index;
    seat->cursor.seat = index;
    seat->spare_item = UINT32_MAX;
    seat->postings = &memory->postings;
    seat->order_plan = &memory->order_plan;
    seat->candidates = &memory->candidates;
    return seat;
}

static bool make_seats(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->seat_count; i++) {
        struct seat *seat = make_seat(ledger, (uint8_t)i);
        if (!seat)
            return false;
        ledger->seats[i] = seat;
        if (recent_init(&seat->recent) != 0)
            return false;
    }
    return true;
}

struct ledger *ledger_create(const struct ledger_config *config)
{
    assert(config->seats >= 1);
    assert(config->seats + config->readers <= SEATS_MAX);
    struct ledger *ledger = memory_reserve(sizeof *ledger);
    if (!ledger)
        return NULL;
    ledger->log = config->log;
    ledger->worker_count = config->seats;
    ledger->seat_count = config->seats + config->readers;
    atomic_init(&ledger->client_count, 1); /* 0 is nobody */
    ledger->clients = memory_reserve(CLIENTS_MAX * sizeof *ledger->clients);
    atomic_store(&ledger->epoch, 1);
    atomic_store(&ledger->catalogue, catalogue_create());
    int items = items_init(&ledger->items, config->items, config->pools, config->hash_seed);
    int entries = entries_init(&ledger->entries, config->reservations, config->remember_ms,
                               config->hash_seed);
    int returns = returns_init(&ledger->returns);
    if (items == 0 && entries == 0 && returns == 0 && ledger->clients &&
        atomic_load(&ledger->catalogue) && make_seats(ledger) && marks_init(ledger) == 0)
        return ledger;
    ledger_destroy(ledger);
    return NULL;
}

enum populated ledger_populate(struct ledger *ledger)
{
    return entries_populate(&ledger->entries);
}

void ledger_destroy(struct ledger *ledger)
{
    if (!ledger)
        return;
    free_all_versions(ledger);
    marks_destroy(ledger);
    items_destroy(&ledger->items);
    entries_destroy(&ledger->entries);
    returns_destroy(&ledger->returns);
    for (unsigned i = 0; i < ledger->seat_count && ledger->seats[i]; i++) {
        recent_destroy(&ledger->seats[i]->recent);
        memory_release(ledger->seats[i], sizeof(struct seat_memory));
    }
    memory_release(ledger->clients, CLIENTS_MAX * sizeof *ledger->clients);
    memory_release(ledger, sizeof *ledger);
}

struct seat *ledger_seat(struct ledger *ledger, unsigned index)
{
    assert(index < ledger->seat_count);
    return ledger->seats[index];
}

/* An entry that this seat owns. */
static void read_letter(struct seat *seat, struct entry *letter, uint64_t word)
{
    struct entries *entries = &seat->ledger->entries;
    assert(word_kind(word) == ENTRY_RESERVATION); /* it is mailed, so its slot was not reused */
    letter->mailed = false;
    if (letter->owner == seat->index) {
        wheel_unlink(&seat->wheel, entries, letter);
        letter->owner = NO_OWNER;
        if (word_state(word) == STATE_HELD) {
            letter->owner = seat->index;
            wheel_link(&seat->wheel, entries, letter, letter->expires_ms);
        } else if (state_final(word_state(word))) {
            slots_end(entries, &seat->cursor, letter, word);
        }
    }
    entry_put(letter, word);
}

static void read_mail(struct seat *seat)
{
    struct entries *entries = &seat->ledger->entries;
    struct entry *entry = wheel_take_mail(&seat->wheel, entries);
    while (entry) {
        struct entry *letter = entry;
        uint64_t word;
        entry = wheel_mail_next(entries, letter);
        if (entry_take(letter, &word))
            read_letter(seat, letter, word);
        else
            wheel_mail_again(&seat->wheel, entries, letter); /* next turn: ledger_next_deadline */
    }
}

void ledger_begin(struct seat *seat, uint64_t engine_ms, uint64_t wall_ms)
{
    assert(engine_ms >= seat->engine_ms);
    if (seat->engine_ms == 0)
        wheel_init(&seat->wheel, engine_ms);
    seat->engine_ms = engine_ms;
    seat->wall_ms = wall_ms;
    seat->cursor.now_ms = engine_ms;
    uint64_t turns = atomic_load_explicit(&seat->turns, memory_order_relaxed);
    atomic_store_explicit(&seat->turns, (turns + 1) | 1, memory_order_release);
    uint64_t epoch = atomic_load_explicit(&seat->ledger->epoch, memory_order_seq_cst);
    atomic_store_explicit(&seat->epoch, epoch, memory_order_seq_cst);
    read_mail(seat);
    slots_share(&seat->ledger->entries, &seat->cursor);
}

void ledger_end(struct seat *seat)
{
    assert(seat->ahead_at == seat->ahead_end);
    atomic_store_explicit(&seat->epoch, 0, memory_order_seq_cst);
    uint64_t turns = atomic_load_explicit(&seat->turns, memory_order_relaxed);
    atomic_store_explicit(&seat->turns, (turns | 1) + 1, memory_order_release);
}

const struct catalogue *ledger_catalogue(struct seat *seat)
{
    return catalogue_now(seat);
}

/* ---- fetching ahead ---- */

/* First the places where the tables say where to look. */
static void prefetch_places(struct seat *seat, struct ahead *ahead)
{
    const struct items *items = &seat->ledger->items;
    const struct entries *entries = &seat->ledger->entries;
    if (ahead->sku.len > SKU_MAX)
        ahead->sku.at = NULL;
    if (ahead->id.len > ID_MAX)
        ahead->id.at = NULL;
    ahead->entry = 0;
    if (text_given(ahead->sku)) {
        ahead->sku_hash = sku_hash(items, ahead->sku);
        items_prefetch_slot(items, ahead->sku_hash);
    }
    if (text_given(ahead->id)) {
        ahead->id_hash = id_hash(entries, ahead->id);
        entries_prefetch_bucket(entries, ahead->id_hash);
    }
}

void ledger_prefetch(struct seat *seat, unsigned stage, struct ahead *ahead)
{
    struct ledger *ledger = seat->ledger;
    uint32_t pool;
    switch (stage) {
    case 0:
        prefetch_places(seat, ahead);
        break;
    case 1: /* then what lies there */
        if (text_given(ahead->sku))
            items_prefetch_named(&ledger->items, ahead->sku_hash);
        if (text_given(ahead->id))
            ahead->entry = entries_prefetch_entry(&ledger->entries, ahead->id_hash);
        break;
    default: /* and where a reservation's stock comes from */
        if (ahead->entry != 0 && entries_only_draw(&ledger->entries, ahead->entry - 1, &pool))
            items_prefetch_pool(&ledger->items, pool);
    }
}

/* ---- figures ---- */

void ledger_figures(const struct ledger *ledger, struct ledger_figures *figures)
{
    memset(figures, 0, sizeof *figures);
    for (unsigned i = 0; i < ledger->seat_count; i++) {
        const struct counters *c = &ledger->seats[i]->counters;
#define X(name) figures->name += atomic_load_explicit(&c->name, memory_order_relaxed);
        LEDGER_COUNTERS(X)
#undef X
    }
    figures->items = atomic_load_explicit(&ledger->items.count, memory_order_relaxed);
    figures->pools = atomic_load_explicit(&ledger->items.pool_count, memory_order_relaxed);
    figures->live = entries_live(&ledger->entries);
    figures->items_max = ledger->items.max_items;
    figures->pools_max = ledger->items.max_pools;
    figures->reservations_max = ledger->entries.max;
    figures->ids_taken = entries_taken(&ledger->entries);
    figures->ids_remembered = entries_remembered(&ledger->entries);
    figures->remember_ms = ledger->entries.remember_ms;
}
