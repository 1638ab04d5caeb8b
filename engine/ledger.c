/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "engine/id_time.h"
#include "engine/memory.h"
#include "engine/seat.h"

static bool make_seats(struct ledger *ledger)
{
    for (unsigned i = 0; i < ledger->seat_count; i++) {
        struct seat *seat = memory_reserve(sizeof *seat);
        if (!seat)
            return false;
        seat->ledger = ledger;
        seat->index = (uint8_t)i;
        seat->cursor.seat = (uint8_t)i;
        seat->spare_item = UINT32_MAX;
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
        memory_release(ledger->seats[i], sizeof(struct seat));
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

void seat_set_client(struct seat *seat, uint16_t client)
{
    seat->client = client;
}

uint64_t seat_work(const struct seat *seat)
{
    return seat->work;
}

uint64_t seat_take_pokes(struct seat *seat)
{
    uint64_t pokes = seat->pokes;
    seat->pokes = 0;
    return pokes;
}

const struct failure *seat_failure(const struct seat *seat)
{
    return &seat->failure;
}

enum code fail(struct seat *seat, enum code code, const char *format, ...)
{
    struct failure *failure = &seat->failure;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    failure->state = NULL;
    failure->short_count = 0;
    return code;
}

const struct catalogue *ledger_catalogue(struct seat *seat)
{
    return catalogue_now(seat);
}

/* ---- journalling ---- */

bool ledger_has_room(struct seat *seat)
{
    return log_has_room_for(seat->ledger->log, &seat->claimed);
}

uint64_t journal_claim(struct seat *seat, uint32_t length)
{
    seat->claimed += length;
    return log_claim(seat->ledger->log, length);
}

void journal_publish(struct seat *seat, uint64_t position)
{
    log_publish(seat->ledger->log, position, (const struct record_head *)(void *)seat->record);
}

uint64_t journal_record(struct seat *seat, uint32_t length)
{
    uint64_t position = journal_claim(seat, length);
    journal_publish(seat, position);
    return position + length;
}

void journal_void(struct seat *seat, uint64_t position, uint32_t length)
{
    struct record_head head = head_of(seat, RECORD_VOID, 0);
    head.length = length;
    log_publish_head(seat->ledger->log, position, &head);
}

/* ---- claims ahead ---- */

enum { AHEAD_MOST = 4096 }; /* bytes */

static void give_up_ahead(struct seat *seat)
{
    if (seat->ahead_at < seat->ahead_end)
        journal_void(seat, seat->ahead_at, (uint32_t)(seat->ahead_end - seat->ahead_at));
    seat->ahead_at = seat->ahead_end;
}

uint64_t journal_claim_give(struct seat *seat, uint32_t length, uint64_t after)
{
    uint64_t left = seat->ahead_end - seat->ahead_at;
    if (left > 0 && (left < length || seat->ahead_at < after)) {
        give_up_ahead(seat);
        left = 0;
    }
    if (left == 0) {
        uint32_t most = AHEAD_MOST / length, times = seat->expected < most ? seat->expected : most;
        uint32_t all = length * (times > 0 ? times : 1);
        seat->ahead_at = journal_claim(seat, all);
        seat->ahead_end = seat->ahead_at + all;
    }
    if (seat->expected > 0)
        seat->expected--;
    uint64_t position = seat->ahead_at;
    seat->ahead_at += length;
    return position;
}

void ledger_expect_cancels(struct seat *seat, unsigned count)
{
    seat->expected = count;
    if (count == 0)
        give_up_ahead(seat);
}

/* ---- checking what a request names ---- */

enum code check_id(struct seat *seat, const char *parameter, struct text id)
{
    if (id.len >= 1 && id.len <= ID_MAX)
        return CODE_OK;
    return fail(seat, CODE_BAD_REQUEST, "%s must be 1 to %d bytes, not %u", parameter, ID_MAX,
                id.len);
}

enum code find_location(struct seat *seat, const char *parameter, struct text code,
                        const struct location **location)
{
    *location = catalogue_location(seat->catalogue, code);
    if (*location)
        return CODE_OK;
    if (!text_is_code(code))
        return fail(seat, CODE_BAD_REQUEST, "%s must be 1 to 32 bytes of A-Za-z0-9._-", parameter);
    return fail(seat, CODE_UNKNOWN_LOCATION, "no location \"%.*s\"", (int)code.len, code.at);
}

enum code find_channel(struct seat *seat, struct text code, const struct channel **channel)
{
    *channel = catalogue_channel(seat->catalogue, code);
    if (*channel)
        return CODE_OK;
    if (!text_is_code(code))
        return fail(seat, CODE_BAD_REQUEST, "channel must be 1 to 32 bytes of A-Za-z0-9._-");
    return fail(seat, CODE_UNKNOWN_CHANNEL, "no channel \"%.*s\"", (int)code.len, code.at);
}

static enum code check_sku(struct seat *seat, struct text sku)
{
    if (text_is_sku(sku))
        return CODE_OK;
    return fail(seat, CODE_BAD_REQUEST, "sku must be 1 to %d bytes of UTF-8", SKU_MAX);
}

enum code find_item(struct seat *seat, struct text sku, uint32_t *item)
{
    struct items *items = &seat->ledger->items;
    int64_t found = sku.len <= SKU_MAX ? items_find(items, sku, sku_hash(items, sku)) : ITEM_NONE;
    if (found == ITEM_BUSY)
        return CODE_DEFERRED;
    if (found == ITEM_NONE) {
        enum code code = check_sku(seat, sku);
        return code ? code : fail(seat, CODE_UNKNOWN_SKU, "no item \"%.*s\"", (int)sku.len, sku.at);
    }
    *item = (uint32_t)found;
    return CODE_OK;
}

enum code make_item(struct seat *seat, struct text sku, uint32_t *item)
{
    enum code code = check_sku(seat, sku);
    if (code)
        return code;
    struct items *items = &seat->ledger->items;
    uint64_t hash = sku_hash(items, sku);
    int64_t found = items_find(items, sku, hash);
    if (found == ITEM_NONE) {
        found = items_create(items, sku, hash, &seat->spare_item);
        if (found == ITEM_FULL)
            return fail(seat, CODE_LIMIT, "the table of items is full (%u)", items->max_items);
        if (found >= 0) {
            struct item_fields f = { .fixed = { .head = head_of(seat, RECORD_ITEM, 0),
                                                .item = (uint32_t)found,
                                                .low_stock = -1,
                                                .backorder_limit = -1 },
                                     .sku = sku };
            struct record_builder b = item_begin(seat->record, &f);
            uint32_t length = record_end(&b);
            uint64_t position = journal_claim(seat, length);
            mark_item(seat, (uint32_t)found, position + length);
            journal_publish(seat, position);
            items_show(items, (uint32_t)found, hash); /* O: claimed, then shown */
        }
    }
    if (found == ITEM_BUSY)
        return CODE_DEFERRED;
    *item = (uint32_t)found;
    return CODE_OK;
}

/* ---- the id of an operation ---- */

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

/* ---- fingerprints ---- */

uint64_t mix_number(uint64_t so_far, uint64_t number)
{
    uint64_t mixed = (so_far ^ number) * UINT64_C(0x9e3779b97f4a7c15);
    return mixed ^ mixed >> 29;
}

uint64_t mix_text(uint64_t so_far, struct text t)
{
    if (!text_given(t))
        return mix_number(so_far, 1);
    return XXH3_64bits_withSeed(t.at, t.len, so_far);
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
