/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/journal_rig.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "engine/log/record.h"
#include "persistence/journal_node.h"
#include "persistence/journal_state.h"
#include "tests/support/random.h"

enum { RIG_LOG_BYTES = 1 << 20 };

/* A number of chance from any other. */
static uint64_t mixed(uint64_t x)
{
    struct random random = { x };
    return random_next(&random);
}

static uint32_t record_length(const struct rig *rig, uint64_t n)
{
    uint32_t longest = rig->longest ? rig->longest : 256;
    uint32_t words = (longest - 8) / 8 + 1;
    return 8 + 8 * (uint32_t)(mixed(rig->seed ^ (n * 2)) % words);
}

uint32_t rig_record(const struct rig *rig, uint64_t n, void *buffer)
{
    uint32_t length = record_length(rig, n);
    struct record_head head = { .length = length, .type = RECORD_VOID, .client = (uint16_t)n };
    memcpy(buffer, &head, sizeof head);
    for (uint32_t at = 8; at < length; at += 8) {
        uint64_t word = mixed(rig->seed + n * RECORD_MAX + at);
        memcpy((char *)buffer + at, &word, 8);
    }
    return length;
}

/* ---- what the journal calls ---- */

static int check_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    struct rig *rig = context;
    _Alignas(8) unsigned char expected[RECORD_MAX];
    uint32_t length = rig_record(rig, rig->found, expected);
    (void)time_ms;
    rig->opened.lsn += length;
    if (record->length != length || memcmp(record, expected, length) != 0 ||
        lsn != rig->opened.lsn) {
        fprintf(stderr, "record %llu, lsn %llu is not what was written\n",
                (unsigned long long)rig->found, (unsigned long long)lsn);
        rig->wrong = true;
    }
    rig->found++;
    return 0;
}

static void hear(void *context, int level, const char *line)
{
    struct rig *rig = context;
    assert(level == LOG_WARNING || level == LOG_ERR);
    rig->lines++;
    if (rig->journal)
        rig->said_inside |= atomic_load(&rig->journal->requests.word) != COMBINING_OPEN ||
                            atomic_load(&rig->journal->order.word) != COMBINING_OPEN;
    snprintf(rig->last_line, sizeof rig->last_line, "%s", line);
    if (rig->talkative)
        printf("%s\n", line);
}

static uint64_t tell_wall(void *context)
{
    return ((struct rig *)context)->wall_ms;
}

static uint64_t tell_steady(void *context)
{
    return ((struct rig *)context)->steady_ms;
}

static void leap(void *context, uint64_t from, uint64_t to)
{
    struct rig *rig = context;
    assert(from == rig->opened.lsn);
    rig->opened.lsn = to;
    rig->leaps++;
}

/* ---- the rig ---- */

int rig_open(struct rig *rig)
{
    struct journal_options options = {
        .directory = rig->directory,
        .durability = rig->durability,
        .segment_bytes = rig->segment_bytes,
        .init = rig->init,
        .log = &rig->log,
        .files = rig->files,
        .replication = rig->replication,
        .directory_id = rig->directory_id,
        .context = rig,
        .apply = check_record,
        .on_leap = leap,
        .say = hear,
        .wall_ms = tell_wall,
        .steady_ms = tell_steady,
    };
    assert(!rig->journal);
    rig->found = 0;
    rig->wrong = false;
    rig->lines = rig->leaps = 0;
    rig->said_inside = false;
    rig->opened = (struct journal_opened){ 0 };
    int error = log_init(&rig->log, RIG_LOG_BYTES, 1, 0);
    assert(!error);
    struct journal_opened opened;
    error = journal_open(&rig->journal, &options, &opened, &rig->why);
    rig->appended = rig->found;
    if (error) {
        log_destroy(&rig->log);
        return error;
    }
    assert(opened.lsn == rig->opened.lsn);
    rig->opened = opened;
    return 0;
}

int rig_lead(struct rig *rig, uint64_t records)
{
    struct journal_lead lead;
    log_start_at(&rig->log, journal_end(rig->journal).lsn);
    int error = journal_lead(rig->journal, &lead, &rig->why);
    rig->found = rig->appended = records;
    rig->opened.lsn = lead.lsn;
    return error;
}

uint64_t rig_append(struct rig *rig)
{
    _Alignas(8) unsigned char record[RECORD_MAX];
    if (!log_has_room(&rig->log))
        return 0;
    uint32_t length = rig_record(rig, rig->appended, record);
    uint64_t position = log_claim(&rig->log, length);
    log_publish(&rig->log, position, (const struct record_head *)(const void *)record);
    rig->appended++;
    return position + length;
}

void rig_drive(struct rig *rig)
{
    const struct file_ops *files = rig->files ? rig->files : &file_system;
    struct file_request request;
    bool more = journal_next(rig->journal, false, &request);
    while (more)
        more = journal_done(rig->journal, &request, file_perform(files, &request), &request);
}

uint64_t rig_records_up_to(const struct rig *rig, uint64_t lsn)
{
    uint64_t position = rig->opened.lsn, n = rig->found;
    while (n < rig->appended && position + record_length(rig, n) <= lsn)
        position += record_length(rig, n++);
    return n;
}

uint64_t rig_acknowledged(const struct rig *rig)
{
    return rig_records_up_to(rig, log_acknowledged(&rig->log));
}

int rig_close(struct rig *rig)
{
    int error = journal_close(rig->journal, &rig->why);
    rig->journal = NULL;
    log_destroy(&rig->log);
    return error;
}

void rig_abandon(struct rig *rig)
{
    journal_abandon(rig->journal);
    rig->journal = NULL;
    log_destroy(&rig->log);
}
