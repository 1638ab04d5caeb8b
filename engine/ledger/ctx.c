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

static __attribute__((format(printf, 3, 0))) void
note_failure(struct ctx *ctx, const char *param, const char *format, va_list arguments)
{
    struct failure *failure = &ctx->failure;
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    failure->param = param;
    failure->state = NULL;
    failure->short_count = 0;
}

enum code fail(struct ctx *ctx, enum code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_failure(ctx, NULL, format, arguments);
    va_end(arguments);
    return code;
}

enum code fail_param(struct ctx *ctx, enum code code, const char *param, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    note_failure(ctx, param, format, arguments);
    va_end(arguments);
    return code;
}
