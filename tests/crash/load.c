/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client of a crash test: it outlives the engine, knows what was acknowledged, and afterwards
 * compares everything.
 *
 *   crash_load load ADDRESS FILE SEED NUMBER CONNECTIONS WINDOW
 *       asks as much as it can until the connections break; then writes into FILE what it had sent
 *       and which LSNs it was told. Exit 1: the engine refused what it must not refuse.
 *   crash_load verify ADDRESS FILE
 *       The state of each connection's items and orders must be that after a prefix of what it
 *       asked: with everything that was acknowledged up to the LSN that was recovered, and nothing
 *       beyond. Prints one line: acknowledged, lost, sent, kept, and milliseconds: how much older
 *       than the last acknowledgement the first one was that was lost. FILE then names the
 *       prefixes, so that it can be verified again after later crashes: they must be the same.
 *       The first time, the last ops that were acknowledged are asked again, and must be answered
 *       with the same LSNs; and what places rejected must be told as events.
 *       Exit 1: the state is that of no such prefix.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stockd/client.h>

#include "tests/crash/ask.h"
#include "tests/crash/found.h"
#include "tests/support/watchdog.h"

enum {
    CONNECTIONS_MAX = 16,
    ASKED_AGAIN = 128, /* of a connection's last ops */
    SETTLING_MS = 20000,
};

/* One connection of one life. */
struct told {
    struct life life;
    const char *address;
    uint64_t seed;
    unsigned window;
    uint32_t sent, acknowledged, room;
    struct {
        uint64_t lsn, ms; /* that it was told, and when */
    } * acks;             /* of the acknowledged ones, in order */
    int64_t kept; /* how many were there at the first verification; -1: there was none yet */
    char wrong[512];
};

struct story {
    uint64_t seed, number;
    unsigned connections;
    struct told told[CONNECTIONS_MAX];
};

/* ---- asking ---- */

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void note_ack(struct told *told, uint64_t lsn, uint64_t ms)
{
    if (told->acknowledged == told->room) {
        told->room = told->room * 2 + 1024;
        told->acks = realloc(told->acks, told->room * sizeof *told->acks);
        if (!told->acks)
            abort();
    }
    told->acks[told->acknowledged].lsn = lsn;
    told->acks[told->acknowledged++].ms = ms;
}

/* The engine takes nothing any more: its journal cannot be written, or it is stopping. */
static bool is_over(const stockd_reply *reply, const stockd_client *client)
{
    return strcmp(reply->code, "read_only") == 0 ||
           strstr(stockd_error_message(client), "the engine is stopping") != NULL;
}

/* False: no more answers come, or none that counts. */
static bool take_answer(struct told *told, stockd_client *client)
{
    stockd_reply reply;
    uint64_t lsn;
    int status = stockd_receive(client, &reply);
    if (status == STOCKD_REFUSED && !is_over(&reply, client))
        snprintf(told->wrong, sizeof told->wrong, "op %" PRIu32 " was refused: %s",
                 told->acknowledged, stockd_error_message(client));
    if (status != STOCKD_OK)
        return false;
    if (!stockd_map_u64(reply.result, "lsn", &lsn)) {
        snprintf(told->wrong, sizeof told->wrong, "a reply has no lsn");
        return false;
    }
    note_ack(told, lsn, clock_ms());
    return true;
}

static void *load_connection(void *argument)
{
    struct told *told = argument;
    stockd_client *client;
    bool going = stockd_connect(&client, told->address, NULL) == STOCKD_OK;
    while (going) {
        struct op op;
        while (going && stockd_in_flight(client) < told->window) {
            life_next(&told->life, &op);
            going = ask(client, &told->life, &op) == STOCKD_OK;
            told->sent++;
        }
        going = going && stockd_flush(client) == STOCKD_OK;
        for (unsigned i = 0; going && i <= told->window / 2; i++)
            going = take_answer(told, client);
    }
    stockd_close(client);
    return NULL;
}

/* ---- the file ---- */

static void write_story(const struct story *story, const char *path)
{
    FILE *file = fopen(path, "we");
    if (!file)
        give_up(EXIT_USAGE, "cannot write %s", path);
    fprintf(file, "%" PRIu64 " %" PRIu64 " %u\n", story->seed, story->number, story->connections);
    for (unsigned c = 0; c < story->connections; c++) {
        const struct told *told = &story->told[c];
        fprintf(file, "%" PRIu32 " %" PRIu32 " %" PRId64 "\n", told->sent, told->acknowledged,
                told->kept);
        for (uint32_t i = 0; i < told->acknowledged; i++)
            fprintf(file, "%" PRIu64 " %" PRIu64 "\n", told->acks[i].lsn, told->acks[i].ms);
    }
    if (fclose(file) != 0)
        give_up(EXIT_USAGE, "cannot write %s", path);
}

static void read_told(FILE *file, struct told *told, const char *path)
{
    uint32_t acknowledged;
    if (fscanf(file, "%" SCNu32 " %" SCNu32 " %" SCNd64, &told->sent, &acknowledged, &told->kept) !=
        3)
        give_up(EXIT_USAGE, "cannot read %s", path);
    for (uint32_t i = 0; i < acknowledged; i++) {
        uint64_t lsn, ms;
        if (fscanf(file, "%" SCNu64 " %" SCNu64, &lsn, &ms) != 2)
            give_up(EXIT_USAGE, "cannot read %s", path);
        note_ack(told, lsn, ms);
    }
}

static void read_story(struct story *story, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file || fscanf(file, "%" SCNu64 " %" SCNu64 " %u", &story->seed, &story->number,
                        &story->connections) != 3)
        give_up(EXIT_USAGE, "cannot read %s", path);
    for (unsigned c = 0; c < story->connections && c < CONNECTIONS_MAX; c++)
        read_told(file, &story->told[c], path);
    fclose(file);
}

/* ---- loading ---- */

/* A place that has what the other one cannot give, and a channel that sells what is on its way.
 * False: the engine takes nothing any more. */
static bool set_up(const char *address)
{
    static const char *const calls[][4] = {
        { "location_set", "annex", "priority", NULL },
        { "channel_set", "ahead", "promise", "incoming" },
    };
    stockd_client *client;
    stockd_reply reply;
    int status = stockd_connect(&client, address, NULL); /* sets client in any case */
    for (int i = 0; i < 2 && status == STOCKD_OK; i++) {
        unsigned char buffer[64];
        stockd_pack pack;
        stockd_pack_init(&pack, buffer, sizeof buffer);
        stockd_pack_array(&pack, 2);
        stockd_pack_str(&pack, calls[i][1]);
        stockd_pack_map(&pack, 1);
        stockd_pack_str(&pack, calls[i][2]);
        if (calls[i][3])
            stockd_pack_str(&pack, calls[i][3]);
        else
            stockd_pack_i64(&pack, 200); /* behind main */
        status = stockd_call(client, calls[i][0], pack.data, pack.len, 0, &reply);
        if (status == STOCKD_REFUSED && !is_over(&reply, client))
            give_up(EXIT_WRONG, "%s was refused: %s", calls[i][0], stockd_error_message(client));
    }
    stockd_close(client);
    return status == STOCKD_OK;
}

static int load(const char *address, const char *path, struct story *story, unsigned window)
{
    pthread_t threads[CONNECTIONS_MAX];
    int status = 0;
    bool up = set_up(address);
    for (unsigned c = 0; c < story->connections; c++)
        story->told[c] = (struct told){ .address = address, .window = window, .kept = -1 };
    for (unsigned c = 0; up && c < story->connections; c++) {
        struct told *told = &story->told[c];
        life_start(&told->life, story->seed, story->number, c);
        if (pthread_create(&threads[c], NULL, load_connection, told) != 0)
            give_up(EXIT_USAGE, "no thread");
    }
    for (unsigned c = 0; up && c < story->connections; c++) {
        pthread_join(threads[c], NULL);
        if (story->told[c].wrong[0]) {
            fprintf(stderr, "connection %u: %s\n", c, story->told[c].wrong);
            status = EXIT_WRONG;
        }
    }
    write_story(story, path);
    return status;
}

/* ---- verifying ---- */

/* The least prefix of at least `least` and at most `most` ops that explains the state; -1: none. */
static int64_t explain(const struct told *told, uint64_t number, unsigned connection,
                       const struct found *found, uint32_t least, uint32_t most, char *why,
                       size_t size)
{
    struct life life;
    struct op op;
    int64_t explained = -1;
    life_start(&life, told->seed, number, connection);
    while (life.ops < least)
        life_next(&life, &op);
    for (;;) {
        if (is_state(&life, found, why, size))
            explained = life.ops;
        if (explained >= 0 || life.ops >= most)
            break;
        life_next(&life, &op);
    }
    life_end(&life);
    return explained;
}

static uint32_t orders_of(const struct story *story, unsigned connection)
{
    struct life life;
    struct op op;
    life_start(&life, story->seed, story->number, connection);
    while (life.ops < story->told[connection].sent)
        life_next(&life, &op);
    uint32_t orders = life.order_count;
    life_end(&life);
    return orders;
}

/* Which prefixes are allowed: by the LSN that was recovered, or by what was found last time. */
static void bounds(const struct told *told, uint64_t recovered, uint32_t *least, uint32_t *most)
{
    uint32_t in = 0;
    while (in < told->acknowledged && told->acks[in].lsn <= recovered)
        in++;
    *least = in;
    *most = in < told->acknowledged ? in : told->sent;
    if (told->kept >= 0)
        *least = *most = (uint32_t)told->kept;
}

/* By `info`: the log may have gone on far beyond (F17). */
static uint64_t recovered_lsn(stockd_client *client)
{
    stockd_pack pack;
    stockd_reply reply;
    stockd_value journal;
    unsigned char params[16];
    uint64_t lsn;
    stockd_pack_init(&pack, params, sizeof params);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, "journal");
    must(client, stockd_call(client, "info", params, pack.len, 0, &reply));
    if (!stockd_map_find(reply.result, "journal", &journal) ||
        !stockd_map_u64(journal, "recovered_lsn", &lsn))
        give_up(EXIT_WRONG, "info does not say what was recovered");
    return lsn;
}

/* ---- asking again ---- */

/* The event that such a reject has, by its LSN. */
static void must_be_told(stockd_client *client, const struct life *life, const struct op *op,
                         uint64_t lsn)
{
    unsigned char buffer[64];
    char name[LIFE_NAME], id[STOCKD_ID_MAX + 1] = "";
    stockd_pack pack;
    stockd_reply reply;
    stockd_value events, event;
    uint64_t told = 0;
    life_order_name(life, op->order, name);
    stockd_pack_init(&pack, buffer, sizeof buffer);
    stockd_pack_array(&pack, 2);
    stockd_pack_u64(&pack, lsn - 1);
    stockd_pack_map(&pack, 2);
    stockd_pack_str(&pack, "types");
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, "rejected");
    stockd_pack_str(&pack, "limit");
    stockd_pack_u64(&pack, 1);
    must(client, stockd_call(client, "events", pack.data, pack.len, 0, &reply));
    if (!stockd_map_find(reply.result, "events", &events))
        give_up(EXIT_WRONG, "a reply has no events");
    stockd_iter each = stockd_iterate(events);
    if (stockd_next(&each, NULL, &event) && stockd_map_u64(event, "lsn", &told)) {
        stockd_value value;
        if (stockd_map_find(event, "id", &value))
            stockd_value_copy_str(value, id, sizeof id);
    }
    if (told != lsn || strcmp(id, name) != 0)
        give_up(EXIT_WRONG, "life %" PRIu64 ": no event tells that %s was rejected at LSN %" PRIu64,
                life->number, name, lsn);
}

/* What was acknowledged and is there is answered as it was, and its events are told. */
static void ask_again(stockd_client *client, const struct told *told, uint64_t number,
                      unsigned connection)
{
    struct life life;
    struct op op;
    uint32_t kept = (uint32_t)told->kept;
    uint32_t known = kept < told->acknowledged ? kept : told->acknowledged;
    life_start(&life, told->seed, number, connection);
    while (life.ops < known) {
        stockd_reply reply;
        uint64_t lsn = 0;
        life_next(&life, &op);
        if (op.number + ASKED_AGAIN < known || !ask_repeats(&op))
            continue;
        must(client, ask(client, &life, &op));
        must(client, stockd_receive(client, &reply));
        stockd_map_u64(reply.result, "lsn", &lsn);
        if (lsn != told->acks[op.number].lsn)
            give_up(EXIT_WRONG,
                    "life %" PRIu64 ", connection %u: op %" PRIu32 " had LSN %" PRIu64
                    ", and has %" PRIu64 " when it is asked again",
                    number, connection, op.number, told->acks[op.number].lsn, lsn);
        if (op.kind == OP_REJECT)
            must_be_told(client, &life, &op, lsn);
    }
    life_end(&life);
}

/* ---- one connection ---- */

static void verify_connection(stockd_client *client, struct story *story, unsigned connection,
                              uint64_t recovered)
{
    struct told *told = &story->told[connection];
    struct found found;
    char why[256] = "";
    uint32_t least, most;
    told->seed = story->seed;
    told->life = (struct life){ .number = story->number, .connection = connection };
    bool first = told->kept < 0;
    bounds(told, recovered, &least, &most);
    found.orders = orders_of(story, connection);
    found.states = calloc(found.orders + 1, sizeof *found.states);
    found.waits = calloc(found.orders + 1, sizeof *found.waits);
    uint64_t deadline = clock_ms() + (uint64_t)patient_ms(SETTLING_MS);
    int64_t kept;
    do {
        find(client, &told->life, &found);
        kept = explain(told, story->number, connection, &found, least, most, why, sizeof why);
    } while (kept < 0 && is_unsettled(&found) && clock_ms() < deadline);
    if (kept < 0)
        give_up(EXIT_WRONG,
                "life %" PRIu64 ", connection %u: recovered up to LSN %" PRIu64
                ": no prefix of %" PRIu32 " to %" PRIu32 " ops (%" PRIu32 " acknowledged, %" PRIu32
                " sent) explains the state: %s",
                story->number, connection, recovered, least, most, told->acknowledged, told->sent,
                why);
    told->kept = kept;
    free(found.states);
    free(found.waits);
    if (first)
        ask_again(client, told, story->number, connection);
}

static int verify(const char *address, const char *path, struct story *story)
{
    stockd_client *client;
    uint64_t recovered, acknowledged = 0, lost = 0, sent = 0, kept = 0, age = 0;
    int connected = stockd_connect(&client, address, NULL); /* sets client in any case */
    must(client, connected);
    recovered = recovered_lsn(client);
    for (unsigned c = 0; c < story->connections; c++) {
        struct told *told = &story->told[c];
        verify_connection(client, story, c, recovered);
        sent += told->sent;
        kept += (uint64_t)told->kept;
        acknowledged += told->acknowledged;
        if (told->acknowledged <= (uint64_t)told->kept)
            continue;
        lost += told->acknowledged - (uint64_t)told->kept;
        uint64_t ms = told->acks[told->acknowledged - 1].ms - told->acks[told->kept].ms;
        age = ms > age ? ms : age;
    }
    stockd_close(client);
    write_story(story, path);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", acknowledged, lost,
           sent, kept, age);
    return 0;
}

int main(int argc, char **argv)
{
    static struct story story;
    if (argc == 8 && strcmp(argv[1], "load") == 0) {
        story.seed = strtoull(argv[4], NULL, 10);
        story.number = strtoull(argv[5], NULL, 10);
        story.connections = (unsigned)strtoul(argv[6], NULL, 10);
        if (story.connections <= CONNECTIONS_MAX)
            return load(argv[2], argv[3], &story, (unsigned)strtoul(argv[7], NULL, 10));
    }
    if (argc == 4 && strcmp(argv[1], "verify") == 0) {
        read_story(&story, argv[3]);
        return verify(argv[2], argv[3], &story);
    }
    give_up(EXIT_USAGE, "usage: crash_load load ADDRESS FILE SEED NUMBER CONNECTIONS WINDOW\n"
                        "       crash_load verify ADDRESS FILE");
}
