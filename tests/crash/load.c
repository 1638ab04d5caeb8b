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
 *       Exit 1: the state is that of no such prefix.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <stockd/client.h>

#include "tests/crash/life.h"

enum { CONNECTIONS_MAX = 16, EXIT_WRONG = 1, EXIT_USAGE = 2 };

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

static void give_up(int status, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

static void give_up(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(status);
}

/* ---- asking ---- */

static void pack_reserve(stockd_pack *pack, const struct life *life, const struct op *op)
{
    char name[LIFE_NAME];
    const struct order *order = &life->orders[op->order];
    life_order_name(life, op->order, name);
    stockd_pack_array(pack, 4);
    stockd_pack_str(pack, name);
    stockd_pack_str(pack, "default");
    stockd_pack_array(pack, order->lines);
    for (unsigned i = 0; i < order->lines; i++) {
        stockd_pack_array(pack, 2);
        life_sku_name(life, order->line[i].sku, name);
        stockd_pack_str(pack, name);
        stockd_pack_i64(pack, order->line[i].qty);
    }
    stockd_pack_map(pack, 1);
    stockd_pack_str(pack, order->state == ORDER_CONFIRMED ? "confirm" : "ttl_ms");
    if (order->state == ORDER_CONFIRMED)
        stockd_pack_bool(pack, true);
    else
        stockd_pack_i64(pack, 3600 * 1000);
}

static void pack_receive(stockd_pack *pack, const struct life *life, const struct op *op)
{
    char name[LIFE_NAME];
    stockd_pack_array(pack, 4);
    life_op_name(life, op->number, name);
    stockd_pack_str(pack, name);
    life_sku_name(life, op->sku, name);
    stockd_pack_str(pack, name);
    stockd_pack_str(pack, "main");
    stockd_pack_i64(pack, op->qty);
}

static int send_op(stockd_client *client, const struct life *life, const struct op *op)
{
    static const char *const methods[] = { "receive", "reserve", "confirm", "fulfil", "cancel" };
    unsigned char buffer[512];
    char name[LIFE_NAME];
    stockd_pack pack;
    stockd_pack_init(&pack, buffer, sizeof buffer);
    if (op->kind == OP_RECEIVE) {
        pack_receive(&pack, life, op);
    } else if (op->kind == OP_RESERVE) {
        pack_reserve(&pack, life, op);
    } else {
        life_order_name(life, op->order, name);
        stockd_pack_array(&pack, 1);
        stockd_pack_str(&pack, name);
    }
    return stockd_send(client, methods[op->kind], pack.data, pack.len, NULL);
}

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
            going = send_op(client, &told->life, &op) == STOCKD_OK;
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

static int load(const char *address, const char *path, struct story *story, unsigned window)
{
    pthread_t threads[CONNECTIONS_MAX];
    int status = 0;
    for (unsigned c = 0; c < story->connections; c++) {
        struct told *told = &story->told[c];
        *told = (struct told){ .address = address, .window = window, .kept = -1 };
        life_start(&told->life, story->seed, story->number, c);
        if (pthread_create(&threads[c], NULL, load_connection, told) != 0)
            give_up(EXIT_USAGE, "no thread");
    }
    for (unsigned c = 0; c < story->connections; c++) {
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

/* What the engine says now. */
struct found {
    int64_t on_hand[LIFE_SKUS], reserved[LIFE_SKUS];
    char (*states)[16]; /* per order; "" if there is none */
    uint32_t orders;
};

static void must(stockd_client *client, int status)
{
    if (status != STOCKD_OK)
        give_up(EXIT_WRONG, "the engine does not answer: %s", stockd_error_message(client));
}

static void ask_for(stockd_client *client, const char *method, const char *name)
{
    unsigned char buffer[64];
    stockd_pack pack;
    stockd_pack_init(&pack, buffer, sizeof buffer);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, name);
    must(client, stockd_send(client, method, pack.data, pack.len, NULL));
}

/* False: there is none. */
static bool answer(stockd_client *client, stockd_reply *reply, const char *unknown)
{
    int status = stockd_receive(client, reply);
    if (status == STOCKD_REFUSED && strcmp(reply->code, unknown) == 0)
        return false;
    must(client, status);
    return true;
}

static void find(stockd_client *client, const struct life *life, uint32_t orders,
                 struct found *found)
{
    enum { AT_ONCE = 256 };
    char name[LIFE_NAME];
    stockd_reply reply;
    for (int i = 0; i < LIFE_SKUS; i++) {
        life_sku_name(life, i, name);
        ask_for(client, "stock", name);
        found->on_hand[i] = found->reserved[i] = 0;
        if (!answer(client, &reply, "unknown_sku"))
            continue;
        stockd_map_i64(reply.result, "on_hand", &found->on_hand[i]);
        stockd_map_i64(reply.result, "reserved", &found->reserved[i]);
    }
    found->orders = orders;
    found->states = calloc(orders + 1, sizeof *found->states);
    for (uint32_t from = 0; from < orders; from += AT_ONCE) {
        uint32_t to = orders - from < AT_ONCE ? orders : from + AT_ONCE;
        for (uint32_t i = from; i < to; i++) {
            life_order_name(life, i, name);
            ask_for(client, "reservation", name);
        }
        for (uint32_t i = from; i < to; i++) {
            stockd_value state;
            if (answer(client, &reply, "unknown_reservation") &&
                stockd_map_find(reply.result, "state", &state))
                stockd_value_copy_str(state, found->states[i], sizeof found->states[i]);
        }
    }
}

/* Is that the state after the ops that the life has drawn? If not, what differs. */
static bool is_state(const struct life *life, const struct found *found, char *why, size_t size)
{
    for (int i = 0; i < LIFE_SKUS; i++)
        if (found->on_hand[i] != life->on_hand[i] || found->reserved[i] != life->reserved[i]) {
            snprintf(why, size,
                     "item %d has %" PRId64 " on hand, %" PRId64 " reserved; not %" PRId64
                     ", %" PRId64,
                     i, found->on_hand[i], found->reserved[i], life->on_hand[i], life->reserved[i]);
            return false;
        }
    for (uint32_t i = 0; i < found->orders; i++) {
        bool there = i < life->order_count;
        const char *wanted = there ? order_state_name(life->orders[i].state) : "";
        if (strcmp(found->states[i], wanted) != 0) {
            snprintf(why, size, "order %" PRIu32 " is \"%s\", not \"%s\"", i, found->states[i],
                     wanted);
            return false;
        }
    }
    return true;
}

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

static void verify_connection(stockd_client *client, struct story *story, unsigned connection,
                              uint64_t recovered)
{
    struct told *told = &story->told[connection];
    struct found found;
    char why[256] = "";
    uint32_t least, most;
    told->seed = story->seed;
    told->life = (struct life){ .number = story->number, .connection = connection };
    bounds(told, recovered, &least, &most);
    find(client, &told->life, orders_of(story, connection), &found);
    int64_t kept = explain(told, story->number, connection, &found, least, most, why, sizeof why);
    if (kept < 0)
        give_up(EXIT_WRONG,
                "life %" PRIu64 ", connection %u: recovered up to LSN %" PRIu64
                ": no prefix of %" PRIu32 " to %" PRIu32 " ops (%" PRIu32 " acknowledged, %" PRIu32
                " sent) explains the state: %s",
                story->number, connection, recovered, least, most, told->acknowledged, told->sent,
                why);
    told->kept = kept;
    free(found.states);
}

static int verify(const char *address, const char *path, struct story *story)
{
    stockd_client *client;
    stockd_reply reply;
    uint64_t recovered = 0, acknowledged = 0, lost = 0, sent = 0, kept = 0, age = 0;
    int connected = stockd_connect(&client, address, NULL); /* sets client in any case */
    must(client, connected);
    must(client, stockd_call(client, "locations", NULL, 0, 0, &reply));
    if (!stockd_map_u64(reply.result, "lsn", &recovered))
        give_up(EXIT_WRONG, "a reply has no lsn");
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
