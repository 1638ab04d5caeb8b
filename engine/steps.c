/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps: fulfil and cancel, in part or whole.
 *
 * A step with an op has an entry of its own, so that asking again gives its first result and does
 * nothing twice. The op's entry is taken first, then the reservation's; both are tried, never
 * waited for.
 */
#include "engine/ledger.h"

#include <string.h>

#include "engine/seat.h"

enum step_kind { STEP_FULFIL = RECORD_FULFIL, STEP_CANCEL = RECORD_CANCEL };

/* One step on its way. */
struct stepping {
    const struct step *asked;
    enum step_kind kind;
    struct entry *entry; /* the reservation, owned */
    uint64_t word;
    uint64_t content;
    bool done_before; /* there was nothing left to do */
    uint32_t part_count;
    struct step_part *parts; /* the seat's */
};

static const char *verb(enum step_kind kind)
{
    return kind == STEP_FULFIL ? "fulfilled" : "cancelled";
}

static enum entry_state goal(enum step_kind kind)
{
    return kind == STEP_FULFIL ? STATE_FULFILLED : STATE_CANCELLED;
}

static uint64_t fingerprint(const struct step *step, enum step_kind kind)
{
    uint64_t f = mix_text(mix_number(mix_number(0, kind), step->line_count), step->id);
    for (uint32_t i = 0; i < step->line_count; i++)
        f = mix_number(mix_text(f, step->lines[i].sku), (uint64_t)step->lines[i].qty);
    return f;
}

static enum code check_step(struct seat *seat, const struct step *step)
{
    enum code code = check_id(seat, "id", step->id);
    if (!code && text_given(step->op))
        code = check_id(seat, "op", step->op);
    if (!code && text_given(step->op) && text_equal(step->op, step->id))
        return fail(seat, CODE_BAD_REQUEST, "op must be another id than the reservation's");
    if (!code && step->line_count > LINES_MAX)
        return fail(seat, CODE_TOO_LARGE, "lines: a step has at most %d, not %u", LINES_MAX,
                    step->line_count);
    for (uint32_t i = 0; !code && i < step->line_count; i++) {
        int64_t qty = step->lines[i].qty;
        if (qty < 1 || qty > QUANTITY_MAX)
            code = fail(seat, CODE_BAD_REQUEST,
                        "lines[%u]: qty must be a whole number from 1 to %lld, not %lld", i,
                        (long long)QUANTITY_MAX, (long long)qty);
    }
    return code;
}

/* ---- which draws, and how much of each ---- */

void list_draws(struct seat *seat, struct entry *entry)
{
    struct draw_list *list = &seat->draw_list;
    struct draw_walk walk = draw_walk_start(&seat->ledger->entries, entry);
    struct draw *draw;
    for (list->count = 0; (draw = draw_walk_next(&walk)) != NULL; list->count++)
        list->draws[list->count] = draw;
}

/* Chains the draws of one item in their order. */
static void chain_draws(struct seat *seat)
{
    const struct items *items = &seat->ledger->items;
    struct draw_list *list = &seat->draw_list;
    item_map_empty(&seat->item_map);
    for (uint32_t i = list->count; i-- > 0;) {
        const struct pool *pool = pool_at(items, list->draws[i]->pool);
        uint64_t key = atomic_load_explicit(&pool->key, memory_order_relaxed);
        uint32_t *first = item_map_number(&seat->item_map, key_item(key), 0);
        list->next[i] = (uint16_t)*first;
        list->part[i] = 0;
        *first = i + 1;
    }
}

/* Settles at most so many units of one draw. How many. */
static int64_t choose_draw(struct draw_list *list, struct stepping *s, uint32_t index,
                           int64_t wanted)
{
    struct draw *draw = list->draws[index];
    if (list->part[index] == 0) {
        s->parts[s->part_count++] = (struct step_part){ draw, 0, (uint16_t)index };
        list->part[index] = (uint16_t)s->part_count;
    }
    struct step_part *part = &s->parts[list->part[index] - 1];
    int64_t left = (int64_t)draw_left(draw) - part->qty;
    int64_t qty = left < wanted ? left : wanted;
    part->qty += (uint32_t)qty;
    return qty;
}

static enum code too_little_left(struct seat *seat, const struct stepping *s,
                                 const struct order_line *line, int64_t left)
{
    fail(seat, CODE_WRONG_STATE, "only %lld of \"%.*s\" are left to be %s", (long long)left,
         (int)line->sku.len, line->sku.at, verb(s->kind));
    seat->failure.state = state_name(word_state(s->word));
    seat->failure.shorts[0] = (struct shortfall){ line->sku, line->qty, left };
    seat->failure.short_count = 1;
    return CODE_WRONG_STATE;
}

/* Spreads one line over the reservation's draws of that item, in their order. */
static enum code choose_line(struct seat *seat, struct stepping *s, const struct order_line *line)
{
    struct draw_list *list = &seat->draw_list;
    uint32_t item;
    enum code code = find_item(seat, line->sku, &item);
    if (code)
        return code;
    int64_t wanted = line->qty;
    uint32_t *first = item_map_number(&seat->item_map, item, 0);
    for (;;) {
        seat->work++;
        /* The next line of that item begins where this one ends. */
        while (*first != 0 && draw_left(list->draws[*first - 1]) == 0)
            *first = list->next[*first - 1];
        if (*first == 0)
            return too_little_left(seat, s, line, line->qty - wanted);
        wanted -= choose_draw(list, s, *first - 1, wanted);
        if (wanted == 0)
            return CODE_OK;
        *first = list->next[*first - 1];
    }
}

static void choose_all(struct seat *seat, struct stepping *s)
{
    struct draw_walk walk = draw_walk_start(&seat->ledger->entries, s->entry);
    struct draw *draw;
    for (uint16_t i = 0; (draw = draw_walk_next(&walk)) != NULL; i++)
        if (draw_left(draw) > 0)
            s->parts[s->part_count++] = (struct step_part){ draw, draw_left(draw), i };
}

static enum code choose_parts(struct seat *seat, struct stepping *s)
{
    const struct step *step = s->asked;
    enum code code = CODE_OK;
    if (step->line_count == 0) {
        choose_all(seat, s);
        return CODE_OK;
    }
    list_draws(seat, s->entry);
    chain_draws(seat);
    for (uint32_t i = 0; !code && i < step->line_count; i++)
        code = choose_line(seat, s, &step->lines[i]);
    return code;
}

/* ---- changing the pools ---- */

/* What the parts take from each pool, in the canonical order. */
static void gather_parts(struct plan *plan, const struct stepping *s)
{
    for (uint32_t i = 0; i < s->part_count; i++)
        plan->takes[i] = (struct plan_take){ s->parts[i].draw->pool, NOT_COUNTED, s->parts[i].qty };
    plan->take_count = merge_takes(plan->takes, s->part_count);
    plan->tentative = plan->take_count > 1;
}

static void undo_shipping(struct seat *seat, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct plan_take *take = &seat->plan.takes[i];
        struct pool_change back = { .on_hand = take->qty, .reserved = take->qty, .tentative = -1 };
        give_back(seat, take->pool, back);
    }
    mark_undone(seat, seat->plan.takes, count);
}

static enum code not_on_hand(struct seat *seat, const struct plan_take *take, uint64_t word)
{
    const struct items *items = &seat->ledger->items;
    uint64_t key = atomic_load_explicit(&pool_at(items, take->pool)->key, memory_order_relaxed);
    struct text sku = item_sku(item_at(items, key_item(key)));
    struct text at = code_text(&catalogue_now(seat)->locations[key_location(key)].code);
    fail(seat, CODE_INSUFFICIENT_STOCK,
         "only %lld of \"%.*s\" on hand at \"%.*s\": a count found less "
         "than was promised",
         (long long)word_on_hand(word), (int)sku.len, sku.at, (int)at.len, at.at);
    seat->failure.shorts[0] = (struct shortfall){ sku, take->qty, word_on_hand(word) };
    seat->failure.short_count = 1;
    return CODE_INSUFFICIENT_STOCK;
}

/* What is not there is found before anything is taken: a refusal leaves no undone takes. */
static enum code check_shipping(struct seat *seat)
{
    const struct plan *plan = &seat->plan;
    for (uint32_t i = 0; i < plan->take_count; i++) {
        const struct plan_take *take = &plan->takes[i];
        uint64_t word = pool_read(pool_at(&seat->ledger->items, take->pool));
        if (word_on_hand(word) < take->qty)
            return word_pending(word) != 0 ? CODE_DEFERRED : not_on_hand(seat, take, word);
    }
    return CODE_OK;
}

/* Rule T: what is shipped leaves the pools before the claim. It may not be there: in a short pool
 * more was promised than there is. */
static enum code ship(struct seat *seat, const struct stepping *s)
{
    struct plan *plan = &seat->plan;
    gather_parts(plan, s);
    enum code code = plan->tentative ? check_shipping(seat) : CODE_OK;
    for (uint32_t i = 0; !code && i < plan->take_count; i++) {
        const struct plan_take *take = &plan->takes[i];
        struct pool_change change = { -take->qty, -take->qty, plan->tentative ? 1 : 0 };
        uint64_t after;
        if (change_on_hand(seat, take->pool, change, INT64_MIN, NOT_COUNTED, &after) ==
            POOL_CHANGED)
            continue;
        undo_shipping(seat, i);
        return word_pending(after) != 0 ? CODE_DEFERRED : not_on_hand(seat, take, after);
    }
    return code;
}

/* ---- the step itself ---- */

/* Builds the record of a step that leads to that state; its length. */
static uint32_t build_record(struct seat *seat, const struct stepping *s, enum entry_state to)
{
    const struct step *step = s->asked;
    struct step_head_fields f = {
        .fixed = { .head = head_of(seat, (enum record_type)s->kind, to),
                   .time_ms = seat->wall_ms,
                   .content = s->content,
                   .step_count = step->line_count > 0 ? (uint16_t)s->part_count : 0 },
        .id = step->id,
        .op = step->op,
    };
    struct record_builder b = step_head_begin(seat->record, &f);
    for (uint32_t i = 0; i < f.fixed.step_count; i++) {
        struct step_record part = { .draw = s->parts[i].index, .qty = s->parts[i].qty };
        record_add(&b, &part, sizeof part);
    }
    return record_end(&b);
}

static void book_parts(struct stepping *s)
{
    for (uint32_t i = 0; i < s->part_count; i++) {
        struct draw *draw = s->parts[i].draw;
        if (s->kind == STEP_FULFIL)
            draw->fulfilled += s->parts[i].qty;
        else
            draw->cancelled += s->parts[i].qty;
        assert(draw->fulfilled + draw->cancelled <= draw->qty);
    }
}

enum entry_state state_of_draws(const struct entries *entries, struct entry *entry,
                                enum entry_state before)
{
    struct draw_walk walk = draw_walk_start(entries, entry);
    const struct draw *draw;
    bool fulfilled = false;
    while ((draw = draw_walk_next(&walk)) != NULL) {
        if (draw_left(draw) > 0)
            return before;
        fulfilled |= draw->fulfilled > 0;
    }
    return fulfilled ? STATE_FULFILLED : STATE_CANCELLED;
}

static bool may_step(enum step_kind kind, enum entry_state state)
{
    return state == STATE_CONFIRMED || (kind == STEP_CANCEL && state == STATE_HELD);
}

/* Asking for all when there is nothing left, and it was this kind of step that ended it. */
static bool already_done(const struct stepping *s)
{
    return s->asked->line_count == 0 && state_final(word_state(s->word)) &&
           (word_state(s->word) == goal(s->kind) || word_last(s->word) == s->kind);
}

/* What the id of a step of its own stood for before is not known, so that step claims now. */
static uint64_t claim(struct seat *seat, const struct stepping *s, uint32_t length)
{
    bool gives = s->kind == STEP_CANCEL && !text_given(s->asked->op);
    return gives ? journal_claim_give(seat, length, s->entry->lsn_last)
                 : journal_claim(seat, length);
}

/* On a reservation that is owned, and is put in any case. */
static enum code step_reservation(struct seat *seat, struct stepping *s, struct reservation_view *r)
{
    const struct step_part *parts = s->parts = seat->parts;
    if (already_done(s)) {
        view_reservation(seat, s->entry, s->word, false, r);
        entry_put(s->entry, s->word);
        s->done_before = true;
        COUNT(seat, repeats);
        return CODE_OK;
    }
    if (!may_step(s->kind, word_state(s->word)))
        return wrong_state(seat, s->entry, s->word, verb(s->kind));
    enum code code = choose_parts(seat, s);
    if (!code && s->kind == STEP_FULFIL)
        code = ship(seat, s);
    if (code) {
        entry_put(s->entry, s->word);
        return code;
    }
    book_parts(s); /* nothing can go wrong any more */
    enum entry_state to = state_of_draws(&seat->ledger->entries, s->entry, word_state(s->word));
    uint32_t length = build_record(seat, s, to);
    uint64_t position = claim(seat, s, length);
    for (uint32_t i = 0; s->kind == STEP_CANCEL && i < s->part_count; i++)
        give_back(seat, parts[i].draw->pool,
                  (struct pool_change){ .reserved = -(int64_t)parts[i].qty });
    if (s->kind == STEP_FULFIL)
        decide_takes(seat);
    for (uint32_t i = 0; i < s->part_count; i++)
        mark_pool(seat, parts[i].draw->pool, position + length);
    journal_publish(seat, position); /* now that it is applied: see log_head */
    s->entry->lsn_last = position + length;
    uint64_t word = word_with_last(with_state(s->word, to), s->kind);
    view_reservation(seat, s->entry, word, false, r);
    settle_entry(seat, s->entry, word);
    return CODE_OK;
}

static enum code run_step(struct seat *seat, struct stepping *s, struct reservation_view *r)
{
    enum code code = take_reservation(seat, s->asked->id, &s->entry, &s->word);
    return code ? code : step_reservation(seat, s, r);
}

static enum code repeat_step(struct seat *seat, struct entry *op, uint64_t word,
                             const struct stepping *s, struct reservation_view *r)
{
    bool same = word_kind(word) == ENTRY_STEP && op->content == s->content;
    if (same) {
        memset(r, 0, sizeof *r);
        r->lsn = op->lsn_first;
        r->state = state_name((enum entry_state)op->result_state);
        COUNT(seat, repeats);
    }
    entry_put(op, word);
    if (same)
        return CODE_OK;
    return fail(seat, CODE_CONFLICT, "op \"%.*s\" was used for something else",
                (int)s->asked->op.len, s->asked->op.at);
}

void remember_step(struct seat *seat, struct entry *op, uint64_t content, uint64_t lsn,
                   enum entry_state state, uint32_t id_len)
{
    op->content = content;
    op->lsn_first = op->lsn_last = lsn;
    op->result_state = state;
    op->draw_count = 0;
    uint64_t word = state_word(ENTRY_STEP, STATE_NONE, id_len);
    slots_end(&seat->ledger->entries, &seat->cursor, op, word);
    entry_put(op, word);
}

static enum entry_state state_named(const char *name)
{
    for (unsigned i = 0; i < STATE_COUNT; i++)
        if (state_name((enum entry_state)i) == name)
            return (enum entry_state)i;
    return STATE_NONE;
}

/* The op stands for this step from now on, also after a crash: so it has a record, and an LSN. */
static uint64_t write_op(struct seat *seat, const struct stepping *s, enum entry_state state)
{
    struct op_fields f = { .fixed = { .head = head_of(seat, RECORD_OP, state),
                                      .time_ms = seat->wall_ms,
                                      .content = s->content },
                           .id = s->asked->id,
                           .op = s->asked->op };
    struct record_builder b = op_begin(seat->record, &f);
    return journal_record(seat, record_end(&b));
}

static enum code run_step_once(struct seat *seat, struct stepping *s, struct reservation_view *r)
{
    struct text id = s->asked->op;
    struct entry *op;
    uint64_t word;
    bool known;
    enum code code = begin_id(seat, "op", id, &op, &word, &known);
    if (code)
        return code;
    if (known)
        return repeat_step(seat, op, word, s, r);
    code = run_step(seat, s, r);
    if (code) {
        entry_refuse(&seat->ledger->entries, &seat->cursor, op, word);
        return code;
    }
    if (s->done_before)
        r->lsn = write_op(seat, s, state_named(r->state));
    remember_step(seat, op, s->content, r->lsn, state_named(r->state), id.len);
    return CODE_OK;
}

static enum code step(struct seat *seat, const struct step *asked, enum step_kind kind,
                      struct reservation_view *r)
{
    enum code code = check_step(seat, asked);
    if (code)
        return code;
    struct stepping s = { .asked = asked, .kind = kind, .content = fingerprint(asked, kind) };
    code = CODE_DEFERRED;
    if (ledger_has_room(seat)) {
        takes_begin(seat);
        code = text_given(asked->op) ? run_step_once(seat, &s, r) : run_step(seat, &s, r);
        takes_end(seat);
    }
    if (code == CODE_DEFERRED)
        COUNT(seat, deferred);
    return code;
}

enum code ledger_fulfil(struct seat *seat, const struct step *asked, struct reservation_view *r)
{
    enum code code = step(seat, asked, STEP_FULFIL, r);
    if (code == CODE_OK)
        COUNT(seat, fulfils);
    return code;
}

enum code ledger_cancel(struct seat *seat, const struct step *asked, struct reservation_view *r)
{
    enum code code = step(seat, asked, STEP_CANCEL, r);
    if (code == CODE_OK)
        COUNT(seat, cancels);
    return code;
}
