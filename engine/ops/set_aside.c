/* SPDX-License-Identifier: Apache-2.0 */
/* Ready: a place has set aside what a confirmed reservation draws from it. */
#include "engine/ledger/steps.h"

#include <assert.h>
#include <string.h>

#include "engine/base/fingerprint.h"
#include "engine/ledger/claim.h"
#include "engine/ledger/find.h"
#include "engine/ledger/operation_id.h"
#include "engine/ops/parts.h"
#include "engine/ops/precedence.h"
#include "engine/ops/reservation.h"
#include "engine/ops/reservation_find.h"
#include "engine/ops/sent_come.h"
#include "engine/store/draws.h"
#include "engine/txn/txn_run.h"

/* One step in progress. */
struct setting_aside {
    struct txn txn; /* its id is the step's op */
    const struct set_aside *asked;
    uint16_t location;
    bool done_before;                /* it was ready already; the op stands for that */
    struct reservation_view *result; /* NULL: nobody asked */
};

static enum code check_asked(struct ctx *ctx, const struct set_aside *asked)
{
    enum code code = check_id(ctx, "id", asked->id);
    if (!code && text_given(asked->op))
        code = check_id(ctx, "op", asked->op);
    if (!code && text_given(asked->op) && text_equal(asked->op, asked->id))
        code =
            fail_param(ctx, CODE_BAD_REQUEST, "op", "op must be another id than the reservation's");
    return code;
}

static uint64_t fingerprint(const struct set_aside *asked)
{
    uint64_t f = mix_text(mix_text(mix_number(0, RECORD_READY), asked->id), asked->location);
    return mix_number(f, asked->has_collect_by ? asked->collect_by_ms + 1 : 0);
}

/* What the listed draws of that one's pool have left, if it is the first of them; else 0. */
static int64_t left_of_pool(struct ctx *ctx, uint32_t index, uint32_t item)
{
    struct draw_list *list = &ctx->draw_list;
    int64_t left = 0;
    for (uint32_t at = *item_map_number(&list->map, item, 0); at != 0; at = list->next[at - 1]) {
        if (list->draws[at - 1]->pool != list->draws[index]->pool)
            continue;
        if (at - 1 < index)
            return 0;
        left += draw_left(list->draws[at - 1]);
    }
    return left;
}

/* What has not come yet cannot be set aside. */
static enum code check_come(struct ctx *ctx, const struct setting_aside *s)
{
    const struct items *items = &ctx->ledger->items;
    const struct draw_list *list = &ctx->draw_list;
    enum code code = CODE_OK;
    list_draws(ctx, s->txn.reservation);
    for (uint32_t i = list->count; i-- > 0;)
        chain_draw(ctx, i);
    for (uint32_t i = 0; !code && i < list->count; i++) {
        uint32_t unit = list->draws[i]->pool;
        uint64_t key = pool_read_key(pool_at(items, unit));
        int64_t there;
        if (key_location(key) != s->location || !incoming_find(items, unit))
            continue;
        int64_t left = left_of_pool(ctx, i, key_item(key));
        if (left == 0)
            continue;
        code = precedence_check(ctx, unit, s->txn.reservation, s->txn.entry, left, &there);
        if (code == CODE_INSUFFICIENT_STOCK)
            code = not_on_hand(ctx, unit, left, there);
    }
    return code;
}

static enum code prepare(struct ctx *ctx, const struct id_entry *entry)
{
    if (entry->tracked)
        return CODE_OK;
    uint32_t blocks = draws_reshaped_blocks(entry, true, 0, entry->ref_len);
    enum entry_found found = slots_prepare(&ctx->ledger->ids, &ctx->cursor, blocks);
    return found == ENTRY_ABSENT ? CODE_OK : no_slots(ctx, found);
}

/* It is what was asked for already. */
static enum code answer_again(struct ctx *ctx, struct setting_aside *s)
{
    struct txn *t = &s->txn;
    if (s->result)
        view_reservation(ctx, t->reservation, t->word, false, s->result);
    COUNT(ctx, repeats);
    s->done_before = true;
    t->done = !text_given(t->id);
    return CODE_OK;
}

static enum code plan(struct ctx *ctx, struct txn *t)
{
    struct setting_aside *s = (struct setting_aside *)t;
    const struct set_aside *asked = s->asked;
    const struct location *location;
    enum code code = reservation_hold(ctx, t, asked->id);
    catalogue_pin(ctx);
    if (!code)
        code = find_location(ctx, "location", asked->location, &location);
    if (code)
        return code;
    s->location = location_index(ctx->catalogue, location);
    struct part part = part_at(ctx, t->reservation, s->location);
    uint64_t collect_by_ms = asked->has_collect_by ? asked->collect_by_ms : 0;
    ctx->work += t->reservation->draw_count;
    if (word_state(t->word) != STATE_CONFIRMED)
        return reservation_wrong_state(ctx, t, "made ready");
    if (part.left == 0)
        return part_refused(ctx, t, asked->location, &part, "made ready");
    if (part.step == PART_READY && part.collect_by_ms == collect_by_ms)
        return answer_again(ctx, s);
    if (asked->has_collect_by && collect_by_ms <= ctx->wall_ms)
        return fail_param(ctx, CODE_BAD_REQUEST, "collect_by_ms",
                          "collect_by_ms must be in the future");
    code = check_come(ctx, s);
    return code ? code : prepare(ctx, t->reservation);
}

static uint32_t build_record(struct ctx *ctx, struct txn *t)
{
    const struct setting_aside *s = (const struct setting_aside *)t;
    const struct set_aside *asked = s->asked;
    if (s->done_before)
        return build_op_record(ctx, t, asked->id, STATE_CONFIRMED);
    struct set_aside_fields f = {
        .fixed = { .head = head_of(ctx, RECORD_READY, 0),
                   .time_ms = ctx->wall_ms,
                   .content = t->content,
                   .collect_by_ms = asked->has_collect_by ? asked->collect_by_ms : 0,
                   .location = s->location,
                   .channel = t->reservation->channel },
        .id = asked->id,
        .op = asked->op,
    };
    struct record_builder b = set_aside_begin(ctx->record, &f);
    return record_end(&b);
}

static void show(struct ctx *ctx, struct txn *t)
{
    const struct setting_aside *s = (const struct setting_aside *)t;
    struct id_entry *entry = t->reservation;
    if (s->done_before) {
        s->result->lsn = t->lsn;
    } else {
        bool tracked = draws_track(&ctx->ledger->ids, &ctx->cursor, entry, 0);
        assert(tracked); /* in slots that were set aside */
        (void)tracked;
        parts_set_ready(ctx, entry, s->location,
                        s->asked->has_collect_by ? s->asked->collect_by_ms : 0);
        entry->lsn_last = t->lsn;
        parts_watch(ctx, entry, t->word);
        if (s->result)
            view_reservation(ctx, entry, t->word, false, s->result);
    }
    entry_put(entry, t->word);
    if (t->entry)
        remember_step(ctx, t->entry, t->content, t->lsn, STATE_CONFIRMED, t->id.len);
}

static void repeat(struct ctx *ctx, struct txn *t)
{
    (void)ctx;
    view_step(t->entry, ((struct setting_aside *)t)->result);
}

static const struct txn_kind ready_txn = {
    .id_name = "op",
    .remembered = ENTRY_STEP,
    .plan = plan,
    .record = build_record,
    .show = show,
    .repeat = repeat,
};

enum code ledger_ready(struct ctx *ctx, const struct set_aside *asked, struct reservation_view *r)
{
    enum code code = check_asked(ctx, asked);
    if (code)
        return code;
    struct setting_aside s = { .txn = { .id = asked->op,
                                        .content = text_given(asked->op) ? fingerprint(asked) : 0 },
                               .asked = asked,
                               .result = r };
    code = txn_perform(ctx, &s.txn, &ready_txn);
    precedence_end(ctx, s.txn.reservation, code);
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    if (code == CODE_OK)
        COUNT(ctx, readied);
    return code;
}

/* No client asks for this. The reservation may be anything by now: then it is refused. */
enum code sent_come_set_aside(struct ctx *ctx, struct id_entry *entry, uint64_t word)
{
    const struct catalogue *catalogue = catalogue_now(ctx);
    uint16_t client = ctx->client;
    struct set_aside asked = { .id = entry_id(entry, word),
                               .location = code_text(
                                   &catalogue->locations[first_location(ctx, entry)].code) };
    struct setting_aside s = { .txn = { .reservation = entry, .word = word }, .asked = &asked };
    ctx->client = 0;
    enum code code = txn_perform(ctx, &s.txn, &ready_txn);
    precedence_end(ctx, s.txn.reservation, code);
    ctx->client = client;
    slots_unprepare(&ctx->ledger->ids, &ctx->cursor);
    if (code == CODE_OK)
        COUNT(ctx, readied);
    return code;
}
