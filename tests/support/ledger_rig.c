/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/ledger_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/replay/follow.h"
#include "tests/support/random.h"

enum { DRAIN_STEP = 1 << 20 };

static void give_up(const char *what)
{
    fprintf(stderr, "ledger_rig: %s\n", what);
    exit(1);
}

static size_t log_capacity(unsigned contexts)
{
    size_t capacity = 1 << 20;
    while (capacity < (size_t)contexts * LOG_RECORDS_PER_CHECK * RECORD_MAX * 4)
        capacity *= 2;
    return capacity;
}

static void open_at(struct ledger_rig *rig, const struct ledger_config *config, uint64_t position)
{
    memset(rig, 0, sizeof *rig);
    if (log_init(&rig->log, log_capacity(config->contexts), config->contexts, position) != 0)
        give_up("no log");
    rig->config = *config;
    rig->config.log = &rig->log;
    rig->ledger = ledger_create(&rig->config);
    if (!rig->ledger)
        give_up("no ledger");
}

void ledger_rig_open(struct ledger_rig *rig, const struct ledger_config *config)
{
    open_at(rig, config, 0);
}

void ledger_rig_close(struct ledger_rig *rig)
{
    ledger_destroy(rig->ledger);
    log_destroy(&rig->log);
    free(rig->records);
}

static void make_room(struct ledger_rig *rig, size_t bytes)
{
    if (rig->capacity - rig->length >= bytes)
        return;
    rig->capacity = rig->capacity * 2 + bytes;
    rig->records = realloc(rig->records, rig->capacity);
    if (!rig->records)
        give_up("no memory for records");
}

void ledger_rig_drain(struct ledger_rig *rig)
{
    size_t moved;
    do {
        make_room(rig, DRAIN_STEP);
        moved = log_drain(&rig->log, rig->records + rig->length, DRAIN_STEP);
        rig->length += moved;
    } while (moved > 0);
}

uint32_t ledger_rig_record(const struct ledger_rig *rig, size_t offset, void *buffer)
{
    uint32_t length;
    memcpy(&length, rig->records + offset, sizeof length);
    memcpy(buffer, rig->records + offset, length);
    return length;
}

bool ledger_rig_follow_quietly(struct ledger_rig *follower, const struct ledger_rig *rig,
                               size_t bytes, char *why, size_t size)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    open_at(follower, &rig->config, 0);
    size_t offset = 0;
    while (offset < bytes) {
        uint32_t length = ledger_rig_record(rig, offset, record);
        offset += length;
        const struct record_head *head = (const struct record_head *)(const void *)record;
        int error = ledger_apply(follower->ledger, head, offset);
        if (error == 0)
            continue;
        const char *said = ctx_failure(ledger_ctx(follower->ledger, 0))->message;
        snprintf(why, size, "error %d at LSN %zu: %s", error, offset, said);
        ledger_rig_close(follower);
        return false;
    }
    return true;
}

static void copy_records(struct ledger_rig *follower, const struct ledger_rig *rig, size_t bytes)
{
    make_room(follower, bytes);
    if (bytes > 0)
        memcpy(follower->records, rig->records, bytes);
    follower->length = bytes;
}

void ledger_rig_adopt(struct ledger_rig *follower, const struct ledger_rig *rig, size_t bytes,
                      uint64_t now_ms)
{
    copy_records(follower, rig, bytes);
    log_start_at(&follower->log, bytes);
    ledger_recovered(follower->ledger, now_ms);
}

bool ledger_rig_follow(struct ledger_rig *follower, const struct ledger_rig *rig, size_t bytes,
                       uint64_t now_ms, char *why, size_t size)
{
    if (!ledger_rig_follow_quietly(follower, rig, bytes, why, size))
        return false;
    ledger_rig_adopt(follower, rig, bytes, now_ms);
    return true;
}

static void take_up(struct ledger_rig *follower, uint64_t now_ms)
{
    enum { CHUNKS = 3 };
    for (unsigned i = 0; i < follower->config.contexts; i++) {
        struct ctx *ctx = ledger_ctx(follower->ledger, i);
        bool done = false;
        while (!done) {
            ledger_begin(ctx, now_ms, now_ms);
            done = ledger_take_up(ctx, CHUNKS);
            ledger_end(ctx);
        }
    }
}

static size_t batch_at(const struct ledger_rig *rig, size_t offset, struct random *random)
{
    static _Alignas(8) unsigned char record[RECORD_MAX];
    size_t end = offset;
    for (int records = random_between(random, 1, 9); records > 0 && end < rig->length; records--)
        end += ledger_rig_record(rig, end, record);
    return end - offset;
}

bool ledger_rig_take_over(struct ledger_rig *follower, const struct ledger_rig *rig, size_t bytes,
                          uint64_t now_ms, struct random *random, char *why, size_t size)
{
    if (!ledger_rig_follow_quietly(follower, rig, bytes, why, size))
        return false;
    copy_records(follower, rig, rig->length);
    log_start_at(&follower->log, bytes);
    if (ledger_follow(follower->ledger, now_ms) != 0)
        give_up("no memory to follow");
    while (bytes < rig->length) {
        struct follow_batch batch = { .first_lsn = bytes,
                                      .records = follower->records + bytes,
                                      .length = batch_at(rig, bytes, random) };
        bytes += batch.length;
        if (ledger_follow_batch(follower->ledger, &batch) == 0)
            continue;
        snprintf(why, size, "%s", ctx_failure(ledger_ctx(follower->ledger, 0))->message);
        ledger_rig_close(follower);
        return false;
    }
    ledger_promote(follower->ledger, now_ms);
    take_up(follower, now_ms);
    return true;
}
