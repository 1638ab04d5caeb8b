/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recorder: clients that work on one engine at once and write down what they asked and heard.
 *
 *     recorder ADDRESS NOTES SEED CLIENTS ITEMS CALLS PATIENCE_S WHAT
 *
 * Each client is a thread with a connection; it writes NOTES.0, NOTES.1, ... (notes.h). It begins
 * when a line "go" comes on standard input, makes CALLS calls, and waits for the next "go". When
 * the engine is gone it waits as well; then it connects again, asks once more what was not
 * answered, and goes on. When all wait, a line "idle" is printed. The end of the input ends it all.
 * A call that hears nothing for PATIENCE_S while its connection stands is a failure. WHAT they do
 * beside the usual is "settings", "backorders" or "nothing".
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/history/notes.h"
#include "tests/history/workload.h"

enum { CLIENTS_MOST = 64 };

/* The command line; const once the threads run. */
static struct {
    const char *address, *notes;
    uint64_t seed;
    unsigned clients, items, calls;
    int patience_ms;
    const char *what; /* they do beside the usual: "settings" or "backorders", see workload.h */
} options;

/* How many times "go" was said; both under the lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned opened, waiting;
    bool ended;
} barrier = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static struct board board;

struct client {
    unsigned number;
    FILE *notes;
    stockd_client *connection; /* NULL: lost */
    unsigned opened;           /* reply barrier.opened when it was made */
    struct workload workload;
    struct request request; /* at hand */
    bool unanswered;
};

/* Waits until the reply barrier was opened again since the client came through; false: it is over.
 */
static bool pass_barrier(struct client *client)
{
    fflush(client->notes);
    pthread_mutex_lock(&barrier.lock);
    if (barrier.opened <= client->opened && ++barrier.waiting == options.clients &&
        barrier.opened > 0) {
        puts("idle");
        fflush(stdout);
    }
    while (barrier.opened <= client->opened && !barrier.ended)
        pthread_cond_wait(&barrier.changed, &barrier.lock);
    client->opened = barrier.opened;
    bool ended = barrier.ended;
    pthread_mutex_unlock(&barrier.lock);
    return !ended;
}

static void lose(struct client *client)
{
    stockd_close(client->connection);
    client->connection = NULL;
}

/* False: there is no answer. */
static bool call(struct client *client, const struct request *request, bool *granted)
{
    struct call_times times = { .asked_ns = notes_now() };
    stockd_value params = { request->params, request->length };
    stockd_reply reply;
    int rc = stockd_call(client->connection, request->method, params.data, params.len, 0, &reply);
    times.answered_ns = notes_now();
    bool answered = rc == STOCKD_OK || rc == STOCKD_REFUSED;
    notes_call(client->notes, client->number, times, request->method, params,
               answered ? &reply : NULL);
    if (answered) {
        *granted = rc == STOCKD_OK;
        return true;
    }
    if (rc == STOCKD_E_TIMEOUT || rc == STOCKD_E_PROTOCOL) {
        fprintf(stderr, "client %u: %s: %s\n", client->number, request->method,
                stockd_error_message(client->connection));
        exit(1);
    }
    lose(client);
    return false;
}

/* Connects and says hello, whose lsn shows what was recovered. */
static bool connect_again(struct client *client)
{
    stockd_options settings = { .retries = -1, .call_timeout_ms = options.patience_ms };
    struct request hello = { .method = "hello" };
    stockd_pack pack;
    bool granted;
    if (stockd_connect(&client->connection, options.address, &settings) != STOCKD_OK) {
        lose(client);
        return false;
    }
    stockd_pack_init(&pack, hello.params, sizeof hello.params);
    stockd_pack_array(&pack, 1);
    stockd_pack_str(&pack, "");
    hello.length = pack.len;
    return call(client, &hello, &granted);
}

/* Until the engine is gone or all was asked. */
static void work(struct client *client)
{
    for (unsigned i = 0; i < options.calls; i++) {
        bool granted;
        if (!client->unanswered)
            workload_next(&client->workload, &client->request);
        client->unanswered = !call(client, &client->request, &granted);
        if (client->unanswered)
            return;
        workload_learn(&client->workload, &client->request, granted);
    }
}

/* A new connection each time: none is kept over a crash by accident. */
static void *run(void *argument)
{
    struct client *client = argument;
    while (pass_barrier(client)) {
        if (connect_again(client))
            work(client);
        if (client->connection)
            lose(client);
    }
    fclose(client->notes);
    return NULL;
}

static void start(struct client *client, pthread_t *thread, unsigned number)
{
    char name[4096];
    snprintf(name, sizeof name, "%s.%u", options.notes, number);
    *client = (struct client){ .number = number, .notes = fopen(name, "w") };
    client->workload = (struct workload){ .board = &board,
                                          .random = { options.seed * 1000 + number },
                                          .client = number,
                                          .items = options.items,
                                          .settings = strcmp(options.what, "settings") == 0,
                                          .backorders = strcmp(options.what, "backorders") == 0,
                                          .supplies = strcmp(options.what, "supplies") == 0,
                                          .wanting = -1 };
    if (!client->notes || pthread_create(thread, NULL, run, client) != 0) {
        perror(name);
        exit(1);
    }
}

static void say(bool end)
{
    pthread_mutex_lock(&barrier.lock);
    barrier.opened++;
    barrier.waiting = 0;
    barrier.ended = end;
    pthread_cond_broadcast(&barrier.changed);
    pthread_mutex_unlock(&barrier.lock);
}

static void read_options(int count, char **arguments)
{
    if (count != 9) {
        fputs("usage: recorder ADDRESS NOTES SEED CLIENTS ITEMS CALLS PATIENCE_S WHAT\n", stderr);
        exit(2);
    }
    options.address = arguments[1];
    options.notes = arguments[2];
    options.seed = strtoull(arguments[3], NULL, 10);
    options.clients = (unsigned)strtoul(arguments[4], NULL, 10);
    options.items = (unsigned)strtoul(arguments[5], NULL, 10);
    options.calls = (unsigned)strtoul(arguments[6], NULL, 10);
    options.patience_ms = (int)strtol(arguments[7], NULL, 10) * 1000;
    options.what = arguments[8];
    if (options.clients < 1 || options.clients > CLIENTS_MOST || options.items < 1)
        exit(2);
}

int main(int count, char **arguments)
{
    static struct client clients[CLIENTS_MOST];
    static pthread_t threads[CLIENTS_MOST];
    char line[16];
    read_options(count, arguments);
    board_init(&board);
    for (unsigned i = 0; i < options.clients; i++)
        start(&clients[i], &threads[i], i);
    while (fgets(line, sizeof line, stdin) && strcmp(line, "go\n") == 0)
        say(false);
    say(true);
    for (unsigned i = 0; i < options.clients; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
