/* SPDX-License-Identifier: Apache-2.0 */
/* stat: what a journal holds, by type of record and by hour. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/stock-journal/job.h"
#include "tools/stock-journal/show.h"

enum { TYPES_MAX = 256, BAR_COLUMNS = 40, HOURS_SHOWN = 72 };

#define HOUR_MS UINT64_C(3600000)

struct tally {
    uint64_t start_ms; /* of an hour or a day */
    uint64_t records, bytes;
};

struct counting {
    uint64_t batches, record_bytes, file_bytes;
    struct tally types[TYPES_MAX];
    struct tally *hours; /* owned; in order: time never goes back */
    size_t hour_count, hour_room;
};

static int count_batch(void *context, const struct batch_header *batch, uint64_t sequence,
                       uint64_t offset)
{
    struct counting *c = context;
    (void)sequence;
    (void)offset;
    c->batches++;
    c->record_bytes += batch->length;
    c->file_bytes += batch_span(batch->length);
    return 0;
}

static struct tally *hour_of(struct counting *c, uint64_t time_ms)
{
    uint64_t start = time_ms / HOUR_MS * HOUR_MS;
    if (c->hour_count > 0 && c->hours[c->hour_count - 1].start_ms >= start)
        return &c->hours[c->hour_count - 1];
    if (c->hour_count == c->hour_room) {
        size_t room = c->hour_room ? 2 * c->hour_room : 64;
        struct tally *grown = realloc(c->hours, room * sizeof *grown);
        if (!grown)
            return NULL;
        c->hours = grown;
        c->hour_room = room;
    }
    c->hours[c->hour_count] = (struct tally){ .start_ms = start };
    return &c->hours[c->hour_count++];
}

static int count_record(void *context, const struct record_head *record, uint64_t lsn,
                        uint64_t time_ms)
{
    struct counting *c = context;
    struct tally *hour = hour_of(c, time_ms);
    (void)lsn;
    if (!hour)
        return -ENOMEM;
    struct tally *type = &c->types[record->type];
    type->records++;
    type->bytes += record->length;
    hour->records++;
    hour->bytes += record->length;
    return 0;
}

/* ---- for people ---- */

static void print_row(const char *name, int width, const struct tally *tally, uint64_t most)
{
    unsigned columns = most > 0 ? (unsigned)((tally->bytes * BAR_COLUMNS + most - 1) / most) : 0;
    printf("%-*s %14" PRIu64 " %16" PRIu64 "  ", width, name, tally->records, tally->bytes);
    for (unsigned i = 0; i < columns; i++)
        putchar('#');
    putchar('\n');
}

static uint64_t most_bytes(const struct tally *tallies, size_t count)
{
    uint64_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = tallies[i].bytes > most ? tallies[i].bytes : most;
    return most;
}

static const char *type_name(unsigned type)
{
    const char *name = record_type_name(type);
    return name ? name : "unknown";
}

static void print_types(const struct counting *c, const struct replay_result *result)
{
    uint64_t most = most_bytes(c->types, TYPES_MAX);
    printf("%-10s %14s %16s\n", "type", "records", "bytes");
    for (unsigned type = 0; type < TYPES_MAX; type++)
        if (c->types[type].records > 0)
            print_row(type_name(type), 10, &c->types[type], most);
    printf("%-10s %14" PRIu64 " %16" PRIu64 "\n", "all", result->records, c->record_bytes);
    printf("in %" PRIu64 " batches of %" PRIu64 " bytes, in %" PRIu64 " segments\n", c->batches,
           c->file_bytes, result->segments);
}

/* Adds up hours to days. */
static void to_days(struct counting *c)
{
    size_t to = 0;
    for (size_t i = 0; i < c->hour_count; i++) {
        struct tally hour = c->hours[i];
        hour.start_ms = hour.start_ms / (24 * HOUR_MS) * (24 * HOUR_MS);
        if (to > 0 && c->hours[to - 1].start_ms == hour.start_ms) {
            c->hours[to - 1].records += hour.records;
            c->hours[to - 1].bytes += hour.bytes;
        } else {
            c->hours[to++] = hour;
        }
    }
    c->hour_count = to;
}

static void print_hours(struct counting *c)
{
    bool days = c->hour_count > HOURS_SHOWN;
    if (days)
        to_days(c);
    uint64_t most = most_bytes(c->hours, c->hour_count);
    if (c->hour_count > 0)
        printf("\n%-16s %14s %16s\n", days ? "day (UTC)" : "hour (UTC)", "records", "bytes");
    for (size_t i = 0; i < c->hour_count; i++) {
        struct time_text when = time_text(c->hours[i].start_ms);
        when.text[days ? 10 : 16] = '\0';
        print_row(when.text, 16, &c->hours[i], most);
    }
}

/* ---- for programs ---- */

static void print_json(const struct counting *c, const struct replay_result *result)
{
    const char *between = "";
    printf(
        "{\"lsn\":%" PRIu64 ",\"segments\":%" PRIu64 ",\"batches\":%" PRIu64 ",\"records\":%" PRIu64
        ",\"record_bytes\":%" PRIu64 ",\"file_bytes\":%" PRIu64 ",\"types\":{",
        result->lsn, result->segments, c->batches, result->records, c->record_bytes, c->file_bytes);
    for (unsigned type = 0; type < TYPES_MAX; type++) {
        const struct tally *tally = &c->types[type];
        if (tally->records == 0)
            continue;
        printf("%s\"%s\":{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", between, type_name(type),
               tally->records, tally->bytes);
        between = ",";
    }
    printf("},\"hours\":[");
    for (size_t i = 0; i < c->hour_count; i++)
        printf("%s{\"start_ms\":%" PRIu64 ",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
               i > 0 ? "," : "", c->hours[i].start_ms, c->hours[i].records, c->hours[i].bytes);
    printf("]}\n");
}

int stat_journal(struct job *job)
{
    static struct counting counting;
    struct replay_result result;
    struct replay_options options = { .on_batch = count_batch, .on_record = count_record };
    int status = job_follow(job, &options, &counting, &result);
    if (status == EXIT_GOOD && job->json) {
        print_json(&counting, &result);
    } else if (status == EXIT_GOOD) {
        print_types(&counting, &result);
        print_hours(&counting);
    }
    free(counting.hours);
    return status;
}
