/* SPDX-License-Identifier: Apache-2.0 */
/* A journal that follows, until it leads. All of it in one thread (J6), except what is kept. */
#include "persistence/journal_node.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "persistence/journal_frame.h"
#include "persistence/journal_io.h"
#include "persistence/replay.h"

struct journal_position journal_end(const struct journal *journal)
{
    return (struct journal_position){ .directory_id = journal->directory_id,
                                      .lsn = journal->framed.lsn,
                                      .number = journal->framed.number,
                                      .checksum = journal->previous,
                                      .time_ms = journal->time_ms,
                                      .sequence = journal->current.sequence };
}

struct log_position journal_kept(const struct journal *journal)
{
    struct log_position disk = watermark_read(&journal->watermarks, WATERMARK_DISK);
    struct log_position committed = watermark_read(&journal->watermarks, WATERMARK_COMMITTED);
    return disk.number < committed.number ? disk : committed;
}

/* ---- the next segment ---- */

static int fail_for(struct journal *journal, int error, const char *what, struct error *why)
{
    journal_fail(journal, error, what);
    return error_system(why, error, "%s", what);
}

/* The next segment is there, durably. */
static int finish_next(struct journal *journal, struct error *why)
{
    struct preallocation *next = &journal->next;
    if (next->step == PREALLOCATION_READY)
        return 0;
    if (next->step == PREALLOCATION_IDLE)
        journal_begin_next(journal);
    int error = preallocation_finish(next);
    if (error)
        return fail_for(journal, error, "cannot create the next segment", why);
    journal_note_next(journal);
    return 0;
}

/* A step of it at a time, as the current segment fills. Its failure counts once it is needed. */
static void preallocate_some(struct journal *journal)
{
    struct preallocation *next = &journal->next;
    struct file_request request;
    while (journal_next_is_due(journal)) {
        if (next->step == PREALLOCATION_IDLE)
            journal_begin_next(journal);
        if (!preallocation_request(next, &request))
            return;
        int result = file_perform(journal->files, &request);
        preallocation_advance(next, &request, preallocation_opened(next, &request, result));
        if (next->step == PREALLOCATION_READY)
            journal_note_next(journal);
    }
}

/* F20: the next batch goes where this leads. Everything taken is written. */
static int find_place(struct journal *journal, struct error *why)
{
    if (!journal_must_leave(journal))
        return 0;
    assert(journal->given.count == 0); /* J4 */
    int error = finish_next(journal, why);
    if (error)
        return error;
    journal_take_next(journal);
    if (journal->retired.fd >= 0) /* all of it is synced */
        journal->files->close(journal->files->context, journal->retired.fd);
    journal->retired.fd = -1;
    return 0;
}

/* ---- judging a batch that is given ---- */

/* It fits where the rule puts it, and leaves the segment as it says (F18, F20). */
static bool fits(const struct journal *journal, const struct batch_header *header)
{
    struct segment at = journal->current;
    uint32_t span = batch_span(header->length);
    bool leads_on = header->flags & BATCH_LEADS_ON;
    if (journal_must_leave(journal))
        at = (struct segment){ .bytes = journal->segment_bytes, .used = BLOCK_BYTES };
    else if (journal_must_lead_on(journal))
        return leads_on && span == BLOCK_BYTES && header->length == 0;
    if (span > segment_room(&at))
        return false;
    at.used += span;
    return !leads_on || segment_room(&at) < BATCH_ROOM_MIN;
}

static int judge(const struct journal *journal, const unsigned char *bytes, uint32_t length,
                 struct error *why)
{
    const struct batch_header *header = (const struct batch_header *)(const void *)bytes;
    const struct journal_position end = journal_end(journal);
    enum batch_verdict verdict =
        batch_check(bytes, batch_span(length - BATCH_HEADER_BYTES), journal->directory_id);
    if (verdict == BATCH_UNKNOWN)
        return error_set(why, -ENOTSUP, "the batch after %" PRIu64 " is of a later version",
                         end.number);
    if (verdict != BATCH_VALID || header->length != length - BATCH_HEADER_BYTES ||
        !(header->flags & BATCH_REPLICATED)) /* F19 */
        return error_set(why, -EILSEQ,
                         "what should be batch %" PRIu64 " is damaged, or is not of this cluster",
                         end.number + 1);
    if (!batch_continues(&end, header) || !batch_is_filled(header, bytes + sizeof *header))
        return error_set(why, -EILSEQ,
                         "batch %" PRIu64 " does not continue the chain, which ends with batch "
                         "%" PRIu64 " at lsn %" PRIu64,
                         header->number, end.number, end.lsn);
    if (!fits(journal, header))
        return error_set(why, -EILSEQ,
                         "batch %" PRIu64 " does not lie in this journal's segments as in the "
                         "primary's",
                         header->number);
    return 0;
}

/* ---- following ---- */

/* F19: no more than JOURNAL_BATCHES are ever unsynced. */
static int write_given(struct journal *journal, struct error *why)
{
    struct given_batches *given = &journal->given;
    if (given->count == 0)
        return 0;
    assert(given->count <= JOURNAL_BATCHES);
    assert(given->offset + given->bytes == journal->current.used);
    int error = file_write_all(journal->files, journal->current.fd, journal->buffers, given->bytes,
                               given->offset); /* O_DSYNC */
    if (error)
        return fail_for(journal, error, "cannot write the journal", why);
    *given = (struct given_batches){ 0 };
    watermark_raise(&journal->watermarks, WATERMARK_DISK, journal->framed);
    watermark_raise(&journal->watermarks, WATERMARK_KERNEL, journal->framed);
    return 0;
}

int journal_flush(struct journal *journal, struct error *why)
{
    assert(journal->follows);
    int error = write_given(journal, why);
    if (!error)
        preallocate_some(journal);
    return error;
}

/* It is judged, and lies in the buffer. */
static int add_given(struct journal *journal, const struct batch_header *header, struct error *why)
{
    struct given_batches *given = &journal->given;
    int error = find_place(journal, why);
    if (!error && (header->flags & BATCH_LEADS_ON)) /* F18: before it is written */
        error = finish_next(journal, why);
    if (error)
        return error;
    if (given->count == 0)
        given->offset = journal->current.used;
    given->count++;
    given->bytes += batch_span(header->length);
    journal_advance(journal, header);
    journal->leaps = false; /* who made this batch has leapt */
    watermark_raise(&journal->watermarks, WATERMARK_COMMITTED, journal->framed);
    return given->count == JOURNAL_BATCHES || journal_must_leave(journal)
               ? journal_flush(journal, why)
               : 0;
}

int journal_take(struct journal *journal, const void *batch, uint32_t length, struct error *why)
{
    const struct given_batches *given = &journal->given;
    assert(journal->follows);
    assert(given->count < JOURNAL_BATCHES);
    if (log_has_failed(journal->log))
        return error_set(why, -EIO, "%s", journal_failure(journal));
    if (length < BATCH_HEADER_BYTES ||
        length - BATCH_HEADER_BYTES > BATCH_BYTES_MAX - BATCH_HEADER_BYTES)
        return error_set(why, -EILSEQ, "%" PRIu32 " bytes are no batch", length);
    unsigned char *at = journal->buffers + given->bytes;
    memcpy(at, batch, length);
    memset(at + length, 0, batch_span(length - BATCH_HEADER_BYTES) - length);
    int error = judge(journal, at, length, why);
    return error ? error : add_given(journal, (const struct batch_header *)(const void *)at, why);
}

/* ---- leading ---- */

/* The first batch of its term, in place. */
static int write_first(struct journal *journal, uint32_t *length, struct error *why)
{
    uint32_t span;
    const unsigned char *batch = journal_buffer(journal);
    uint64_t offset = journal->current.used;
    journal_frame(journal, 0, journal->leaps ? BATCH_LEAP : 0U, &span);
    *length = BATCH_HEADER_BYTES;
    journal->slots[journal->framed.number % JOURNAL_BATCHES].end = journal->framed;
    int error = file_write_all(journal->files, journal->current.fd, batch, span, offset);
    if (error)
        return fail_for(journal, error, "cannot write the journal", why);
    watermark_raise(&journal->watermarks, WATERMARK_DISK, journal->framed);
    watermark_raise(&journal->watermarks, WATERMARK_KERNEL, journal->framed);
    return 0;
}

/* There is no record in a leap, so nothing that had to be committed. */
static void leap(struct journal *journal, uint64_t committed)
{
    struct log_position over = { journal->framed.lsn, committed };
    log_start_at(journal->log, over.lsn);
    watermark_raise(&journal->watermarks, WATERMARK_COMMITTED, over);
}

int journal_lead(struct journal *journal, struct journal_lead *lead, struct error *why)
{
    const struct replication_port *port = journal->replication;
    const unsigned char *batch = journal_buffer(journal);
    uint64_t committed = journal->framed.number;
    uint32_t length;
    assert(journal->follows);
    assert(log_head(journal->log) == journal->framed.lsn && !log_has_claims(journal->log));
    *lead = (struct journal_lead){ .from = journal->framed.lsn };
    int error = write_given(journal, why);
    if (!error)
        error = find_place(journal, why);
    if (!error && journal_must_lead_on(journal))
        error = finish_next(journal, why);
    if (!error)
        error = write_first(journal, &length, why);
    if (error)
        return error;
    if (journal->leaps)
        leap(journal, committed);
    lead->number = journal->framed.number;
    lead->lsn = journal->framed.lsn;
    watermarks_acknowledge(&journal->watermarks, journal->log);
    journal->follows = journal->leaps = false;
    port->append(port->context, lead->number, batch, length);
    while (!combining_lock_leave(&journal->requests)) {
    }
    return 0;
}
