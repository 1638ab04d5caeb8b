/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a reservation: extend, confirm, fulfil, cancel, expire.
 *
 * Each takes the entry (E1), so that it is alone with it; claims its LSN; and shows the new state
 * by giving the entry back (rule O). Cancelling and expiring give stock, so the pools are changed
 * after the claim (rule G); fulfilling takes from what is on hand, so it is applied before (T).
 */
#include "engine/ledger.h"

#include <string.h>

#include "engine/seat.h"

/* ---- what all of them share ---- */

static enum code unknown_reservation(struct seat *seat, struct text id)
{
    return fail(seat, CODE_UNKNOWN_RESERVATION, "no reservation \"%.*s\"", (int)id.len, id.at);
}

enum code take_reservation(struct seat *seat, struct text id, struct entry **entry, uint64_t *word)
{
    struct entries *entries = &seat->ledger->entries;
    enum code code = check_id(seat, "id", id);
    if (code)
        return code;
    for (;;) {
        enum entry_found found = entries_find(entries, id, id_hash(entries, id), entry, word);
        if (found == ENTRY_UNDECIDED)
            return CODE_DEFERRED;
        if (found == ENTRY_ABSENT)
            return unknown_reservation(seat, id);
        if (word_kind(*word) != ENTRY_RESERVATION) {
            entry_put(*entry, *word);
            return unknown_reservation(seat, id);
        }
        bool late = word_state(*word) == STATE_HELD && (*entry)->expires_ms <= seat->engine_ms;
        /* Where nothing can be written it stays a hold for ever: an expiry that is never durable is
         * none. */
        if (!late || log_has_failed(seat->ledger->log))
            return CODE_OK;
        if (!ledger_has_room(seat)) {
            entry_put(*entry, *word);
            return CODE_DEFERRED;
        }
        expire_entry(seat, *entry, *word);
    }
}

enum code wrong_state(struct seat *seat, struct entry *entry, uint64_t word, const char *wanted)
{
    enum entry_state state = word_state(word);
    struct text id = entry_id(entry, word);
    fail(seat, CODE_WRONG_STATE, "reservation \"%.*s\" is %s: it cannot be %s", (int)id.len, id.at,
         state_name(state), wanted);
    seat->failure.state = state_name(state);
    entry_put(entry, word);
    return CODE_WRONG_STATE;
}

void settle_entry(struct seat *seat, struct entry *entry, uint64_t word)
{
    struct entries *entries = &seat->ledger->entries;
    if (!state_final(word_state(word))) {
        entry_put(entry, word);
        return;
    }
    uint8_t owner = entry->owner;
    if (owner == seat->index) {
        wheel_unlink(&seat->wheel, entries, entry);
        owner = entry->owner = NO_OWNER;
    }
    if (owner != NO_OWNER) {
        /* Mailed before it is put, so that the slot is not reused with the letter under way. */
        wheel_mail(&seat->ledger->seats[owner]->wheel, entries, entry);
        entry_put(entry, word);
        return;
    }
    slots_end(entries, &seat->cursor, entry, word);
    entry_put(entry, word);
}

uint64_t with_state(uint64_t word, enum entry_state to)
{
    assert(word_kind(word) == ENTRY_RESERVATION);
    assert(state_may_become(word_state(word), to));
    uint64_t next = state_word(ENTRY_RESERVATION, to, word_id_len(word));
    return word_with_last(next, word_last(word));
}

void view_reservation(struct seat *seat, struct entry *entry, uint64_t word, bool first,
                      struct reservation_view *view)
{
    const struct catalogue *catalogue = catalogue_now(seat);
    const struct items *items = &seat->ledger->items;
    enum entry_state state = word_state(word);
    if (first)
        state = entry->ttl_ms ? STATE_HELD : STATE_CONFIRMED;
    view->lsn = first ? entry->lsn_first : entry->lsn_last;
    view->state = state_name(state);
    view->channel = code_text(&catalogue->channels[entry->channel].code);
    view->expires_ms = 0;
    if (first && entry->ttl_ms)
        view->expires_ms = entry->created_ms + entry->ttl_ms;
    else if (!first && state == STATE_HELD)
        view->expires_ms = wall_of(seat, entry->expires_ms);
    view->draw_count = entry->draw_count;
    seat->work += (uint64_t)DRAW_WORK * entry->draw_count;
    view->draws = seat->draw_views;
    struct draw_walk walk = draw_walk_start(&seat->ledger->entries, entry);
    struct draw *draw;
    for (struct draw_view *v = seat->draw_views; (draw = draw_walk_next(&walk)) != NULL; v++) {
        uint64_t key = atomic_load_explicit(&pool_at(items, draw->pool)->key, memory_order_relaxed);
        const struct location *location = &catalogue->locations[key_location(key)];
        *v = (struct draw_view){ item_sku(item_at(items, key_item(key))),
                                 code_text(&location->code),
                                 draw->qty,
                                 draw->fulfilled,
                                 draw->cancelled,
                                 draw_ready_ms(entry, draw) };
    }
}

enum code ledger_reservation(struct seat *seat, struct text id, struct reservation_view *r)
{
    struct entry *entry;
    uint64_t word;
    enum code code = take_reservation(seat, id, &entry, &word);
    if (code)
        return code;
    view_reservation(seat, entry, word, false, r);
    entry_put(entry, word);
    COUNT(seat, queries);
    return CODE_OK;
}

/* ---- extend ---- */

static void reschedule(struct seat *seat, struct entry *entry, bool sooner)
{
    struct entries *entries = &seat->ledger->entries;
    if (!sooner)
        return; /* it comes up at the old deadline and is linked again then */
    if (entry->owner == seat->index) {
        wheel_unlink(&seat->wheel, entries, entry);
        wheel_link(&seat->wheel, entries, entry, entry->expires_ms);
    } else if (wheel_mail(&seat->ledger->seats[entry->owner]->wheel, entries, entry)) {
        seat->pokes |= UINT64_C(1) << entry->owner;
    }
}

static enum code extend(struct seat *seat, struct text id, uint64_t ttl_ms,
                        struct reservation_view *r)
{
    struct entry *entry;
    uint64_t word;
    enum code code = take_reservation(seat, id, &entry, &word);
    if (code)
        return code;
    if (word_state(word) != STATE_HELD)
        return wrong_state(seat, entry, word, "extended");
    uint64_t expires = seat->engine_ms + ttl_ms;
    struct extend_fields f = { .fixed = { .head = head_of(seat, RECORD_EXTEND, clocks_of(seat)),
                                          .expires_ms = wall_of(seat, expires) },
                               .id = id };
    struct record_builder b = extend_begin(seat->record, &f);
    if (f.fixed.head.flags & RECORD_TWO_CLOCKS)
        record_add(&b, &expires, sizeof expires);
    entry->lsn_last = journal_record(seat, record_end(&b));
    bool sooner = expires < entry->expires_ms;
    entry->expires_ms = expires;
    reschedule(seat, entry, sooner);
    view_reservation(seat, entry, word, false, r);
    entry_put(entry, word);
    COUNT(seat, extends);
    return CODE_OK;
}

enum code ledger_extend(struct seat *seat, struct text id, uint64_t ttl_ms,
                        struct reservation_view *r)
{
    if (ttl_ms < 1 || ttl_ms > TTL_MAX_MS)
        return fail(seat, CODE_BAD_REQUEST, "ttl_ms must be a whole number from 1 to %u",
                    TTL_MAX_MS);
    enum code code = CODE_DEFERRED;
    if (ledger_has_room(seat))
        code = extend(seat, id, ttl_ms, r);
    if (code == CODE_DEFERRED)
        COUNT(seat, deferred);
    return code;
}

/* ---- confirm ---- */

static enum code confirm(struct seat *seat, struct text id, struct text ref,
                         struct reservation_view *r)
{
    struct entry *entry;
    uint64_t word;
    enum code code = take_reservation(seat, id, &entry, &word);
    if (code)
        return code;
    if (word_state(word) == STATE_CONFIRMED) {
        view_reservation(seat, entry, word, false, r);
        r->lsn = entry->lsn_confirmed;
        entry_put(entry, word);
        COUNT(seat, repeats);
        return CODE_OK;
    }
    if (word_state(word) != STATE_HELD)
        return wrong_state(seat, entry, word, "confirmed");
    struct confirm_fields f = {
        .fixed = { .head = head_of(seat, RECORD_CONFIRM, 0), .time_ms = seat->wall_ms },
        .id = id,
        .ref = ref,
    };
    struct record_builder b = confirm_begin(seat->record, &f);
    entry->lsn_last = entry->lsn_confirmed = journal_record(seat, record_end(&b));
    word = with_state(word, STATE_CONFIRMED);
    view_reservation(seat, entry, word, false, r);
    entry_put(entry, word); /* it leaves its wheel when its old deadline comes up */
    COUNT(seat, confirms);
    return CODE_OK;
}

enum code ledger_confirm(struct seat *seat, struct text id, struct text ref,
                         struct reservation_view *r)
{
    if (ref.len > NAME_MAX_BYTES || (ref.len > 0 && !text_is_utf8(ref)))
        return fail(seat, CODE_BAD_REQUEST, "ref must be at most %d bytes of UTF-8",
                    NAME_MAX_BYTES);
    enum code code = CODE_DEFERRED;
    if (ledger_has_room(seat))
        code = confirm(seat, id, ref, r);
    if (code == CODE_DEFERRED)
        COUNT(seat, deferred);
    return code;
}

/* ---- expire ---- */

/* Gives back all that is left of every draw, at that LSN. */
static void release_all(struct seat *seat, struct entry *entry, uint64_t lsn)
{
    struct draw_walk walk = draw_walk_start(&seat->ledger->entries, entry);
    struct draw *draw;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        int64_t left = draw_left(draw);
        if (left > 0) {
            give_back(seat, draw->pool, (struct pool_change){ .reserved = -left });
            mark_pool(seat, draw->pool, lsn);
        }
        draw->cancelled += (uint32_t)left;
    }
}

/* A partly fulfilled reservation is never held, so what expires was never fulfilled in part. */
void expire_entry(struct seat *seat, struct entry *entry, uint64_t word)
{
    struct expire_fields f = {
        .fixed = { .head = head_of(seat, RECORD_EXPIRE, 0), .time_ms = seat->wall_ms },
        .id = entry_id(entry, word),
    };
    f.fixed.head.client = 0; /* no client asked for it */
    struct record_builder b = expire_begin(seat->record, &f);
    uint32_t length = record_end(&b);
    uint64_t position = journal_claim(seat, length);
    release_all(seat, entry, position + length);
    journal_publish(seat, position); /* now that it is applied: see log_head */
    entry->lsn_last = position + length;
    settle_entry(seat, entry, word_with_last(with_state(word, STATE_EXPIRED), RECORD_EXPIRE));
    COUNT(seat, expired);
}

/* An entry that came up in the wheel, and is unlinked now. */
static void come_up(struct seat *seat, struct entry *entry)
{
    struct entries *entries = &seat->ledger->entries;
    uint64_t word;
    if (!entry_take(entry, &word)) {
        /* Busy with another seat. It is linked still, as that seat will have to assume. */
        wheel_link(&seat->wheel, entries, entry, seat->engine_ms + WHEEL_TICK_MS);
        return;
    }
    assert(entry->owner == seat->index);
    bool held = word_state(word) == STATE_HELD;
    bool due = held && entry->expires_ms <= seat->engine_ms;
    if (held && (!due || !ledger_has_room(seat))) {
        uint64_t next = due ? seat->engine_ms + WHEEL_TICK_MS : entry->expires_ms;
        wheel_link(&seat->wheel, entries, entry, next);
        entry_put(entry, word);
        return;
    }
    entry->owner = NO_OWNER;
    if (due)
        expire_entry(seat, entry, word);
    else
        settle_entry(seat, entry, word);
}

unsigned ledger_expire(struct seat *seat, unsigned budget)
{
    struct entries *entries = &seat->ledger->entries;
    if (log_has_failed(seat->ledger->log))
        return 0; /* nobody drains the log: it would fill it */
    for (unsigned done = 0; done < budget; done++) {
        struct entry *entry = wheel_take_due(&seat->wheel, entries, seat->engine_ms);
        if (!entry)
            return done;
        come_up(seat, entry);
    }
    return budget;
}

uint64_t ledger_next_deadline(const struct seat *seat)
{
    if (log_has_failed(seat->ledger->log))
        return UINT64_MAX; /* nothing expires any more */
    uint64_t next = wheel_next_ms(&seat->wheel);
    /* A letter that was found busy may be of a hold that is due now: nobody wakes this seat for it
     * a second time. Whoever has the entry puts it soon. */
    uint64_t soon = seat->engine_ms + WHEEL_TICK_MS;
    return wheel_has_mail(&seat->wheel) && next > soon ? soon : next;
}
