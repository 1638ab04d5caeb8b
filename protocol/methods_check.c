/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "protocol/checking.h"
#include "protocol/methods.h"
#include "protocol/pack.h"

enum { SLICE = 512 }; /* cache misses: about fifty microseconds of a worker's iteration */

struct checking *checking_start(struct checks *checks, struct ledger *ledger, uint64_t engine_ms,
                                bool *no_memory)
{
    *no_memory = false;
    if (atomic_exchange_explicit(&checks->running, true, memory_order_acquire))
        return NULL;
    struct checking *checking = calloc(1, sizeof *checking);
    struct check *check = check_start(ledger);
    if (checking && check) {
        *checking = (struct checking){ checks, check, engine_ms, false };
        return checking;
    }
    free(checking);
    check_end(check);
    *no_memory = true;
    atomic_store_explicit(&checks->running, false, memory_order_release);
    return NULL;
}

void checking_end(struct checking *checking)
{
    if (!checking)
        return;
    check_end(checking->check);
    atomic_store_explicit(&checking->checks->running, false, memory_order_release);
    free(checking);
}

static void keep_metrics(const struct call *call, const struct checking *checking)
{
    const struct check_report *report = check_report(checking->check);
    struct checks *checks = checking->checks;
    uint64_t took = call->engine_ms - checking->began_ms;
    atomic_fetch_add_explicit(&checks->done, 1, memory_order_relaxed);
    atomic_store_explicit(&checks->ended_ms, call->engine_ms, memory_order_relaxed);
    atomic_store_explicit(&checks->took_ms, took, memory_order_relaxed);
    atomic_store_explicit(&checks->broken, report->broken, memory_order_relaxed);
    atomic_store_explicit(&checks->moving, report->moving, memory_order_relaxed);
}

static void reply_report(struct call *call, const struct checking *checking)
{
    const struct check_report *report = check_report(checking->check);
    struct out *out = call->out;
    uint32_t told = report->broken < CHECK_FINDINGS ? (uint32_t)report->broken : CHECK_FINDINGS;
    reply_map(call, 11, log_head(call->service->log));
    pack_key_uint(out, "broken", report->broken);
    PACK_KEY(out, "findings");
    pack_array(out, told);
    for (uint32_t i = 0; i < told; i++)
        pack_bytes(out, text_of(report->findings[i]));
    pack_key_uint(out, "items", report->items);
    pack_key_uint(out, "pools", report->pools);
    pack_key_uint(out, "reservations", report->reservations);
    pack_key_uint(out, "ids", report->ids);
    pack_key_uint(out, "moving", report->moving);
    pack_key_uint(out, "busy", report->busy);
    pack_key_uint(out, "passes", report->passes);
    pack_key_uint(out, "took_ms", call->engine_ms - checking->began_ms);
}

static enum code begin(struct call *call)
{
    const struct service *service = call->service;
    bool no_memory;
    params_options(&call->params, NULL, 0, NULL);
    if (!params_good(&call->params))
        return call->refusal.code;
    *call->checking = checking_start(service->checks, service->ledger, call->engine_ms, &no_memory);
    if (*call->checking)
        return CODE_OK;
    refuse(&call->refusal, CODE_OVERLOADED, NULL,
           no_memory ? "no memory for a check" : "another check is under way");
    return CODE_OVERLOADED;
}

/* Called repeatedly until it is done: each call does one slice. */
enum code method_check(struct call *call)
{
    enum code code = *call->checking ? CODE_OK : begin(call);
    if (code != CODE_OK)
        return code;
    struct checking *checking = *call->checking;
    enum check_progress progress = check_step(checking->check, call->ctx, SLICE);
    checking->waits = progress == CHECK_WAIT;
    if (progress != CHECK_DONE)
        return CODE_DEFERRED;
    keep_metrics(call, checking);
    reply_report(call, checking);
    checking_end(checking);
    *call->checking = NULL;
    return CODE_OK;
}
