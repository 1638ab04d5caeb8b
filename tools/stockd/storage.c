/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/storage.h"

#include <assert.h>

_Static_assert((unsigned)STORAGE_SLOTS == (unsigned)JOURNAL_SLOTS,
               "the server has room for all that the journal does at once");

static struct storage_request to_server(const struct file_request *request)
{
    static const enum storage_kind kinds[] = {
        [FILE_WRITE] = STORAGE_WRITE,
        [FILE_SYNC] = STORAGE_SYNC_DATA,
        [FILE_SYNC_DIRECTORY] = STORAGE_SYNC_ALL,
        [FILE_OPEN] = STORAGE_OPEN,
        [FILE_ALLOCATE] = STORAGE_ALLOCATE,
        [FILE_CLOSE] = STORAGE_CLOSE,
        [FILE_RENAME] = STORAGE_RENAME,
        [FILE_REMOVE] = STORAGE_REMOVE,
    };
    return (struct storage_request){
        .kind = kinds[request->kind],
        .fd = request->fd,
        .buffer = request->buffer,
        .length = request->length,
        .offset = request->offset,
        .path = request->path,
        .to = request->to,
        .flags = request->flags,
        .slot = request->slot,
    };
}

static struct file_request to_journal(const struct storage_request *request)
{
    static const enum file_request_kind kinds[] = {
        [STORAGE_WRITE] = FILE_WRITE,
        [STORAGE_SYNC_DATA] = FILE_SYNC,
        [STORAGE_SYNC_ALL] = FILE_SYNC_DIRECTORY,
        [STORAGE_OPEN] = FILE_OPEN,
        [STORAGE_ALLOCATE] = FILE_ALLOCATE,
        [STORAGE_CLOSE] = FILE_CLOSE,
        [STORAGE_RENAME] = FILE_RENAME,
        [STORAGE_REMOVE] = FILE_REMOVE,
    };
    return (struct file_request){
        .kind = kinds[request->kind],
        .fd = request->fd,
        .buffer = request->buffer,
        .length = request->length,
        .offset = request->offset,
        .path = request->path,
        .to = request->to,
        .flags = request->flags,
        .slot = request->slot,
    };
}

static bool next(void *self, bool idle, struct storage_request *request)
{
    struct file_request found;
    if (!journal_next(self, idle, &found))
        return false;
    *request = to_server(&found);
    return true;
}

static bool done(void *self, const struct storage_request *request, int result,
                 struct storage_request *next_request)
{
    struct file_request performed = to_journal(request);
    struct file_request found;
    if (!journal_done(self, &performed, result, &found))
        return false;
    *next_request = to_server(&found);
    return true;
}

static uint64_t next_sync_ms(void *self)
{
    return journal_next_sync_ms(self);
}

static const char *failure(void *self)
{
    return journal_failure(self);
}

static unsigned metrics(void *self, struct storage_metric *out)
{
    struct journal_metrics f;
    journal_metrics(self, &f);
    const struct storage_metric all[] = {
        { "durability", METRIC_WORD, 0, durability_name(f.durability) },
        { "written_lsn", METRIC_NUMBER, f.written_lsn, NULL },
        { "durable_lsn", METRIC_NUMBER, f.durable_lsn, NULL },
        { "recovered_lsn", METRIC_NUMBER, f.recovered_lsn, NULL },
        { "batches", METRIC_NUMBER, f.batches, NULL },
        { "records", METRIC_NUMBER, f.records, NULL },
        { "record_bytes", METRIC_NUMBER, f.record_bytes, NULL },
        { "file_bytes", METRIC_NUMBER, f.file_bytes, NULL },
        { "syncs", METRIC_NUMBER, f.syncs, NULL },
        { "waits", METRIC_NUMBER, f.waits, NULL },
        { "segments", METRIC_NUMBER, f.segments, NULL },
        { "segment_used", METRIC_NUMBER, f.segment_used, NULL },
        { "last_write_us", METRIC_NUMBER, f.last_write_us, NULL },
        { "next_ready", METRIC_FLAG, f.next_ready, NULL },
        { "direct", METRIC_FLAG, f.direct, NULL },
        { "directory", METRIC_WORD, 0, f.directory },
        { "directory_id", METRIC_WORD, 0, f.directory_id },
    };
    enum { COUNT = sizeof all / sizeof *all };
    _Static_assert((unsigned)COUNT <= (unsigned)STORAGE_METRICS_MAX, "there is room for them");
    for (unsigned i = 0; i < COUNT; i++)
        out[i] = all[i];
    return COUNT;
}

struct storage_port storage_of_journal(struct journal *journal)
{
    assert(journal);
    return (struct storage_port){
        .self = journal,
        .next = next,
        .done = done,
        .next_sync_ms = next_sync_ms,
        .failure = failure,
        .metrics = metrics,
    };
}
