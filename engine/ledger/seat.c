/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/seat.h"

#include <stdarg.h>
#include <stdio.h>

void seat_set_client(struct seat *seat, uint16_t client)
{
    seat->client = client;
}

uint64_t seat_work(const struct seat *seat)
{
    return seat->work;
}

uint64_t seat_take_pokes(struct seat *seat)
{
    uint64_t pokes = seat->pokes;
    seat->pokes = 0;
    return pokes;
}

const struct failure *seat_failure(const struct seat *seat)
{
    return &seat->failure;
}

enum code fail(struct seat *seat, enum code code, const char *format, ...)
{
    struct failure *failure = &seat->failure;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure->message, sizeof failure->message, format, arguments);
    va_end(arguments);
    failure->state = NULL;
    failure->short_count = 0;
    return code;
}
