/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Movements: receive, adjust, count, return. Each changes what is on hand in one pool.
 *
 * What adds stock claims its LSN first and is applied then (rule G); what takes some away is
 * applied first (rule T). A count does not know which it is before it has looked at the pool, and
 * what it saw may have changed by the time it is applied: then it is deferred, and looks again.
 */
#include "engine/ledger.h"

#include <string.h>

#include "engine/seat.h"

/* One movement on its way. */
struct moving {
    const struct movement *asked;
    enum movement_kind kind;
    uint32_t item;
    struct pool *pool;
    struct pool_key key;
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

static uint32_t record_length(const struct movement *m)
{
    uint32_t texts = m->id.len + m->ref.len + m->reason.len;
    return ((uint32_t)sizeof(struct movement_record) + texts + 7) & ~UINT32_C(7);
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

/* Sums over the pools at the location that can be sold. */
static void sum_location(const struct seat *seat, uint32_t item, uint16_t location,
                         struct movement_result *r)
{
    struct pool_walk walk = pool_walk_start(&seat->ledger->items, item);
    struct pool *pool;
    r->on_hand = r->available = 0;
    while ((pool = pool_walk_next(&walk)) != NULL) {
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        if (key_location(key) != location || !owner_sellable(key_owner(key)))
            continue;
        uint64_t word = pool_read(pool);
        r->on_hand += word_on_hand(word);
        r->available += word_available(word);
    }
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

/* The reservation that a return names must be known. The caller owns the entry of its own id, so
 * that this one would be found busy for ever. */
static enum code check_returned(struct seat *seat, const struct movement *m)
{
    struct entries *entries = &seat->ledger->entries;
    struct entry *entry;
    uint64_t word;
    enum entry_found found = ENTRY_ABSENT;
    if (m->ref.len >= 1 && m->ref.len <= ID_MAX && !text_equal(m->ref, m->id))
        found = entries_find(entries, m->ref, id_hash(entries, m->ref), &entry, &word);
    if (found == ENTRY_UNDECIDED)
        return CODE_DEFERRED;
    bool known = false;
    if (found == ENTRY_FOUND) {
        known = word_kind(word) == ENTRY_RESERVATION;
        entry_put(entry, word);
    }
    if (known)
        return CODE_OK;
    return fail(seat, CODE_UNKNOWN_RESERVATION, "no reservation \"%.*s\"", (int)m->ref.len,
                m->ref.at);
}

static enum code find_pool(struct seat *seat, struct moving *move)
{
    const struct movement *m = move->asked;
    const struct location *location;
    catalogue_pin(seat);
    enum code code = find_location(seat, "location", m->location, &location);
    if (code)
        return code;
    bool makes_item = move->kind == MOVE_RECEIVE || move->kind == MOVE_COUNT;
    code = makes_item ? make_item(seat, m->sku, &move->item) : find_item(seat, m->sku, &move->item);
    if (code)
        return code;
    uint16_t at = location_index(seat->catalogue, location);
    uint16_t owner = owner_of(m->damaged ? POOL_DAMAGED : POOL_SHARED, 0);
    move->key = (struct pool_key){ move->item, at, owner };
    /* What takes away makes no pool: there is nothing in it to take. */
    bool takes = move->kind == MOVE_ADJUST && m->qty < 0;
    if (takes && !pool_find(&seat->ledger->items, move->item, at, owner))
        return too_little(seat, m, 0);
    move->pool = pool_make(&seat->ledger->items, move->item, at, owner);
    if (!move->pool)
        return fail(seat, CODE_LIMIT, "the table of pools is full (%u)",
                    seat->ledger->items.max_pools);
    return CODE_OK;
}

static void claim(struct seat *seat, struct moving *move)
{
    move->length = record_length(move->asked);
    move->position = journal_claim(seat, move->length);
}

static enum code pool_is_full(struct seat *seat, const struct moving *move)
{
    return fail(seat, CODE_LIMIT, "a pool holds at most %lld units; \"%.*s\" has %lld on hand here",
                (long long)QUANTITY_MAX, (int)move->asked->sku.len, move->asked->sku.at,
                (long long)word_on_hand(pool_read(move->pool)));
}

static uint32_t unit_of(const struct seat *seat, const struct moving *move)
{
    return pool_unit(&seat->ledger->items, move->pool);
}

/* Rule G: claim, then apply. */
static enum code move_up(struct seat *seat, struct moving *move, int64_t delta)
{
    if (word_on_hand(pool_read(move->pool)) + delta > QUANTITY_MAX)
        return pool_is_full(seat, move);
    claim(seat, move);
    uint64_t after;
    struct pool_change change = { .on_hand = delta };
    move->result->delta = delta;
    if (change_on_hand(seat, unit_of(seat, move), change, &after) == POOL_CHANGED)
        return CODE_OK;
    journal_void(seat, move->position, move->length); /* others filled it meanwhile */
    return pool_is_full(seat, move);
}

/* Rule T: apply, then claim. */
static enum code move_down(struct seat *seat, struct moving *move, int64_t delta)
{
    uint64_t after;
    struct pool_change change = { .on_hand = delta };
    if (change_on_hand(seat, unit_of(seat, move), change, &after) == POOL_CHANGED) {
        claim(seat, move);
        move->result->delta = delta;
        return CODE_OK;
    }
    if (word_pending(after) != 0)
        return CODE_DEFERRED;
    return too_little(seat, move->asked, word_on_hand(after));
}

/* ---- counting ---- */

/* What on hand should be now: what was counted, and what has moved since it was. */
static enum code counted_now(struct seat *seat, const struct moving *move, int64_t *target)
{
    const struct movement *m = move->asked;
    int64_t moved = 0;
    bool known = true;
    for (unsigned i = 0; m->has_as_of && i < seat->ledger->seat_count; i++)
        known &=
            recent_since(&seat->ledger->seats[i]->recent, m->as_of_ms, unit_of(seat, move), &moved);
    *target = m->qty + moved > 0 ? m->qty + moved : 0;
    if (!known)
        return fail(seat, CODE_BAD_REQUEST,
                    "as_of lies further back than movements are remembered; count again");
    if (*target > QUANTITY_MAX)
        return pool_is_full(seat, move);
    return CODE_OK;
}

/* Swaps the word that the count saw for the counted one; false if it has changed meanwhile. */
static bool swap_counted(struct seat *seat, struct moving *move, int64_t target, uint64_t word)
{
    struct item *item = item_at(&seat->ledger->items, move->item);
    uint64_t counted = word_make(target, word_reserved(word), word_pending(word));
    move->result->delta = target - word_on_hand(word);
    gives_begin(item);
    bool swapped = atomic_compare_exchange_strong_explicit(
        &move->pool->word, &word, counted, memory_order_acq_rel, memory_order_acquire);
    if (swapped)
        recent_add(&seat->recent, seat->wall_ms, unit_of(seat, move), move->result->delta);
    gives_end(item);
    return swapped;
}

/* Deferred whenever something moved while it looked: a count is rare, and is tried again. */
static enum code move_to_count(struct seat *seat, struct moving *move)
{
    const struct item *item = item_at(&seat->ledger->items, move->item);
    uint32_t stamp;
    bool quiet = gives_quiet(item, &stamp);
    int64_t target;
    enum code code = counted_now(seat, move, &target);
    uint64_t word = pool_read(move->pool);
    /* Pending: perhaps a fulfil that will put back what it took from what is on hand. */
    if (!quiet || !gives_unchanged(item, stamp) || word_pending(word) != 0)
        return CODE_DEFERRED;
    if (code)
        return code;
    if (target <= word_on_hand(word)) { /* found less, or the same: rule T */
        if (!swap_counted(seat, move, target, word))
            return CODE_DEFERRED;
        claim(seat, move);
        return CODE_OK;
    }
    claim(seat, move); /* found more: rule G */
    if (swap_counted(seat, move, target, word))
        return CODE_OK;
    journal_void(seat, move->position, move->length);
    return CODE_DEFERRED;
}

static enum code apply_movement(struct seat *seat, struct moving *move)
{
    if (move->kind == MOVE_COUNT)
        return move_to_count(seat, move);
    if (move->asked->qty > 0)
        return move_up(seat, move, move->asked->qty);
    return move_down(seat, move, move->asked->qty);
}

static void write_record(struct seat *seat, struct moving *move)
{
    const struct movement *m = move->asked;
    const struct movement_result *r = move->result;
    struct movement_record record = { .head = head_of(seat, RECORD_MOVEMENT, move->kind),
                                      .content = move->content,
                                      .time_ms = seat->wall_ms,
                                      .pool = move->key,
                                      .delta = (int32_t)r->delta,
                                      .on_hand = (int32_t)r->on_hand,
                                      .available = (int32_t)r->available,
                                      .id_len = (uint8_t)m->id.len,
                                      .ref_len = (uint8_t)m->ref.len,
                                      .reason_len = (uint8_t)m->reason.len };
    struct record_builder b = record_begin(seat->record, &record, sizeof record);
    record_add_text(&b, m->id);
    record_add_text(&b, m->ref);
    record_add_text(&b, m->reason);
    uint32_t length = record_end(&b);
    assert(length == move->length);
    (void)length;
    mark_item(seat, move->item, move->position + move->length);
    journal_publish(seat, move->position);
}

/* The first result of an id that is known already. */
static enum code repeat_movement(struct seat *seat, struct entry *entry, uint64_t word,
                                 const struct moving *move)
{
    bool same = word_kind(word) == ENTRY_MOVEMENT && entry->content == move->content;
    if (same) {
        *move->result =
            (struct movement_result){ entry->lsn_first, entry->movement.delta,
                                      entry->movement.on_hand, entry->movement.available };
        COUNT(seat, repeats);
    }
    entry_put(entry, word);
    if (same)
        return CODE_OK;
    return fail(seat, CODE_CONFLICT, "id \"%.*s\" was used for something else",
                (int)move->asked->id.len, move->asked->id.at);
}

void remember_movement(struct ledger *ledger, struct entry *entry, uint64_t content,
                       const struct movement_result *r, uint32_t id_len)
{
    entry->content = content;
    entry->lsn_first = entry->lsn_last = r->lsn;
    entry->movement =
        (struct movement_outcome){ (int32_t)r->delta, (int32_t)r->on_hand, (int32_t)r->available };
    entry->draw_count = 0;
    entry_put(entry, state_word(ENTRY_MOVEMENT, STATE_NONE, id_len));
    entry_release_slot(&ledger->entries, entry); /* nothing live hangs on it */
}

static enum code perform(struct seat *seat, struct moving *move)
{
    struct ledger *ledger = seat->ledger;
    const struct movement *m = move->asked;
    struct entry *entry;
    uint64_t word;
    uint64_t hash = id_hash(&ledger->entries, m->id);
    switch (entries_add(&ledger->entries, &seat->cursor, m->id, hash, &entry, &word)) {
    case ENTRY_FOUND:
        return repeat_movement(seat, entry, word, move);
    case ENTRY_UNDECIDED:
        return CODE_DEFERRED;
    case ENTRY_TABLE_FULL:
        return fail(seat, CODE_LIMIT, "the table of ids is full (%u)", ledger->entries.max);
    case ENTRY_ABSENT:
        break;
    }
    enum code code = CODE_OK;
    if (move->kind == MOVE_RETURN && text_given(m->ref))
        code = check_returned(seat, m);
    if (!code)
        code = find_pool(seat, move);
    if (!code)
        code = apply_movement(seat, move);
    if (code) {
        entry_refuse(&ledger->entries, entry, word);
        return code;
    }
    sum_location(seat, move->item, move->key.location, move->result);
    write_record(seat, move);
    move->result->lsn = move->position + move->length;
    remember_movement(ledger, entry, move->content, move->result, m->id.len);
    COUNT(seat, movements);
    return CODE_OK;
}

static enum code move_stock(struct seat *seat, const struct movement *m, enum movement_kind kind,
                            struct movement_result *r)
{
    enum code code = check_movement(seat, m, kind);
    if (code)
        return code;
    if (!log_has_room(seat->ledger->log))
        return CODE_DEFERRED;
    struct moving move = { .asked = m, .kind = kind, .content = fingerprint(m, kind), .result = r };
    takes_begin(seat);
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
    return move_stock(seat, m, MOVE_RETURN, r);
}
