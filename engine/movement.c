/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Movements: receive, adjust, count, return. Each changes what is on hand at one location.
 *
 * What adds stock adds it to the shared pool (or the damaged one): it claims its LSN first and is
 * applied then (rule G). What takes some away may take it from the location's allotted pools too
 * (place.c), and is applied first (rule T). A count does not know which it is before it has looked:
 * it takes the sum of one instant, and adds or takes the difference to what was counted if that is
 * on hand still; else it is deferred, and looks again.
 */
#include "engine/ledger.h"

#include <string.h>

#include "engine/seat.h"

/* One movement on its way. */
struct moving {
    const struct movement *asked;
    enum movement_kind kind;
    uint32_t item;
    bool unborn;         /* there is no such item yet: `item` means nothing */
    struct pool *pool;   /* that it adds to; NULL: there is none yet, or none to take from */
    bool fresh;          /* the pool was made by this movement */
    struct pool_key key; /* of that pool, or of the first that was taken from */
    int64_t key_delta;   /* what on hand grew by there; further pools are the plan's takes */
    uint32_t more_count; /* of further pools */
    uint64_t content;
    uint64_t position; /* of its claim */
    uint32_t length;   /* of its record; 0 as long as nothing is claimed */
    struct movement_result *result;
};

static uint64_t fingerprint(const struct movement *m, enum movement_kind kind)
{
    uint64_t f = mix_number(mix_number(0, kind), (uint64_t)m->qty);
    f = mix_text(f, m->sku);
    f = mix_text(f, m->location);
    f = mix_text(f, m->ref);
    f = mix_text(f, m->reason);
    f = mix_number(f, m->has_as_of ? m->as_of_ms + 1 : 0);
    return mix_number(f, m->damaged);
}

static uint32_t record_length(const struct moving *move)
{
    const struct movement *m = move->asked;
    uint32_t length = (uint32_t)sizeof(struct movement_record) + m->id.len + m->ref.len +
                      m->reason.len + move->more_count * (uint32_t)sizeof(struct change_record);
    return (length + 7) & ~UINT32_C(7);
}

static enum code check_text(struct seat *seat, const char *parameter, struct text t)
{
    if (t.len <= NAME_MAX_BYTES && (t.len == 0 || text_is_utf8(t)))
        return CODE_OK;
    return fail(seat, CODE_BAD_REQUEST, "%s must be at most %d bytes of UTF-8", parameter,
                NAME_MAX_BYTES);
}

static enum code check_movement(struct seat *seat, const struct movement *m,
                                enum movement_kind kind)
{
    enum code code = check_id(seat, "id", m->id);
    if (code || (code = check_text(seat, "ref", m->ref)) ||
        (code = check_text(seat, "reason", m->reason)))
        return code;
    int64_t least = kind == MOVE_ADJUST ? -QUANTITY_MAX : kind == MOVE_COUNT ? 0 : 1;
    const char *parameter = kind == MOVE_ADJUST ? "delta" : kind == MOVE_COUNT ? "counted" : "qty";
    if (m->qty < least || m->qty > QUANTITY_MAX || (kind == MOVE_ADJUST && m->qty == 0))
        return fail(seat, CODE_BAD_REQUEST,
                    "%s must be a whole number from %lld to %lld%s, not %lld", parameter,
                    (long long)least, (long long)QUANTITY_MAX,
                    kind == MOVE_ADJUST ? " and not 0" : "", (long long)m->qty);
    return CODE_OK;
}

/* An adjustment by more than there is. */
static enum code too_little(struct seat *seat, const struct movement *m, int64_t on_hand)
{
    fail(seat, CODE_INSUFFICIENT_STOCK, "only %lld of \"%.*s\" on hand at \"%.*s\"",
         (long long)on_hand, (int)m->sku.len, m->sku.at, (int)m->location.len, m->location.at);
    seat->failure.shorts[0] = (struct shortfall){ m->sku, -m->qty, on_hand };
    seat->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

static bool names_reservation(const struct moving *move)
{
    return move->kind == MOVE_RETURN && text_given(move->asked->ref);
}

/* No count is of the future; but the clock of the one who counted may be a little ahead of ours. */
enum { AHEAD_OF_US_MS = 5000 };

static enum code check_as_of(struct seat *seat, const struct movement *m)
{
    if (!m->has_as_of || m->as_of_ms <= seat->wall_ms + AHEAD_OF_US_MS)
        return CODE_OK;
    return fail(seat, CODE_BAD_REQUEST,
                "as_of must not be in the future: it is %llu ms ahead of the engine's clock",
                (unsigned long long)(m->as_of_ms - seat->wall_ms));
}

/* Makes nothing yet: a movement that is refused must leave no item and no pool. */
static enum code find_pool(struct seat *seat, struct moving *move)
{
    const struct movement *m = move->asked;
    struct items *items = &seat->ledger->items;
    const struct location *location;
    catalogue_pin(seat);
    enum code code = check_as_of(seat, m);
    if (!code)
        code = find_location(seat, "location", m->location, &location);
    if (code)
        return code;
    bool makes_item = move->kind == MOVE_RECEIVE || move->kind == MOVE_COUNT;
    code = find_item(seat, m->sku, &move->item);
    if (code && !(code == CODE_UNKNOWN_SKU && makes_item))
        return code;
    uint16_t at = location_index(seat->catalogue, location);
    uint16_t owner = owner_of(m->damaged ? POOL_DAMAGED : POOL_SHARED, 0);
    move->unborn = code == CODE_UNKNOWN_SKU;
    move->key = (struct pool_key){ move->item, at, owner };
    move->pool = move->unborn ? NULL : pool_find(items, move->item, at, owner);
    return CODE_OK;
}

/* Brings the pool that it adds to into being, and its item; all or nothing. The caller has checked
 * all else: nothing but another seat's change can stop the movement any more. */
static enum code make_pool(struct seat *seat, struct moving *move)
{
    struct items *items = &seat->ledger->items;
    if (move->pool)
        return CODE_OK;
    if (!pool_room_take(items))
        return fail(seat, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    enum code code = CODE_OK;
    if (move->unborn)
        code = make_item(seat, move->asked->sku, &move->item);
    if (code) {
        pool_room_give(items);
        return code;
    }
    move->key.item = move->item;
    move->pool = pool_make_in_room(items, move->item, move->key.location, move->key.owner);
    if (!move->pool)
        return fail(seat, CODE_LIMIT, "the table of pools is full (%u)", items->max_pools);
    move->fresh = true;
    return CODE_OK;
}

static void claim(struct seat *seat, struct moving *move)
{
    move->length = record_length(move);
    move->position = journal_claim(seat, move->length);
}

static enum code pool_is_full(struct seat *seat, const struct moving *move)
{
    return fail(seat, CODE_LIMIT, "a pool holds at most %lld units; \"%.*s\" has %lld on hand here",
                (long long)QUANTITY_MAX, (int)move->asked->sku.len, move->asked->sku.at,
                (long long)word_on_hand(pool_read(move->pool)));
}

/* Rule G: claim, then apply. counted: what must be on hand still, or NOT_COUNTED. */
static enum code move_up(struct seat *seat, struct moving *move, int64_t delta, int64_t counted)
{
    enum code code = make_pool(seat, move);
    if (code)
        return code;
    if (word_on_hand(pool_read(move->pool)) + delta > QUANTITY_MAX)
        return pool_is_full(seat, move);
    claim(seat, move);
    uint64_t after;
    struct pool_change change = { .on_hand = delta };
    uint32_t unit = pool_unit(&seat->ledger->items, move->pool);
    move->result->delta = move->key_delta = delta;
    enum pool_outcome outcome = change_on_hand(seat, unit, change, INT64_MIN, counted, &after);
    if (outcome == POOL_CHANGED)
        return CODE_OK;
    journal_void(seat, move->position, move->length); /* others changed it meanwhile */
    return outcome == POOL_FULL ? pool_is_full(seat, move) : CODE_DEFERRED;
}

static enum code unknown_reservation(struct seat *seat, const struct movement *m)
{
    const struct return_evidence *e = m->evidence;
    if (!e || e->begins_lsn == 0)
        return fail(seat, CODE_UNKNOWN_RESERVATION, "no reservation \"%.*s\"", (int)m->ref.len,
                    m->ref.at);
    return fail(seat, CODE_UNKNOWN_RESERVATION,
                "no reservation \"%.*s\" in the journal, which is kept from lsn %llu on",
                (int)m->ref.len, m->ref.at, (unsigned long long)e->begins_lsn);
}

static enum code too_many_returned(struct seat *seat, const struct movement *m)
{
    const struct return_evidence *e = m->evidence;
    int64_t left = evidence_left(e);
    if (e->unproven == 0)
        fail(seat, CODE_WRONG_STATE,
             "reservation \"%.*s\" was fulfilled with %lld of \"%.*s\", and %lld came back: %lld "
             "are left to be returned",
             (int)m->ref.len, m->ref.at, (long long)e->fulfilled, (int)m->sku.len, m->sku.at,
             (long long)e->returned, (long long)left);
    else
        fail(seat, CODE_WRONG_STATE,
             "only %lld of \"%.*s\" are left to be returned: %lld were fulfilled before lsn %llu, "
             "from which on the journal is kept",
             (long long)left, (int)m->sku.len, m->sku.at, (long long)e->unproven,
             (unsigned long long)e->begins_lsn);
    seat->failure.state = e->state;
    seat->failure.shorts[0] = (struct shortfall){ m->sku, m->qty, left };
    seat->failure.short_count = 1;
    return CODE_WRONG_STATE;
}

/* May that much be returned of the reservation? last: LSN of the last return that may name it. */
static enum code check_returned(struct seat *seat, struct moving *move, uint64_t last)
{
    const struct movement *m = move->asked;
    const struct return_evidence *e = m->evidence;
    if (m->ref.len < 1 || m->ref.len > ID_MAX || text_equal(m->ref, m->id))
        return unknown_reservation(seat, m);
    if (!e || e->upto < last) {
        seat->needs_evidence = true;
        return CODE_DEFERRED;
    }
    if (!e->known)
        return unknown_reservation(seat, m);
    return m->qty <= evidence_left(e) ? CODE_OK : too_many_returned(seat, m);
}

/* One at a time for each reservation, so that none misses another (R1, R2). */
static enum code move_back(struct seat *seat, struct moving *move)
{
    struct ledger *ledger = seat->ledger;
    uint64_t hash = id_hash(&ledger->entries, move->asked->ref);
    _Atomic uint64_t *slot = return_slot(&ledger->returns, hash);
    uint64_t last;
    if (!return_slot_take(slot, &last))
        return CODE_DEFERRED;
    enum code code = check_returned(seat, move, last);
    if (!code)
        code = move_up(seat, move, move->asked->qty, NOT_COUNTED);
    return_slot_put(slot, code ? last : move->position + move->length);
    return code;
}

static struct pool_key key_of(const struct seat *seat, uint32_t unit)
{
    const struct pool *pool = pool_at(&seat->ledger->items, unit);
    uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
    return (struct pool_key){ key_item(key), key_location(key), key_owner(key) };
}

/* Rule T: apply, then claim. From the pools that were looked at. */
static enum code move_down(struct seat *seat, struct moving *move, int64_t missing, bool as_counted)
{
    struct plan *plan = &seat->plan;
    if (!remove_from_place(seat, missing, as_counted))
        return CODE_DEFERRED;
    move->key = key_of(seat, plan->takes[0].pool);
    move->key_delta = -plan->takes[0].qty;
    move->more_count = plan->take_count - 1;
    move->result->delta = -missing;
    claim(seat, move);
    decide_takes(seat);
    return CODE_OK;
}

static enum code adjust_down(struct seat *seat, struct moving *move, int64_t missing)
{
    struct place place;
    look_at_place(seat, move->item, move->key.location, &place);
    if (place.on_hand >= missing)
        return move_down(seat, move, missing, false);
    if (place.pending || (seat->plan.take_count > 1 && !place.quiet))
        return CODE_DEFERRED;
    return too_little(seat, move->asked, place.on_hand);
}

/* ---- counting ---- */

/* What has moved at the location since it was counted; false if that is no longer known. */
static bool moved_since(const struct seat *seat, uint64_t as_of_ms, int64_t *moved)
{
    uint32_t units[TAKES_MAX];
    const struct plan *plan = &seat->plan;
    for (uint32_t i = 0; i < plan->take_count; i++)
        units[i] = plan->takes[i].pool;
    bool known = true;
    for (unsigned i = 0; i < seat->ledger->seat_count; i++)
        known &=
            recent_since(&seat->ledger->seats[i]->recent, as_of_ms, units, plan->take_count, moved);
    return known;
}

static enum code too_long_ago(struct seat *seat)
{
    return fail(seat, CODE_BAD_REQUEST,
                "as_of lies further back than movements are remembered; count again");
}

static bool is_moving(struct seat *seat, const struct moving *move)
{
    struct place place;
    look_at_place(seat, move->item, move->key.location, &place);
    return !place.quiet || place.pending;
}

/* Makes the pool of a count, unless the count is to be refused. How far back it reaches is decided
 * before: what moved in a pool that has just been made is remembered in any case. So a count that
 * would only be deferred makes none: it may reach back too far when it is tried again. */
static enum code prepare_count(struct seat *seat, struct moving *move)
{
    const struct movement *m = move->asked;
    int64_t moved = 0;
    if (move->pool)
        return CODE_OK;
    seat->plan.take_count = 0;
    if (m->has_as_of && !moved_since(seat, m->as_of_ms, &moved))
        return too_long_ago(seat);
    if (!move->unborn && is_moving(seat, move))
        return CODE_DEFERRED;
    return make_pool(seat, move);
}

/* Deferred whenever something moved while it looked: a count is rare, and is tried again. */
static enum code move_to_count(struct seat *seat, struct moving *move)
{
    enum code code = prepare_count(seat, move);
    if (code)
        return code;
    const struct movement *m = move->asked;
    const struct item *item = item_at(&seat->ledger->items, move->item);
    struct place place;
    uint32_t stamp;
    int64_t moved = 0;
    bool quiet = gives_quiet(item, &stamp);
    look_at_place(seat, move->item, move->key.location, &place);
    bool known = !m->has_as_of || moved_since(seat, m->as_of_ms, &moved);
    /* Pending: perhaps a fulfil that will put back what it took from what is on hand. */
    if (!quiet || !gives_unchanged(item, stamp) || place.pending)
        return CODE_DEFERRED;
    if (!known && !move->fresh)
        return too_long_ago(seat);
    assert(seat->plan.takes[0].pool == pool_unit(&seat->ledger->items, move->pool));
    int64_t target = m->qty + moved > 0 ? m->qty + moved : 0;
    int64_t delta = target - place.on_hand;
    if (delta > 0)
        return move_up(seat, move, delta, seat->plan.takes[0].counted);
    if (delta < 0)
        return move_down(seat, move, -delta, true);
    claim(seat, move);
    return CODE_OK;
}

static enum code apply_movement(struct seat *seat, struct moving *move)
{
    if (move->kind == MOVE_COUNT)
        return move_to_count(seat, move);
    if (names_reservation(move))
        return move_back(seat, move);
    if (move->asked->qty > 0)
        return move_up(seat, move, move->asked->qty, NOT_COUNTED);
    return adjust_down(seat, move, -move->asked->qty);
}

static void write_record(struct seat *seat, struct moving *move)
{
    const struct movement *m = move->asked;
    const struct movement_result *r = move->result;
    struct movement_fields f = { .fixed = { .head = head_of(seat, RECORD_MOVEMENT, move->kind),
                                            .content = move->content,
                                            .time_ms = seat->wall_ms,
                                            .pool = move->key,
                                            .on_hand = r->on_hand,
                                            .available = r->available,
                                            .delta = (int32_t)move->key_delta,
                                            .more_count = (uint16_t)move->more_count },
                                 .id = m->id,
                                 .ref = m->ref,
                                 .reason = m->reason };
    struct record_builder b = movement_begin(seat->record, &f);
    for (uint32_t i = 1; i <= move->more_count; i++) {
        const struct plan_take *take = &seat->plan.takes[i];
        struct change_record more = { key_of(seat, take->pool), -(int32_t)take->qty };
        record_add(&b, &more, sizeof more);
    }
    uint32_t length = record_end(&b);
    assert(length == move->length);
    (void)length;
    mark_item(seat, move->item, move->position + move->length);
    journal_publish(seat, move->position);
}

struct movement_result first_movement(const struct entry *entry)
{
    return (struct movement_result){ entry->lsn_first, entry->delta, entry->movement.on_hand,
                                     entry->movement.available };
}

enum code repeat_movement(struct seat *seat, struct entry *entry, uint64_t word, struct text id,
                          uint64_t content, struct movement_result *result)
{
    bool same = word_kind(word) == ENTRY_MOVEMENT && entry->content == content;
    if (same) {
        *result = first_movement(entry);
        COUNT(seat, repeats);
    }
    entry_put(entry, word);
    if (same)
        return CODE_OK;
    return fail(seat, CODE_CONFLICT, "id \"%.*s\" was used for something else", (int)id.len, id.at);
}

void remember_movement(struct seat *seat, struct entry *entry, uint64_t content,
                       const struct movement_result *r, uint32_t id_len)
{
    entry->content = content;
    entry->lsn_first = entry->lsn_last = r->lsn;
    entry->delta = r->delta;
    entry->movement = (struct movement_outcome){ r->on_hand, r->available };
    entry->draw_count = 0;
    uint64_t word = state_word(ENTRY_MOVEMENT, STATE_NONE, id_len);
    slots_end(&seat->ledger->entries, &seat->cursor, entry, word);
    entry_put(entry, word);
}

static enum code perform(struct seat *seat, struct moving *move)
{
    const struct movement *m = move->asked;
    struct entry *entry;
    uint64_t word;
    bool known;
    enum code code = begin_id(seat, "id", m->id, &entry, &word, &known);
    if (code)
        return code;
    if (known)
        return repeat_movement(seat, entry, word, m->id, move->content, move->result);
    code = find_pool(seat, move);
    if (!code)
        code = apply_movement(seat, move);
    if (code) {
        entry_refuse(&seat->ledger->entries, &seat->cursor, entry, word);
        return code;
    }
    sum_place(seat, move->item, move->key.location, &move->result->on_hand,
              &move->result->available);
    write_record(seat, move);
    move->result->lsn = move->position + move->length;
    remember_movement(seat, entry, move->content, move->result, m->id.len);
    COUNT(seat, movements);
    return CODE_OK;
}

static enum code move_stock(struct seat *seat, const struct movement *m, enum movement_kind kind,
                            struct movement_result *r)
{
    enum code code = check_movement(seat, m, kind);
    if (code)
        return code;
    if (!ledger_has_room(seat))
        return CODE_DEFERRED;
    struct moving move = { .asked = m, .kind = kind, .content = fingerprint(m, kind), .result = r };
    takes_begin(seat);
    *r = (struct movement_result){ 0 };
    code = perform(seat, &move);
    takes_end(seat);
    if (code == CODE_DEFERRED)
        COUNT(seat, deferred);
    return code;
}

enum code ledger_receive(struct seat *seat, const struct movement *m, struct movement_result *r)
{
    return move_stock(seat, m, MOVE_RECEIVE, r);
}

enum code ledger_adjust(struct seat *seat, const struct movement *m, struct movement_result *r)
{
    return move_stock(seat, m, MOVE_ADJUST, r);
}

enum code ledger_count(struct seat *seat, const struct movement *m, struct movement_result *r)
{
    return move_stock(seat, m, MOVE_COUNT, r);
}

enum code ledger_return(struct seat *seat, const struct movement *m, struct movement_result *r)
{
    seat->needs_evidence = false;
    return move_stock(seat, m, MOVE_RETURN, r);
}

bool ledger_needs_evidence(const struct seat *seat)
{
    return seat->needs_evidence;
}
