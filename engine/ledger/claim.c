/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/ledger/claim.h"

#include "engine/base/probe.h"
#include "engine/ledger/ledger.h"

bool ledger_has_room(struct seat *seat)
{
    return log_has_room_for(seat->ledger->log, &seat->claimed);
}

uint64_t journal_claim(struct seat *seat, uint32_t length)
{
    seat->claimed += length;
    uint64_t position = log_claim(seat->ledger->log, length);
    PROBE(claim, position + length, length);
    return position;
}

void journal_publish(struct seat *seat, uint64_t position)
{
    log_publish(seat->ledger->log, position, (const struct record_head *)(void *)seat->record);
}

uint64_t journal_record(struct seat *seat, uint32_t length)
{
    uint64_t position = journal_claim(seat, length);
    journal_publish(seat, position);
    return position + length;
}

void journal_void(struct seat *seat, uint64_t position, uint32_t length)
{
    struct record_head head = head_of(seat, RECORD_VOID, 0);
    head.length = length;
    log_publish_head(seat->ledger->log, position, &head);
}

/* ---- claims ahead ---- */

enum { AHEAD_MOST = 4096 }; /* bytes */

static void give_up_ahead(struct seat *seat)
{
    if (seat->ahead_at < seat->ahead_end)
        journal_void(seat, seat->ahead_at, (uint32_t)(seat->ahead_end - seat->ahead_at));
    seat->ahead_at = seat->ahead_end;
}

uint64_t journal_claim_give(struct seat *seat, uint32_t length, uint64_t after)
{
    uint64_t left = seat->ahead_end - seat->ahead_at;
    if (left > 0 && (left < length || seat->ahead_at < after)) {
        give_up_ahead(seat);
        left = 0;
    }
    if (left == 0) {
        uint32_t most = AHEAD_MOST / length, times = seat->expected < most ? seat->expected : most;
        uint32_t all = length * (times > 0 ? times : 1);
        seat->ahead_at = journal_claim(seat, all);
        seat->ahead_end = seat->ahead_at + all;
    }
    if (seat->expected > 0)
        seat->expected--;
    uint64_t position = seat->ahead_at;
    seat->ahead_at += length;
    return position;
}

void ledger_expect_cancels(struct seat *seat, unsigned count)
{
    seat->expected = count;
    if (count == 0)
        give_up_ahead(seat);
}
