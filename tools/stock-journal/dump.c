/* SPDX-License-Identifier: Apache-2.0 */
/* dump: the records, one per line; or as CSV, what each did to each pool. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/history/history.h"
#include "engine/log/record_layout.h"
#include "engine/store/pool.h"
#include "persistence/snapshot_walk.h"
#include "tools/stock-journal/job.h"
#include "tools/stock-journal/show.h"
#include "tools/stock-journal/when.h"

struct dumping {
    struct job *job;
    struct shower shower;
    struct history history; /* CSV, or of one sku */
    bool has_history;       /* it is of everything, or the sku's item is known */
    bool by_time;
    uint64_t since;
    FILE *nowhere; /* for records that only teach names */
    uint64_t unreadable;
};

/* ---- CSV ---- */

static void put_csv(const char *text, size_t length)
{
    bool plain = true;
    for (size_t i = 0; i < length && plain; i++)
        plain = !strchr(",\"\r\n", text[i]);
    if (plain) {
        fwrite(text, 1, length, stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"')
            putchar('"');
        putchar(text[i]);
    }
    putchar('"');
}

static void put_text(struct text text)
{
    putchar(',');
    if (text.len > 0)
        put_csv(text.at, text.len);
}

static void put_name(const struct name_table *table, bool given, uint32_t index)
{
    char unknown[16];
    put_text(given ? text_of(name_get(table, index, unknown)) : (struct text){ NULL, 0 });
}

static void put_number(bool given, int64_t number)
{
    printf(given ? ",%" PRId64 : ",", number);
}

static int put_event(void *context, const struct history_event *e)
{
    const struct dumping *d = context;
    if (d->by_time ? e->time_ms < d->since : e->lsn <= d->since)
        return 0;
    printf("%" PRIu64 ",%s,%s", e->lsn, time_text(e->time_ms).text, e->type);
    put_text(e->id);
    put_text(e->op);
    put_name(&d->shower.items, e->has_item, e->pool.item);
    put_name(&d->shower.locations, e->has_pool, e->pool.location);
    put_text(text_of(e->kind));
    put_name(&d->shower.channels, e->has_channel, e->channel);
    put_number(e->has_pool, e->qty);
    put_number(e->has_stock, e->on_hand);
    put_number(e->has_stock, e->reserved);
    put_text(text_of(e->state));
    put_text(text_of(e->expires_ms ? time_text(e->expires_ms).text : NULL));
    put_name(&d->shower.clients, e->client != 0, e->client);
    put_text(e->reason);
    put_text(e->ref);
    put_text(text_of(e->eta_ms ? time_text(e->eta_ms).text : NULL));
    putchar('\n');
    return 0;
}

/* ---- records ---- */

/* Of one sku the history can begin only where its item does. */
static bool begins_history(const struct dumping *d, const struct record_head *record,
                           uint32_t *item)
{
    struct item_fields f;
    if (record->type != RECORD_ITEM || !item_decode(record, &f))
        return false;
    *item = f.fixed.item;
    return text_equal(f.sku, text_of(d->job->sku));
}

static bool is_wanted(struct dumping *d, uint64_t lsn, uint64_t time_ms)
{
    bool late = d->by_time ? time_ms >= d->since : lsn > d->since;
    return late && !d->job->csv && (!d->job->sku || (d->has_history && d->history.concerned));
}

static int dump_record(void *context, const struct record_head *record, uint64_t lsn,
                       uint64_t time_ms)
{
    struct dumping *d = context;
    struct history_filter filter = { .subject = HISTORY_ITEM };
    if (d->job->sku && !d->has_history && begins_history(d, record, &filter.item)) {
        history_open(&d->history, &filter);
        d->has_history = true;
    }
    bool names = teaches_names(record->type);
    if (names && d->job->csv) {
        d->shower.sink.file = d->nowhere;
        show_record(&d->shower, record, lsn, time_ms);
    }
    if (d->has_history) {
        int error =
            history_take(&d->history, record, lsn, time_ms, d->job->csv ? put_event : NULL, d);
        if (error == -EILSEQ)
            d->unreadable++;
        else if (error)
            return error;
    }
    bool wanted = is_wanted(d, lsn, record_time_ms(record, time_ms));
    d->shower.sink.file = wanted ? stdout : d->nowhere;
    if ((wanted || names) && !d->job->csv && !show_record(&d->shower, record, lsn, time_ms))
        d->unreadable++;
    return ferror(stdout) ? -EPIPE : 0;
}

/* ---- a snapshot, where the records before it are gone ---- */

static void learn_setting(struct dumping *d, const unsigned char *at, uint64_t lsn)
{
    _Alignas(8) unsigned char copy[RECORD_MAX];
    struct record_head head;
    memcpy(&head, at, sizeof head);
    memcpy(copy, at, head.length);
    show_record(&d->shower, (const struct record_head *)(const void *)copy, lsn, 0);
}

static int learn_settings(struct dumping *d, const unsigned char *at, size_t left)
{
    struct contents_setting setting;
    struct record_head head;
    while (left >= sizeof setting + sizeof head) {
        memcpy(&setting, at, sizeof setting);
        memcpy(&head, at + sizeof setting, sizeof head);
        size_t length = sizeof setting + head.length;
        if (head.length < sizeof head || head.length > RECORD_MAX || length > left)
            return -EILSEQ;
        learn_setting(d, at + sizeof setting, setting.lsn);
        at += length;
        left -= length;
    }
    return left == 0 ? 0 : -EILSEQ;
}

static int learn_item(struct dumping *d, const struct contents_item *item, const unsigned char *at)
{
    struct text sku = { (const char *)at + contents_item_texts(item), item->sku_len };
    struct history_filter filter = { .subject = HISTORY_ITEM, .item = item->item };
    if (d->job->sku && text_equal(sku, text_of(d->job->sku))) {
        history_open(&d->history, &filter);
        d->has_history = true;
    }
    return name_set(&d->shower.items, item->item, sku) ? 0 : -ENOMEM;
}

static int learn_items(struct dumping *d, const unsigned char *at, size_t left)
{
    struct contents_item item;
    while (left >= sizeof item) {
        memcpy(&item, at, sizeof item);
        if (item.length > left || item.length < sizeof item ||
            contents_item_length(&item) > item.length)
            return -EILSEQ;
        int error = learn_item(d, &item, at + sizeof item);
        if (error)
            return error;
        at += item.length;
        left -= item.length;
    }
    return left == 0 ? 0 : -EILSEQ;
}

static int learn_block(void *context, enum contents_kind kind, const unsigned char *bytes,
                       uint32_t length)
{
    struct dumping *d = context;
    int error = 0;
    d->shower.sink.file = d->nowhere;
    if (kind == CONTENTS_SETTINGS)
        error = learn_settings(d, bytes, length);
    else if (kind == CONTENTS_ITEMS)
        error = learn_items(d, bytes, length);
    return error || !d->has_history ? error : history_load(&d->history, kind, bytes, length);
}

/* Names, and what was on hand, from the snapshot that the walk begins at. */
static int learn_from_snapshot(struct dumping *d)
{
    struct path folder;
    struct snapshot snapshot;
    struct error why = { "" };
    struct journal_position position;
    struct snapshot_walk walk = { .context = d, .on_block = learn_block };
    int error = path_join(&folder, d->job->directory, "snapshot");
    if (!error)
        error = recovery_base_oldest(&file_system, d->job->directory, &position, &why);
    if (error || position.lsn == 0)
        return 0; /* there is none; the walk reports what else is wrong */
    error = snapshot_open(&snapshot, &file_system, folder.text, position.lsn, &why);
    if (!error) {
        error = snapshot_walk(&snapshot, &walk, &why);
        snapshot_close(&snapshot);
    }
    if (error)
        fprintf(stderr, "stock-journal: %s\n", why.text);
    return error;
}

/* ---- since ---- */

static bool parse_since(struct dumping *d)
{
    return !d->job->since || when_parse("--since", d->job->since, &d->by_time, &d->since);
}

static int prepare(struct dumping *d)
{
    struct history_filter everything = { .subject = HISTORY_ALL };
    d->nowhere = fopen("/dev/null", "we");
    if (!parse_since(d) || !d->nowhere || !shower_init(&d->shower, d->job->json))
        return EXIT_USAGE;
    if (d->job->csv && !d->job->sku) {
        history_open(&d->history, &everything);
        d->has_history = true;
    }
    if (learn_from_snapshot(d) != 0)
        return EXIT_DAMAGED;
    if (d->job->csv)
        puts("lsn,time,type,id,op,sku,location,kind,channel,qty,on_hand,reserved,state,expires,"
             "client,reason,ref,eta");
    return EXIT_GOOD;
}

/* The walk's context is the dump itself. */
static int follow(struct dumping *d)
{
    struct replay_result result;
    struct replay_options options = { .on_record = dump_record };
    return job_follow(d->job, &options, d, &result);
}

int dump_journal(struct job *job)
{
    static struct dumping dumping;
    dumping.job = job;
    int status = prepare(&dumping);
    if (status == EXIT_GOOD)
        status = follow(&dumping);
    shower_free(&dumping.shower);
    history_close(&dumping.history);
    if (dumping.nowhere)
        fclose(dumping.nowhere);
    if (status == EXIT_GOOD && dumping.unreadable > 0) {
        fprintf(stderr, "stock-journal: %" PRIu64 " records do not fit their type\n",
                dumping.unreadable);
        status = EXIT_DAMAGED;
    }
    return status;
}
