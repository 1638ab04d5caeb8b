/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trickle.c - `demo --trickle`: keeps placing orders in the trial shop, so that stock moves while
 * you watch. Each order is held, and some orders later it is paid and shipped, cancelled, or left
 * to expire. What sells out is delivered again.
 */
#include "tools/stockctl/ctl.h"
#include "tools/stockctl/demo.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOLD_MS 20000
#define DECIDED_LATER 8 /* orders */
#define BEST_SELLERS 300
#define DELIVERY 24

enum outcome { OUTCOME_ORDERED, OUTCOME_REFUSED, OUTCOME_SHIPPED, OUTCOME_CANCELLED, OUTCOMES };

struct trickle {
    struct ctl *ctl;
    uint64_t random;
    char id[DECIDED_LATER][STOCKD_ID_MAX + 1]; /* ring of the last orders; empty: refused */
    size_t by_rank[DEMO_ITEMS];
    size_t count[OUTCOMES];
};

static uint32_t below(struct trickle *t, uint32_t limit)
{
    t->random = t->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(t->random >> 33) % limit;
}

static size_t choose_channel(struct trickle *t)
{
    unsigned share = below(t, 100);

    for (size_t channel = 0; channel < DEMO_CHANNELS; channel++) {
        if (share < demo_channels[channel].share)
            return channel;
        share -= demo_channels[channel].share;
    }
    return 0;
}

/* Good sellers more often: the square of a uniform choice. */
static void choose_sku(struct trickle *t, char sku[DEMO_SKU_SIZE])
{
    uint32_t rank = below(t, BEST_SELLERS) * below(t, BEST_SELLERS) / BEST_SELLERS;
    demo_sku(t->by_rank[rank], sku);
}

/* A refusal is an outcome like any other. */
static int check(struct trickle *t, int status)
{
    return status == STOCKD_OK || status == STOCKD_REFUSED ? CTL_DONE : ctl_failed(t->ctl, status);
}

static int deliver(struct trickle *t, const char *sku)
{
    char id[STOCKD_ID_MAX + 1];
    stockd_make_id(id);
    return check(
        t, stockd_receive_stock(t->ctl->client, id, sku, DEMO_WAREHOUSE, DELIVERY, NULL, NULL));
}

static int order(struct trickle *t, char id[STOCKD_ID_MAX + 1])
{
    const stockd_reserve_options options = { .ttl_ms = HOLD_MS };
    char sku[DEMO_SKU_SIZE];

    choose_sku(t, sku);
    const stockd_line line = { .sku = sku, .qty = 1 + below(t, 3) };
    stockd_make_id(id);
    int status = stockd_reserve(t->ctl->client, id, demo_channels[choose_channel(t)].code, &line, 1,
                                &options, NULL);
    t->count[status == STOCKD_OK ? OUTCOME_ORDERED : OUTCOME_REFUSED]++;
    if (status != STOCKD_REFUSED)
        return check(t, status);
    id[0] = '\0';
    return deliver(t, sku);
}

static int decide(struct trickle *t, const char *id)
{
    unsigned what = below(t, 10);

    if (id[0] == '\0' || what >= 9)
        return CTL_DONE; /* let it expire */
    if (what >= 7) {
        t->count[OUTCOME_CANCELLED]++;
        return check(t, stockd_cancel(t->ctl->client, id, NULL, 0, NULL, NULL));
    }
    t->count[OUTCOME_SHIPPED]++;
    int failed = check(t, stockd_confirm(t->ctl->client, id, NULL));
    if (failed == CTL_DONE)
        failed = check(t, stockd_fulfil(t->ctl->client, id, NULL, 0, NULL, NULL));
    return failed;
}

static void pause_ms(uint64_t ms)
{
    struct timespec pause = { .tv_sec = (time_t)(ms / 1000),
                              .tv_nsec = (long)(ms % 1000) * 1000000 };
    nanosleep(&pause, NULL);
}

static int trickle(struct trickle *t, uint64_t rate, uint64_t orders)
{
    int failed = CTL_DONE;

    for (uint64_t n = 0; (orders == 0 || n < orders) && failed == CTL_DONE; n++) {
        char *id = t->id[n % DECIDED_LATER];
        if (n >= DECIDED_LATER)
            failed = decide(t, id);
        if (failed == CTL_DONE)
            failed = order(t, id);
        pause_ms(1000 / rate);
    }
    return failed;
}

int run_trickle(struct ctl *ctl, uint64_t rate, uint64_t orders)
{
    struct trickle *t = must_alloc(1, sizeof(*t));

    t->ctl = ctl;
    t->random = clock_ms();
    for (size_t item = 0; item < DEMO_ITEMS; item++)
        t->by_rank[demo_rank(item)] = item;
    int failed = ctl_connect(ctl);
    if (failed == CTL_DONE)
        failed = trickle(t, rate, orders);
    if (failed == CTL_DONE && ctl->json)
        show_json_value(json_pack(
            "{s:I, s:I, s:I, s:I}", "ordered", (json_int_t)t->count[OUTCOME_ORDERED], "refused",
            (json_int_t)t->count[OUTCOME_REFUSED], "shipped", (json_int_t)t->count[OUTCOME_SHIPPED],
            "cancelled", (json_int_t)t->count[OUTCOME_CANCELLED]));
    else if (failed == CTL_DONE)
        printf("%zu orders, %zu refused, %zu shipped, %zu cancelled\n", t->count[OUTCOME_ORDERED],
               t->count[OUTCOME_REFUSED], t->count[OUTCOME_SHIPPED], t->count[OUTCOME_CANCELLED]);
    free(t);
    return failed;
}
