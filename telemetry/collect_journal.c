/* SPDX-License-Identifier: Apache-2.0 */
/* The log, the journal, snapshots, and the disk that they are on. */
#include <string.h>
#include <sys/statvfs.h>

#include "protocol/call.h"
#include "protocol/clock.h"
#include "telemetry/collect.h"

/* What storage says of itself, see protocol/storage_port.h. */
struct storage_says {
    struct storage_metric metrics[STORAGE_METRICS_MAX];
    unsigned count;
};

static const struct storage_metric *said(const struct storage_says *says, const char *name)
{
    for (unsigned i = 0; i < says->count; i++)
        if (strcmp(says->metrics[i].name, name) == 0)
            return &says->metrics[i];
    return NULL;
}

static uint64_t number_of(const struct storage_says *says, const char *name)
{
    const struct storage_metric *metric = said(says, name);
    return metric ? metric->number : 0;
}

static const struct storage_family {
    enum family_type type;
    const char *name, *metric, *help;
} journal_families[] = {
    { FAMILY_GAUGE, "stockd_durable_lsn", "durable_lsn",
      "LSN up to which all changes are on disk." },
    { FAMILY_GAUGE, "stockd_written_lsn", "written_lsn",
      "LSN up to which the kernel has all changes." },
    { FAMILY_COUNTER, "stockd_journal_batches", "batches", "Batches written: each is one write." },
    { FAMILY_COUNTER, "stockd_journal_records", "records", "Records written." },
    { FAMILY_COUNTER, "stockd_journal_record_bytes", "record_bytes",
      "Bytes of records written; with batches, the mean size of a batch." },
    { FAMILY_COUNTER, "stockd_journal_file_bytes", "file_bytes",
      "Bytes written to segments, padding included." },
    { FAMILY_COUNTER, "stockd_journal_syncs", "syncs", "Syncs of the journal." },
    { FAMILY_COUNTER, "stockd_journal_waits", "waits",
      "Times that the next segment was not ready when it was needed." },
    { FAMILY_GAUGE, "stockd_journal_segments", "segments", "Segments of the journal on disk." },
};

static const struct storage_family snapshot_families[] = {
    { FAMILY_GAUGE, "stockd_snapshot_lsn", "lsn", "LSN of the newest snapshot; 0: there is none." },
    { FAMILY_GAUGE, "stockd_snapshot_size_bytes", "bytes", "Size of the newest snapshot." },
    { FAMILY_GAUGE, "stockd_compaction_running", "running", "1 while a compaction runs." },
    { FAMILY_COUNTER, "stockd_compactions", "compactions", "Compactions that succeeded." },
    { FAMILY_COUNTER, "stockd_compactions_failed", "failures", "Compactions that failed." },
};

static void expose_storage(struct exposition *e, const struct storage_says *says,
                           const struct storage_family *families, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct storage_family *family = &families[i];
        expose_family(e, family->type, family->name, family->help);
        expose_number(e, NULL, 0, number_of(says, family->metric));
    }
}

static void expose_log(const struct service *service, struct exposition *e)
{
    const struct log *log = service->log;
    expose_gauge(e, "stockd_read_only",
                 "1 once the journal cannot be written: no change is taken any more.",
                 atomic_load_explicit(&log->failed, memory_order_acquire));
    expose_gauge(e, "stockd_claimed_lsn", "LSN of the latest change; it may be under way.",
                 atomic_load_explicit(&log->tail, memory_order_relaxed));
    expose_gauge(e, "stockd_acknowledged_lsn", "LSN up to which replies may be sent.",
                 log_acknowledged(log));
    expose_gauge(e, "stockd_log_capacity_bytes",
                 "Size of the ring through which changes reach the journal.", log->capacity);
}

static void expose_durability(struct exposition *e, const struct storage_says *says)
{
    const struct storage_metric *word = said(says, "durability");
    struct label label = { "durability", text_of(word ? word->word : "unknown") };
    expose_family(e, FAMILY_GAUGE, "stockd_durability_info",
                  "Always 1; the label says when a change is answered.");
    expose_number(e, &label, 1, 1);
}

/* Without a snapshot, the age is that of nothing: 0. */
static void expose_snapshots(const struct service *service, struct exposition *e)
{
    struct storage_says says = { .count = 0 };
    const struct storage_port *storage = service->storage;
    if (storage->snapshot_metrics)
        says.count = storage->snapshot_metrics(storage->snapshots_self, says.metrics);
    uint64_t made_ms = number_of(&says, "made_ms"), now_ms = clock_ms(CLOCK_REALTIME);
    expose_storage(e, &says, snapshot_families,
                   sizeof snapshot_families / sizeof *snapshot_families);
    expose_gauge_ms(e, "stockd_snapshot_age_seconds",
                    "How long ago the newest snapshot was made; 0: there is none.",
                    made_ms > 0 && now_ms > made_ms ? now_ms - made_ms : 0);
    expose_gauge_ms(e, "stockd_compaction_last_seconds", "How long the last compaction took.",
                    number_of(&says, "last_ms"));
}

static void expose_disk(struct exposition *e, const char *directory)
{
    struct statvfs disk;
    if (statvfs(directory, &disk) < 0)
        return;
    expose_gauge(e, "stockd_disk_free_bytes", "Free space for the journal, on its file system.",
                 (uint64_t)disk.f_bavail * disk.f_frsize);
    expose_gauge(e, "stockd_disk_size_bytes", "Size of the file system that the journal is on.",
                 (uint64_t)disk.f_blocks * disk.f_frsize);
}

void collect_journal(const struct collector *c, struct exposition *e)
{
    const struct service *service = c->engine.service;
    struct storage_says says;
    says.count = service->storage->metrics(service->storage->self, says.metrics);
    expose_log(service, e);
    expose_storage(e, &says, journal_families, sizeof journal_families / sizeof *journal_families);
    expose_durability(e, &says);
    expose_snapshots(service, e);
    expose_disk(e, c->engine.directory);
}
