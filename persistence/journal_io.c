/* SPDX-License-Identifier: Apache-2.0 */
/* What workers do with an open journal: take requests, and report their results. */
#include "persistence/journal_io.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>

#include "engine/base/probe.h"
#include "persistence/journal_frame.h"
#include "persistence/journal_node.h"

static bool has_failed(const struct journal *journal)
{
    return atomic_load_explicit(&journal->log->failed, memory_order_acquire);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void journal_fail(struct journal *journal, int error, const char *what)
{
    if (atomic_exchange_explicit(&journal->failing, true, memory_order_relaxed))
        return;
    error_system(&journal->failure, error, "%s", what);
    atomic_fetch_or_explicit(&journal->untold, UNTOLD_FAILED, memory_order_release);
    atomic_store_explicit(&journal->log->failed, true, memory_order_release);
}

static void say(struct journal *journal, const char *what, const struct error *why)
{
    char line[sizeof why->text + 64];
    if (!journal->say)
        return;
    snprintf(line, sizeof line, "journal: %s: %s", what, why->text);
    journal->say(journal->context, LOG_ERR, line);
}

/* Outside the locks (J5). Both reasons are final once their bits are set. */
static void say_untold(struct journal *journal)
{
    if (atomic_load_explicit(&journal->untold, memory_order_relaxed) == 0)
        return;
    unsigned untold = atomic_exchange_explicit(&journal->untold, 0, memory_order_acquire);
    if (untold & UNTOLD_NO_NEXT)
        say(journal, "read-only once the current segment is full", &journal->next.why);
    if (untold & UNTOLD_FAILED)
        say(journal, "read-only from now on", &journal->failure);
}

/* ---- finding the next request, inside the lock `requests` ---- */

static bool is_free(const struct io_slot *slot)
{
    return atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_FREE; /* J2 */
}

static void hand_out(struct journal *journal, unsigned which, struct file_request *request,
                     struct log_position end)
{
    struct io_slot *slot = &journal->slots[which];
    assert(which < JOURNAL_SLOTS);
    assert(is_free(slot));
    assert(which >= JOURNAL_BATCHES || end.number % JOURNAL_BATCHES == which); /* J3 */
    request->slot = which;
    slot->request = *request;
    slot->end = end;
    slot->started_us = now_us();
    atomic_store_explicit(&slot->state, SLOT_OUT, memory_order_release); /* J2 */
}

/* The retired segment was synced, or closed after that. */
static void after_retired(struct journal *journal, const struct io_slot *slot)
{
    assert(journal->retired.fd >= 0); /* J4 */
    assert(slot->request.fd == journal->retired.fd);
    if (slot->request.kind == FILE_CLOSE)
        journal->retired.fd = -1;
    else if (slot->result == 0)
        journal->retired_synced = true;
}

/* A preallocation step has completed. */
static void after_preallocation(struct journal *journal, const struct io_slot *slot)
{
    struct preallocation *next = &journal->next;
    assert(next->sequence == journal->current.sequence + 1); /* F2 */
    preallocation_advance(next, &slot->request, slot->result);
    if (next->step == PREALLOCATION_READY)
        journal_note_next(journal);
}

/* Frees the sync and preallocation slots that are done. */
static void reap(struct journal *journal)
{
    for (unsigned i = SLOT_SYNC; i < JOURNAL_SLOTS; i++) {
        struct io_slot *slot = &journal->slots[i];
        if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_DONE) /* J2 */
            continue;
        if (i == SLOT_SYNC && slot->retired)
            after_retired(journal, slot);
        if (i == SLOT_PREALLOCATION) {
            after_preallocation(journal, slot);
            if (journal->next.step == PREALLOCATION_FAILED)
                atomic_fetch_or_explicit(&journal->untold, UNTOLD_NO_NEXT, memory_order_release);
        }
        atomic_store_explicit(&slot->state, SLOT_FREE, memory_order_relaxed); /* J1 */
    }
}

/* Batches that are not written up to that watermark. */
static uint64_t batches_beyond(const struct journal *journal, enum watermark which)
{
    return journal->framed.number - watermark_read(&journal->watermarks, which).number;
}

/* Batches that have their slots (J3). */
static uint64_t batches_under_way(const struct journal *journal)
{
    uint64_t unwritten = batches_beyond(journal, WATERMARK_KERNEL);
    if (!journal->replication)
        return unwritten;
    uint64_t uncommitted = batches_beyond(journal, WATERMARK_COMMITTED);
    return unwritten > uncommitted ? unwritten : uncommitted;
}

/* True if the current segment has room for any record; moves on to the next one if it must and
 * can. Also if a batch must lead on to that one first. */
static bool find_room(struct journal *journal)
{
    if (segment_room(&journal->current) >= BATCH_ROOM_MIN)
        return true;
    if (batches_beyond(journal, WATERMARK_KERNEL) > 0) /* J4 */
        return false;
    if (journal->next.step == PREALLOCATION_READY && journal->retired.fd < 0) {
        journal->waiting = false;
        if (!journal_must_lead_on(journal))
            journal_take_next(journal);
        return true;
    }
    if (journal->next.step == PREALLOCATION_FAILED)
        journal_fail(journal, journal->next.error, "cannot create the next segment");
    if (!journal->waiting)
        counter_add(&journal->counters.waits, 1);
    journal->waiting = true;
    return false;
}

static uint32_t drain(struct journal *journal, unsigned char *batch)
{
    uint64_t room = segment_room(&journal->current);
    size_t most = room < journal->batch_bytes_max ? (size_t)room : journal->batch_bytes_max;
    size_t header = sizeof(struct batch_header);
    assert(log_head(journal->log) == journal->framed.lsn);
    return (uint32_t)log_drain(journal->log, batch + header, most - header);
}

static uint64_t batches_most(const struct journal *journal, bool idle)
{
    /* Several batches overlap their waits for the disk. Where nothing waits for it, they would only
     * be smaller. */
    if (journal->durability != DURABILITY_ALWAYS)
        return 1;
    return idle ? JOURNAL_BATCHES : BATCHES_WHILE_BUSY;
}

static bool find_batch(struct journal *journal, bool idle, struct file_request *request)
{
    if (batches_under_way(journal) >= batches_most(journal, idle) || !log_has_claims(journal->log))
        return false;
    if (!find_room(journal))
        return false;
    unsigned char *batch = journal_buffer(journal);
    bool leads_on = journal_must_lead_on(journal);
    uint32_t length = leads_on ? 0 : drain(journal, batch);
    if (length == 0 && !leads_on)
        return false;
    uint32_t span;
    journal_frame(journal, length, 0, &span);
    PROBE(batch, journal->framed.number, journal->framed.lsn, span);
    *request = (struct file_request){
        .kind = FILE_WRITE,
        .fd = journal->current.fd,
        .buffer = batch,
        .length = span,
        .offset = journal->current.used - span,
    };
    hand_out(journal, (unsigned)(journal->framed.number % JOURNAL_BATCHES), request,
             journal->framed);
    const struct replication_port *replication = journal->replication;
    if (replication) /* after the slot's `end` is set, which journal_committed reads */
        replication->append(replication->context, journal->framed.number, batch,
                            (uint32_t)sizeof(struct batch_header) + length);
    return true;
}

static bool find_sync(struct journal *journal, struct file_request *request)
{
    struct io_slot *slot = &journal->slots[SLOT_SYNC];
    if (!is_free(slot))
        return false;
    *request = (struct file_request){ .kind = FILE_SYNC };
    struct log_position end = watermark_read(&journal->watermarks, WATERMARK_KERNEL);
    slot->retired = journal->retired.fd >= 0;
    if (slot->retired) {
        request->fd = journal->retired.fd;
        end = journal->retired.end;
        if (journal->retired_synced) {
            request->kind = FILE_CLOSE;
            hand_out(journal, SLOT_SYNC, request, end);
            return true;
        }
    } else {
        uint64_t due = journal_next_sync_ms(journal);
        if (due == UINT64_MAX || journal_steady_ms(journal) < due)
            return false;
        request->fd = journal->current.fd;
    }
    assert(watermark_read(&journal->watermarks, WATERMARK_DISK).number <= end.number); /* W1 */
    counter_set(&journal->last_sync_ms, journal_steady_ms(journal));
    counter_add(&journal->counters.syncs, 1);
    hand_out(journal, SLOT_SYNC, request, end);
    return true;
}

static bool find_preallocation(struct journal *journal, struct file_request *request)
{
    struct preallocation *next = &journal->next;
    if (!is_free(&journal->slots[SLOT_PREALLOCATION]) || !journal_next_is_due(journal))
        return false;
    if (next->step == PREALLOCATION_IDLE)
        journal_begin_next(journal);
    assert(next->step == PREALLOCATION_READY ||
           next->sequence == journal->current.sequence + 1); /* F2 */
    if (!preallocation_request(next, request))
        return false;
    hand_out(journal, SLOT_PREALLOCATION, request, (struct log_position){ 0 });
    return true;
}

static bool find_request(struct journal *journal, bool idle, struct file_request *request)
{
    reap(journal);
    return find_batch(journal, idle, request) || find_sync(journal, request) ||
           find_preallocation(journal, request);
}

/* ---- the result of a request, in the thread that performed it ---- */

/* The kernel's watermark last: it releases the slot for its next batch (J3), which states what is
 * durable (F7). */
static void raise_watermarks(struct journal *journal, struct log_position end)
{
    assert(end.number ==
           watermark_read(&journal->watermarks, WATERMARK_KERNEL).number + 1); /* J3 */
    if (journal->durability == DURABILITY_ALWAYS)
        watermark_raise(&journal->watermarks, WATERMARK_DISK, end);
    PROBE(acknowledge, end.number, end.lsn);
    watermark_raise(&journal->watermarks, WATERMARK_KERNEL, end);
}

/* Reaps the oldest batch in flight; false if it is not done. Inside the lock `order`. */
static bool reap_oldest(struct journal *journal)
{
    uint64_t number = watermark_read(&journal->watermarks, WATERMARK_KERNEL).number + 1;
    struct io_slot *slot = &journal->slots[number % JOURNAL_BATCHES];
    if (atomic_load_explicit(&slot->state, memory_order_acquire) != SLOT_DONE) /* J2 */
        return false;
    /* Checks its own result too: the thread that failed first may not have set log->failed yet. */
    if (has_failed(journal) || slot->result != (int)slot->request.length)
        return false;
    assert(slot->end.number == number); /* J3 */
    struct log_position end = slot->end;
    atomic_store_explicit(&slot->state, SLOT_FREE, memory_order_relaxed);
    raise_watermarks(journal, end);
    return true;
}

/* After a batch has completed, or a watermark has risen (W4). */
static void acknowledge(struct journal *journal)
{
    if (!combining_lock_enter(&journal->order))
        return;
    do {
        while (reap_oldest(journal)) {
        }
        watermarks_acknowledge(&journal->watermarks, journal->log);
    } while (!combining_lock_leave(&journal->order));
}

static bool is_batch(const struct file_request *request)
{
    return request->slot < JOURNAL_BATCHES;
}

static const char *what_failed(const struct file_request *request)
{
    return is_batch(request) ? "cannot write the journal" : "cannot sync the journal";
}

/* Preallocation steps are judged inside the lock `requests`: their failure is not final yet. */
static void take_result(struct journal *journal, const struct file_request *request, int result)
{
    bool is_short =
        request->kind == FILE_WRITE && result >= 0 && (uint32_t)result < request->length;
    if (request->slot == SLOT_PREALLOCATION || request->kind == FILE_CLOSE)
        return;
    if (result < 0 || is_short) {
        journal_fail(journal, is_short ? -ENOSPC : result, what_failed(request));
        return;
    }
    if (request->slot == SLOT_SYNC && !has_failed(journal))
        watermark_raise(&journal->watermarks, WATERMARK_DISK, journal->slots[SLOT_SYNC].end);
}

static void finish(struct journal *journal, const struct file_request *request, int result)
{
    assert(request->slot < JOURNAL_SLOTS);
    struct io_slot *slot = &journal->slots[request->slot];
    assert(atomic_load_explicit(&slot->state, memory_order_relaxed) == SLOT_OUT);
    slot->result = request->slot == SLOT_PREALLOCATION
                       ? preallocation_opened(&journal->next, request, result)
                       : result;
    if (is_batch(request))
        counter_set(&journal->counters.last_write_us, now_us() - slot->started_us);
    take_result(journal, request, result);
    atomic_store_explicit(&slot->state, SLOT_DONE, memory_order_release); /* J2 */
    if (request->slot != SLOT_PREALLOCATION)
        acknowledge(journal);
}

/* ---- for workers ---- */

static bool next_request(struct journal *journal, bool idle, struct file_request *request)
{
    const struct file_ops *files = journal->files;
    for (;;) {
        if (has_failed(journal) || !combining_lock_enter(&journal->requests))
            return false;
        bool found;
        do {
            found = find_request(journal, idle, request);
        } while (!found && !combining_lock_leave(&journal->requests));
        if (!found)
            return false;
        combining_lock_leave_for_now(&journal->requests); /* the caller calls again */
        int error = files->inject ? files->inject(files->context, request) : 0;
        if (error == 0)
            return true;
        finish(journal, request, error);
    }
}

bool journal_next(struct journal *journal, bool idle, struct file_request *request)
{
    if (next_request(journal, idle, request))
        return true; /* the caller performs it before any line is written, and calls again */
    say_untold(journal);
    return false;
}

bool journal_done(struct journal *journal, const struct file_request *request, int result,
                  struct file_request *next)
{
    finish(journal, request, result);
    return journal_next(journal, false, next);
}

/* Whether a worker has to look: something waits for a slot, or one was turned away meanwhile. What
 * was in the log before a worker looked for a slot in vain is seen here, or it sees the commit
 * (G1). */
static bool has_work(struct journal *journal)
{
    if (!combining_lock_enter(&journal->requests))
        return false; /* the one inside looks again */
    bool work = log_has_claims(journal->log);
    while (!combining_lock_leave(&journal->requests))
        work = true;
    return work;
}

bool journal_committed(struct journal *journal, uint64_t number)
{
    struct log_position before = watermark_read(&journal->watermarks, WATERMARK_COMMITTED);
    const struct io_slot *slot = &journal->slots[number % JOURNAL_BATCHES];
    assert(journal->replication);
    if (number <= before.number || has_failed(journal))
        return false;
    assert(slot->end.number == number); /* J3 */
    watermark_raise(&journal->watermarks, WATERMARK_COMMITTED, slot->end);
    acknowledge(journal); /* W4 */
    return has_work(journal);
}

uint64_t journal_next_sync_ms(const struct journal *journal)
{
    const struct io_slot *slot = &journal->slots[SLOT_SYNC];
    if (journal->durability != DURABILITY_EVERYSEC || has_failed(journal))
        return UINT64_MAX;
    /* The sync's performer looks for the next request when it is done; but a write that another
     * worker completes at that moment may be missed by both. So each looks again. */
    if (atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_OUT)
        return journal_steady_ms(journal) + SYNC_INTERVAL_MS;
    if (watermark_read(&journal->watermarks, WATERMARK_KERNEL).number ==
        watermark_read(&journal->watermarks, WATERMARK_DISK).number)
        return UINT64_MAX;
    return atomic_load_explicit(&journal->last_sync_ms, memory_order_relaxed) + SYNC_INTERVAL_MS;
}

void journal_metrics(const struct journal *journal, struct journal_metrics *metrics)
{
    const struct journal_counters *counters = &journal->counters;
#define GET(name) .name = atomic_load_explicit(&counters->name, memory_order_relaxed)
    *metrics = (struct journal_metrics){
        .written_lsn = watermark_read(&journal->watermarks, WATERMARK_KERNEL).lsn,
        .durable_lsn = watermark_read(&journal->watermarks, WATERMARK_DISK).lsn,
        .committed_lsn = watermark_read(&journal->watermarks, WATERMARK_COMMITTED).lsn,
        .recovered_lsn = journal->recovered_lsn,
        GET(batches),
        GET(records),
        GET(record_bytes),
        GET(file_bytes),
        GET(syncs),
        GET(waits),
        .segments = atomic_load_explicit(&counters->segments, memory_order_relaxed) -
                    atomic_load_explicit(&counters->dropped, memory_order_relaxed),
        GET(sequence),
        GET(segment_used),
        GET(last_write_us),
        GET(next_ready),
        .direct = journal->direct,
        .durability = journal->durability,
        .directory = journal->data.text,
        .directory_id = journal->id_text,
    };
#undef GET
}

void journal_dropped(struct journal *journal, uint64_t first_sequence)
{
    if (first_sequence > journal->first_sequence)
        counter_set(&journal->counters.dropped, first_sequence - journal->first_sequence);
}

const char *journal_failure(const struct journal *journal)
{
    return has_failed(journal) ? journal->failure.text : "";
}

/* ---- for closing ---- */

bool journal_is_under_way(const struct journal *journal)
{
    for (unsigned i = 0; i < JOURNAL_SLOTS; i++) {
        if (atomic_load_explicit(&journal->slots[i].state, memory_order_acquire) == SLOT_OUT)
            return true;
    }
    return false;
}

void journal_perform_all(struct journal *journal)
{
    struct file_request request;
    bool more = journal_next(journal, false, &request);
    while (more)
        more = journal_done(journal, &request, file_perform(journal->files, &request), &request);
}

void journal_perform_syncs(struct journal *journal)
{
    struct file_request request;
    acknowledge(journal);
    reap(journal);
    while (!has_failed(journal) && find_sync(journal, &request)) {
        finish(journal, &request, file_perform(journal->files, &request));
        reap(journal);
    }
}

/* True if its request was performed, but its result was not reaped. */
static bool is_unseen(const struct io_slot *slot, enum file_request_kind kind)
{
    return atomic_load_explicit(&slot->state, memory_order_acquire) == SLOT_DONE &&
           slot->request.kind == kind;
}

void journal_settle_unseen(struct journal *journal)
{
    const struct io_slot *preallocation = &journal->slots[SLOT_PREALLOCATION];
    if (is_unseen(preallocation, FILE_OPEN) && preallocation->result >= 0)
        journal->files->close(journal->files->context, preallocation->result);
    if (is_unseen(preallocation, FILE_CLOSE))
        journal->next.fd = -1;
    if (is_unseen(&journal->slots[SLOT_SYNC], FILE_CLOSE))
        journal->retired.fd = -1;
}
