/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/replay.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

/* How many records ahead the stage 1 hints are; those of stage 0 are twice as far ahead. */
enum { AHEAD = 12 };

void replay_begin(struct replay *replay, const struct replay_target *target,
                  const struct journal_position *from)
{
    *replay = (struct replay){ .target = *target };
    if (from)
        replay->at = *from;
}

bool batch_continues(const struct journal_position *at, const struct batch_header *header)
{
    return header->number == at->number + 1 && header->first_lsn == at->lsn &&
           header->previous == at->checksum && header->time_ms >= at->time_ms;
}

bool replay_continues(const struct replay *replay, const struct batch_header *header)
{
    return batch_continues(&replay->at, header);
}

bool batch_is_filled(const struct batch_header *header, const unsigned char *bytes)
{
    struct record_cursor records = records_of(bytes, header->length, header->first_lsn);
    while (record_next(&records)) {
    }
    return records.left == 0;
}

/* ---- judging a batch ---- */

static int judge(const struct replay *replay, const struct batch_header *header,
                 const unsigned char *records, struct error *why)
{
    const struct journal_position *at = &replay->at;
    if (!replay_continues(replay, header))
        return error_set(why, -EILSEQ,
                         "batch %" PRIu64 " at lsn %" PRIu64
                         " does not continue the chain, which ends with batch %" PRIu64
                         " at lsn %" PRIu64,
                         header->number, header->first_lsn, at->number, at->lsn);
    if (!batch_is_filled(header, records)) /* F11 */
        return error_set(why, -EILSEQ, "the batch is valid, but its records are not");
    return 0;
}

/* ---- handing on its records ---- */

static void hint(const struct replay_target *target, struct record_cursor *records, unsigned stage)
{
    const struct record_head *record = target->on_prefetch ? record_next(records) : NULL;
    if (record)
        target->on_prefetch(target->context, record, stage);
}

static int hand_on(struct replay *replay, const struct batch_header *header,
                   const unsigned char *bytes, struct error *why)
{
    const struct replay_target *target = &replay->target;
    struct record_cursor records = records_of(bytes, header->length, header->first_lsn);
    struct record_cursor far = records, near = records;
    const struct record_head *record;
    for (unsigned i = 0; i < 2 * AHEAD; i++)
        hint(target, &far, 0);
    for (unsigned i = 0; i < AHEAD; i++)
        hint(target, &near, 1);
    while ((record = record_next(&records))) {
        int stop = 0;
        hint(target, &far, 0);
        hint(target, &near, 1);
        if (target->on_record)
            stop = target->on_record(target->context, record, records.lsn, header->time_ms);
        if (stop)
            return error_set(why, stop, "the record at lsn %" PRIu64 " (type %u) was refused",
                             records.lsn, record->type);
        replay->records++;
    }
    assert(records.lsn == header->first_lsn + header->length); /* F11 */
    return 0;
}

int replay_batch(struct replay *replay, const struct batch_header *header,
                 const unsigned char *records, struct error *why)
{
    assert(!replay->over);
    assert((uintptr_t)records % 8 == 0);
    assert(header->promised < header->number); /* F6, as F3 has it */
    int error = judge(replay, header, records, why);
    if (error)
        return error;
    error = hand_on(replay, header, records, why);
    if (error) {
        replay->over = true;
        return error;
    }
    replay->at.lsn = batch_end_lsn(header);
    if ((header->flags & BATCH_LEAP) && replay->target.on_leap) /* F17 */
        replay->target.on_leap(replay->target.context, header->first_lsn, replay->at.lsn);
    replay->at.number = header->number;
    replay->at.checksum = header->checksum;
    replay->at.time_ms = header->time_ms;
    return 0;
}

struct journal_position replay_end(struct replay *replay)
{
    assert(!replay->over);
    replay->over = true;
    return replay->at;
}
