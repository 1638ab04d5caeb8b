/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/ctx.h"

#include <stdarg.h>
#include <stdio.h>

void ctx_set_client(struct ctx *ctx, uint16_t client)
{
    ctx->client = client;
}

uint64_t ctx_work(const struct ctx *ctx)
{
    return ctx->work;
}

uint64_t ctx_take_wakeups(struct ctx *ctx)
{
    uint64_t wakeups = ctx->wakeups;
    ctx->wakeups = 0;
    return wakeups;
}

const struct failure *ctx_failure(const struct ctx *ctx)
{
    return &ctx->failure;
}

enum code fail(struct ctx *ctx, enum code code, const char *format, ...)
{
    struct failure *failure = &ctx->failure;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    failure->state = NULL;
    failure->short_count = 0;
    return code;
}
