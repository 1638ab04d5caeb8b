/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A snapshot in a file: what several threads load from it is the ledger that it was made of; a byte
 * that was changed anywhere in what counts, a file that was cut short, another's name or directory
 * are each noticed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/ledger/ctx.h"
#include "persistence/snapshot.h"
#include "tests/support/ledger_rig.h"
#include "tests/support/random.h"
#include "tests/support/scratch.h"

#ifdef __SANITIZE_THREAD__
enum { ITEMS = 20000, ORDERS = 12000, DAMAGES = 20 };
#else
enum { ITEMS = 40000, ORDERS = 30000, DAMAGES = 150 };
#endif

enum { PLACES = 9, THREADS = 4 };

static const struct ledger_config config = {
    .items = ITEMS, .pools = ITEMS * PLACES, .reservations = 8 * ORDERS, .contexts = 2
};
static const struct journal_position position = { .directory_id = 77,
                                                  .lsn = 123456,
                                                  .number = 9,
                                                  .checksum = 8,
                                                  .time_ms = 1700000000000,
                                                  .sequence = 3 };

static char why[512];

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    printf("FAIL: %s: %s\n", what, why);
    exit(1);
}

/* ---- a ledger with some of everything ---- */

static struct text name_of(char *buffer, size_t size, const char *message, int number)
{
    int n = snprintf(buffer, size, "%s%d", message, number);
    return (struct text){ buffer, (uint32_t)n };
}

static void receive(struct ctx *ctx, int item, int place, int op)
{
    char sku[32], location[32], id[32];
    struct movement m = { .id = name_of(id, sizeof id, "r", op),
                          .sku = name_of(sku, sizeof sku, "SKU-", item),
                          .location = name_of(location, sizeof location, "L", place),
                          .qty = 100 + item % 7 };
    struct movement_result r;
    must(ledger_receive(ctx, &m, &r) == CODE_OK, ctx_failure(ctx)->message);
}

static void order(struct ctx *ctx, struct random *random, int number)
{
    char ids[32], skus[DRAWS_PER_ENTRY + 3][32];
    struct order_line lines[DRAWS_PER_ENTRY + 3];
    int count = random_chance(random, 70) ? 1 : random_between(random, 2, DRAWS_PER_ENTRY + 3);
    for (int i = 0; i < count; i++)
        lines[i] = (struct order_line){
            .sku = name_of(skus[i], sizeof skus[i], "SKU-", random_below(random, ITEMS)), .qty = 1
        };
    struct order o = { .id = name_of(ids, sizeof ids, "order-", number),
                       .channel = text_of("default"),
                       .lines = lines,
                       .line_count = (uint32_t)count,
                       .confirm = random_chance(random, 50) };
    struct reservation_view view;
    must(ledger_reserve(ctx, &o, &view) == CODE_OK, ctx_failure(ctx)->message);
    struct step step = { .id = o.id };
    if (random_chance(random, 30))
        must(ledger_cancel(ctx, &step, &view) == CODE_OK, ctx_failure(ctx)->message);
    else if (o.confirm && random_chance(random, 30))
        must(ledger_fulfil(ctx, &step, &view) == CODE_OK, ctx_failure(ctx)->message);
}

static void fill(struct ledger_rig *rig)
{
    struct random random = { 42 };
    struct ctx *ctx = ledger_ctx(rig->ledger, 0);
    uint64_t lsn;
    char code[32];
    ledger_begin(ctx, 1000, 1000);
    for (int i = 0; i < PLACES; i++) {
        struct location_setting s = { .code = name_of(code, sizeof code, "L", i) };
        must(ledger_set_location(ctx, &s, &lsn) == CODE_OK, ctx_failure(ctx)->message);
    }
    for (int i = 0; i < ITEMS; i++) {
        int places = i % 11 == 0 ? PLACES : 1 + i % 3;
        for (int place = 0; place < places; place++)
            receive(ctx, i, place, i * PLACES + place);
        char sku[32];
        struct item_setting s = { .sku = name_of(sku, sizeof sku, "SKU-", i),
                                  .has_name = true,
                                  .name = text_of("A thing"),
                                  .has_low_stock = i % 2 == 0,
                                  .low_stock = 5 };
        if (i % 13 == 0)
            must(ledger_set_item(ctx, &s, &lsn) == CODE_OK, ctx_failure(ctx)->message);
        ledger_rig_drain(rig);
    }
    for (int i = 0; i < ORDERS; i++) {
        order(ctx, &random, i);
        ledger_rig_drain(rig);
    }
    ledger_end(ctx);
}

/* ---- there and back ---- */

static int load(const char *directory, uint64_t lsn, struct ledger *ledger, unsigned threads)
{
    struct snapshot snapshot;
    struct error reason = { "" };
    int error = snapshot_open(&snapshot, &file_system, directory, lsn, &reason);
    if (!error) {
        error = snapshot_load(&snapshot, ledger, NULL, threads, &reason);
        must(snapshot.header.position.number == position.number, "another position");
        snapshot_close(&snapshot);
    }
    snprintf(why, sizeof why, "%s", reason.text);
    must(!error == !reason.text[0], "an error has a reason");
    return error;
}

static void there_and_back(const struct ledger_rig *rig, const char *directory, unsigned threads)
{
    struct ledger_rig copy;
    ledger_rig_open(&copy, &config);
    must(load(directory, position.lsn, copy.ledger, threads) == 0, "it cannot be loaded");
    must(ledgers_equal(rig->ledger, copy.ledger, false, why, sizeof why), "they differ");
    ledger_recovered(copy.ledger, 2000);
    must(ledger_check(copy.ledger, why, sizeof why) == 0, "an invariant does not hold");
    ledger_rig_close(&copy);
}

/* With fewer slots the oldest finished ids are left out; with too few it is refused. */
static void smaller_tables(const char *directory)
{
    struct ledger_rig copy;
    struct ledger_config small = config;
    uint64_t live = 0;
    ledger_rig_open(&copy, &config);
    must(load(directory, position.lsn, copy.ledger, 1) == 0, "it cannot be loaded");
    live = id_table_live(&copy.ledger->ids);
    ledger_rig_close(&copy);

    small.reservations = (uint32_t)live * 2;
    ledger_rig_open(&copy, &small);
    must(load(directory, position.lsn, copy.ledger, 3) == 0, "it does not fit");
    ledger_recovered(copy.ledger, 2000);
    must(ledger_check(copy.ledger, why, sizeof why) == 0, "an invariant does not hold");
    ledger_rig_close(&copy);

    small.reservations = (uint32_t)live / 2;
    ledger_rig_open(&copy, &small);
    must(load(directory, position.lsn, copy.ledger, 1) == -ENOSPC, "no room was needed");
    ledger_rig_close(&copy);
    small.reservations = config.reservations;
    small.items = ITEMS / 2;
    ledger_rig_open(&copy, &small);
    must(load(directory, position.lsn, copy.ledger, 1) == -ENOSPC, "no room was needed");
    ledger_rig_close(&copy);
}

/* ---- damage ---- */

static void expect_damaged(const char *directory, const char *what)
{
    int error = load(directory, position.lsn, NULL, 1);
    if (error == -EPROTONOSUPPORT)
        error = -EILSEQ;
    snprintf(why, sizeof why, "%d", error);
    must(error == -EILSEQ, what);
}

static void put_byte(const char *path, size_t at, unsigned char byte)
{
    FILE *file = fopen(path, "r+b");
    must(file && fseek(file, (long)at, SEEK_SET) == 0 && fputc(byte, file) == byte, "write");
    must(fclose(file) == 0, "close");
}

static void damage(const char *directory, const char *path)
{
    struct random random = { 7 };
    struct snapshot snapshot;
    struct error reason;
    size_t length;
    unsigned char *bytes = read_file(path, &length);
    must(snapshot_open(&snapshot, &file_system, directory, position.lsn, &reason) == 0, "open");
    uint64_t blocks = snapshot.footer.block_count;
    must(blocks >= 4, "too small to say anything");
    size_t index = snapshot.footer.index_offset, footer = length - BLOCK_BYTES;
    for (int i = 0; i < DAMAGES; i++) {
        const struct snapshot_block *b = &snapshot.blocks[(uint64_t)i % blocks];
        size_t in_block = b->offset + random_next(&random) % b->length;
        size_t in_index = index + random_next(&random) % (blocks * sizeof *b);
        size_t at = i % 4 == 0   ? random_next(&random) % BLOCK_BYTES
                    : i % 4 == 1 ? in_index
                    : i % 4 == 2 ? footer + random_next(&random) % BLOCK_BYTES
                                 : in_block;
        put_byte(path, at, bytes[at] ^ (unsigned char)(1 << i % 8));
        snprintf(why, sizeof why, "offset %zu", at);
        expect_damaged(directory, "a changed byte was not noticed");
        put_byte(path, at, bytes[at]);
    }
    for (int i = 0; i < DAMAGES / 10; i++) {
        write_file(path, bytes, i == 0 ? 0 : i == 1 ? footer : random_next(&random) % length);
        expect_damaged(directory, "that it was cut short was not noticed");
    }
    write_file(path, bytes, length);
    must(load(directory, position.lsn, NULL, 2) == 0, "it is whole again");
    snapshot_close(&snapshot);
    free(bytes);
}

static void renamed(const char *directory, const char *path)
{
    char other[PATH_MAX + 64];
    size_t length;
    unsigned char *bytes = read_file(path, &length);
    snprintf(other, sizeof other, "%s/%s", directory, snapshot_name(position.lsn + 8).text);
    write_file(other, bytes, length);
    must(load(directory, position.lsn + 8, NULL, 1) == -EILSEQ, "another's name was not noticed");
    must(remove(other) == 0, "remove");
    free(bytes);
}

/* A reserved figure that no reservation is for, behind a checksum that is right. */
static void wrong_promise(struct ledger_rig *rig, const char *directory)
{
    struct journal_position other = position;
    struct ledger_rig copy;
    struct error reason;
    uint64_t bytes, after;
    other.lsn++;
    struct pool *pool = item_at(&rig->ledger->items, 5)->pools;
    must(pool_apply(pool, (struct pool_change){ .reserved = 1 }, 0, &after) == POOL_CHANGED,
         "take");
    must(snapshot_write(&file_system, directory, &other, 1, rig->ledger, &bytes, &reason) == 0,
         "it cannot be written");
    ledger_rig_open(&copy, &config);
    must(load(directory, other.lsn, copy.ledger, 2) == -EILSEQ, "I1 is not checked");
    must(strstr(why, "I1: \"SKU-5\"") != NULL, "the item is not named");
    ledger_rig_close(&copy);
    pool_give(pool, (struct pool_change){ .reserved = -1 });
}

int main(void)
{
    struct scratch scratch;
    struct ledger_rig rig;
    struct error reason = { "" };
    char path[PATH_MAX + 64];
    uint64_t bytes;
    scratch_make(&scratch);
    ledger_rig_open(&rig, &config);
    fill(&rig);
    int error = snapshot_write(&file_system, scratch.path, &position, 1700000000001, rig.ledger,
                               &bytes, &reason);
    snprintf(why, sizeof why, "%s", reason.text);
    must(error == 0, "it cannot be written");
    snprintf(path, sizeof path, "%s/%s", scratch.path, snapshot_name(position.lsn).text);
    there_and_back(&rig, scratch.path, 1);
    there_and_back(&rig, scratch.path, THREADS);
    smaller_tables(scratch.path);
    damage(scratch.path, path);
    renamed(scratch.path, path);
    wrong_promise(&rig, scratch.path);
    ledger_rig_close(&rig);
    scratch_remove(&scratch);
    printf("a snapshot of %" PRIu64 " bytes\n", bytes);
    return 0;
}
