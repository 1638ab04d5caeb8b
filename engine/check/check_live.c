/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/check/check.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/memory.h"
#include "engine/check/check_rules.h"
#include "engine/ledger/change_index.h"
#include "engine/store/supply_lines.h"

enum {
    BUSY_MAX = 256,    /* entries to revisit; a context has at most a handful busy at a time */
    BUSY_TRIES = 1000, /* then they are skipped */
    LOOKS_MAX = 4096,  /* items compared before they are judged together */
    PEEKS = 8,         /* entries whose state can be read for the cost of one miss */
    FREE_STEP = 1 << 20,
};

enum phase { AWAIT_LOG, VISIT, REVISIT, COMPARE, AWAIT_ITERATIONS, JUDGE, FREE, DONE };

/* A compared item that is yet to be judged. */
struct look {
    uint32_t item;
    bool undecided, giving;  /* a take was undecided; a give was under way */
    const struct pool *pool; /* the first that differs; NULL: none */
    int64_t reserved;        /* of it */
    uint32_t promised;
};

struct check {
    struct rules rules;
    enum phase phase;
    uint64_t lsn; /* the log's tail when the pass began */
    uint64_t iterations[CONTEXTS_MAX];
    uint32_t awaited; /* contexts below this have ended the awaited iteration */
    uint32_t at;      /* entry or item */
    uint32_t items;   /* how many are checked */
    uint64_t *judged; /* one bit per item: judged */
    size_t judged_bytes;
    bool in_item; /* walk is in the middle of item `at` */
    struct pool_walk walk;
    uint32_t walked; /* pools of it */
    struct look look;
    uint32_t busy[BUSY_MAX];
    uint32_t busy_count, busy_tries;
    uint32_t skipped; /* entries that stayed busy in this pass */
    struct look looks[LOOKS_MAX];
    uint32_t look_count;
    size_t freed;
    struct check_report report;
};

struct check *check_start(struct ledger *ledger)
{
    struct check *check = memory_reserve(sizeof *check);
    if (!check)
        return NULL;
    check->items = change_index_items(ledger);
    check->judged_bytes = (size_t)check->items / 64 * 8 + 8;
    check->judged = memory_reserve(check->judged_bytes);
    if (rules_init(&check->rules, ledger) != 0 || !check->judged) {
        check_end(check);
        return NULL;
    }
    return check;
}

void check_end(struct check *check)
{
    if (!check)
        return;
    rules_destroy(&check->rules);
    memory_release(check->judged, check->judged_bytes);
    memory_release(check, sizeof *check);
}

const struct check_report *check_report(const struct check *check)
{
    return &check->report;
}

/* Records a broken rule. */
static void note(struct check *check)
{
    struct check_report *report = &check->report;
    if (report->broken < CHECK_FINDINGS)
        snprintf(report->findings[report->broken], sizeof report->findings[0], "%s",
                 check->rules.message);
    report->broken++;
}

/* ---- waiting for iterations ---- */

static uint64_t iterations_of(const struct check *check, uint32_t ctx)
{
    return atomic_load_explicit(&check->rules.ledger->contexts[ctx]->iterations,
                                memory_order_acquire);
}

static void await_iterations(struct check *check, enum phase phase)
{
    for (uint32_t i = 0; i < check->rules.ledger->context_count; i++)
        check->iterations[i] = iterations_of(check, i);
    check->awaited = 0;
    check->phase = phase;
}

/* Has each context ended the iteration that it was in? The caller's own has no operation under
 * way. */
static bool iterations_ended(struct check *check, const struct ctx *own)
{
    for (; check->awaited < check->rules.ledger->context_count; check->awaited++) {
        uint32_t i = check->awaited;
        bool in_iteration =
            check->iterations[i] % 2 != 0 && iterations_of(check, i) == check->iterations[i];
        if (in_iteration && i != own->index)
            return false;
    }
    return true;
}

static void begin_pass(struct check *check)
{
    struct log *log = check->rules.ledger->log;
    assert(check->busy_count == 0);
    assert(check->look_count == 0);
    assert(check->report.passes < CHECK_PASSES);
    check->report.passes++;
    check->report.reservations = check->report.supplies = 0;
    check->skipped = 0;
    check->lsn = atomic_load_explicit(&log->tail, memory_order_seq_cst);
    await_iterations(check, AWAIT_LOG);
}

/* ---- V: entries ---- */

static bool first_pass(const struct check *check)
{
    return check->report.passes == 1;
}

/* Visits an owned entry, which the caller puts. False: something is in the way. */
static bool visit_owned(struct check *check, struct id_entry *entry, uint64_t word)
{
    struct rules *rules = &check->rules;
    bool reservation = word_kind(word) == ENTRY_RESERVATION;
    bool supply = word_kind(word) == ENTRY_SUPPLY;
    bool live = !entry_over(word);
    bool undecided = false;
    if (word_kind(word) == ENTRY_FREE)
        return true; /* it has been freed since its state was read */
    if (first_pass(check) && !rule_found(rules, entry, word, &undecided))
        note(check);
    if (undecided)
        return false;
    if (first_pass(check)) {
        check->report.ids++;
        if (reservation && !rule_state(rules, entry, word))
            note(check);
    }
    bool good = true;
    if (reservation && (live || first_pass(check)))
        good = rule_draws(rules, entry, word);
    else if (supply && (live || first_pass(check)))
        good = rule_supply(rules, entry, word);
    if (!good && first_pass(check))
        note(check);
    check->report.reservations += live && reservation;
    check->report.supplies += live && supply;
    return true;
}

/* False: the entry is busy, and must be visited again. */
static bool visit(struct check *check, uint32_t number)
{
    struct id_entry *entry = entry_at(&check->rules.ledger->ids, number);
    /* Acquire: a thread that finds it not busy sees what its last owner did. */
    uint64_t word = atomic_load_explicit(&entry->state, memory_order_acquire);
    enum entry_kind kind = word_kind(word);
    bool live = !entry_over(word);
    /* A busy free or refused entry is fresh; an item that it draws from by now is not judged. */
    if (kind == ENTRY_FREE || kind == ENTRY_DRAWS || (kind == ENTRY_REFUSED && word & STATE_BUSY))
        return true;
    if (!live && !first_pass(check))
        return true;
    if (!entry_take(entry, &word))
        return false;
    bool done = visit_owned(check, entry, word);
    entry_put(entry, word);
    return done;
}

static uint64_t visited(const struct check *check)
{
    const struct check_report *report = &check->report;
    return report->ids + report->reservations + report->supplies;
}

static uint32_t visit_some(struct check *check, uint32_t budget)
{
    const struct id_table *ids = &check->rules.ledger->ids;
    assert(check->phase == VISIT);
    uint64_t used = id_table_used(ids);
    uint32_t end = check->at + budget * PEEKS;
    uint64_t taken = 0;
    if (end > used)
        end = (uint32_t)used;
    for (; check->at < end && check->busy_count < BUSY_MAX && taken < budget; check->at++) {
        uint64_t before = visited(check);
        if (!visit(check, check->at))
            check->busy[check->busy_count++] = check->at;
        taken += visited(check) - before;
    }
    bool over = check->at >= used;
    if (over || check->busy_count == BUSY_MAX) {
        check->busy_tries = 0;
        check->phase = REVISIT;
    }
    return budget;
}

/* Revisits busy entries. False: some are still busy. */
static bool revisit(struct check *check)
{
    uint32_t kept = 0;
    assert(check->busy_count <= BUSY_MAX);
    for (uint32_t i = 0; i < check->busy_count; i++)
        if (!visit(check, check->busy[i]))
            check->busy[kept++] = check->busy[i];
    check->busy_count = kept;
    if (kept > 0 && ++check->busy_tries < BUSY_TRIES)
        return false;
    check->skipped += kept;
    if (check->skipped > check->report.busy)
        check->report.busy = check->skipped;
    check->busy_count = 0;
    bool over = check->at >= id_table_used(&check->rules.ledger->ids);
    check->phase = over ? COMPARE : VISIT;
    if (over)
        check->at = 0;
    return true;
}

/* ---- W: items ---- */

static bool is_judged(const struct check *check, uint32_t item)
{
    assert(item < check->items);
    return check->judged[item / 64] >> item % 64 & 1;
}

static void set_judged(struct check *check, uint32_t item)
{
    check->judged[item / 64] |= UINT64_C(1) << item % 64;
}

static void compare_pool(struct check *check, const struct pool *pool)
{
    struct look *look = &check->look;
    struct rules *rules = &check->rules;
    uint32_t *promised = &rules->promised[pool_unit(&rules->ledger->items, pool)];
    uint64_t word = pool_read(pool);
    if (first_pass(check)) {
        check->report.pools++;
        if (!rule_pool(rules, look->item, pool))
            note(check);
    }
    look->undecided |= word_undecided(word) != 0;
    if (!look->pool && word_reserved(word) != *promised) {
        look->pool = pool;
        look->reserved = word_reserved(word);
        look->promised = *promised;
    }
    if (*promised != 0)
        *promised = 0; /* for the next pass */
}

static void begin_item(struct check *check, uint32_t index)
{
    const struct items *items = &check->rules.ledger->items;
    assert(!check->in_item);
    uint32_t stamp;
    bool stable = gives_stable(item_at(items, index), &stamp);
    check->look = (struct look){ .item = index, .giving = !stable };
    check->walk = pool_walk_start(items, index);
    check->walked = 0;
    check->in_item = true;
}

static void end_item(struct check *check)
{
    assert(check->in_item);
    assert(check->look.item == check->at);
    assert(check->look_count < LOOKS_MAX);
    bool there = check->walked > 0 || item_version(check->rules.ledger, check->at) > 0;
    check->report.items += there && first_pass(check);
    check->in_item = false;
    check->at++;
    check->looks[check->look_count++] = check->look;
}

/* Cost: finding a pool by its key passes those before it. */
static uint32_t compare_some_pools(struct check *check, uint32_t budget)
{
    uint32_t cost = 0;
    do {
        const struct pool *pool = pool_walk_next(&check->walk);
        cost++;
        if (!pool) {
            end_item(check);
            break;
        }
        compare_pool(check, pool);
        if (first_pass(check))
            cost += check->walked / PEEKS;
        check->walked++;
    } while (cost < budget);
    return cost;
}

static uint32_t compare_some(struct check *check, uint32_t budget)
{
    uint32_t cost = 0;
    while (cost < budget && check->at < check->items && check->look_count < LOOKS_MAX) {
        if (check->in_item) {
            cost += compare_some_pools(check, budget - cost);
        } else if (is_judged(check, check->at)) {
            check->at++;
            cost += check->at % PEEKS == 0;
        } else {
            begin_item(check, check->at);
        }
    }
    if (check->at == check->items || check->look_count == LOOKS_MAX)
        await_iterations(check, AWAIT_ITERATIONS);
    return cost;
}

/* ---- B ---- */

static void judge(struct check *check, const struct look *look)
{
    struct rules *rules = &check->rules;
    if (item_version(rules->ledger, look->item) > check->lsn)
        return;
    /* If an entry was skipped, a sum may be too small, but not too great. */
    if (look->pool && check->skipped > 0 && look->promised < look->reserved)
        return;
    assert(!is_judged(check, look->item)); /* it would not have been compared */
    set_judged(check, look->item);
    if (!rule_still(rules, look->item, look->undecided, look->giving))
        note(check);
    if (look->pool && !rule_sum(rules, look->pool, look->reserved, look->promised))
        note(check);
}

static uint64_t count_moving(const struct check *check)
{
    uint64_t moving = 0;
    for (uint32_t i = 0; i < check->items; i += 64) {
        uint64_t there =
            check->items - i < 64 ? (UINT64_C(1) << (check->items - i)) - 1 : ~UINT64_C(0);
        moving += (unsigned)__builtin_popcountll(there & ~check->judged[i / 64]);
    }
    return moving;
}

static void end_pass(struct check *check)
{
    check->report.moving = count_moving(check);
    assert(check->report.moving <= check->items);
    check->at = 0;
    if (check->report.moving == 0 || check->report.passes == CHECK_PASSES)
        check->phase = FREE;
    else
        begin_pass(check);
}

static uint32_t judge_some(struct check *check, uint32_t budget)
{
    uint32_t cost = 0;
    while (cost < budget && check->look_count > 0) {
        judge(check, &check->looks[--check->look_count]);
        cost++;
    }
    if (check->look_count > 0)
        return cost;
    if (check->at < check->items)
        check->phase = COMPARE;
    else
        end_pass(check);
    return cost;
}

/* ---- the machine ---- */

/* Frees the sums bit by bit: freeing a lot of memory at once would cause a pause. */
static void free_some(struct check *check)
{
    struct rules *rules = &check->rules;
    size_t bytes = (size_t)rules->ledger->items.unit_count * sizeof *rules->promised;
    assert(check->freed <= bytes);
    size_t step = bytes - check->freed < FREE_STEP ? bytes - check->freed : FREE_STEP;
    memory_empty((char *)rules->promised + check->freed, step);
    check->freed += step;
    if (check->freed == bytes)
        check->phase = DONE;
}

enum check_progress check_step(struct check *check, const struct ctx *ctx, uint32_t budget)
{
    while (check->phase != DONE) {
        uint32_t cost = 0;
        switch (check->phase) {
        case AWAIT_LOG:
            if (check->report.passes == 0)
                begin_pass(check);
            if (!iterations_ended(check, ctx))
                return CHECK_WAIT;
            check->phase = VISIT;
            break;
        case VISIT:
            cost = visit_some(check, budget);
            break;
        case REVISIT:
            if (!revisit(check))
                return CHECK_WAIT;
            break;
        case COMPARE:
            cost = compare_some(check, budget);
            break;
        case AWAIT_ITERATIONS:
            if (!iterations_ended(check, ctx))
                return CHECK_WAIT;
            check->phase = JUDGE;
            break;
        case JUDGE:
            cost = judge_some(check, budget);
            break;
        case FREE:
            free_some(check);
            cost = budget;
            break;
        case DONE:
            break;
        }
        if (cost >= budget)
            return CHECK_MORE;
        budget -= cost;
    }
    return CHECK_DONE;
}
