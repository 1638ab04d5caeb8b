/* SPDX-License-Identifier: Apache-2.0 */
/* The watchdog, on a server whose disk does nothing until the test says so: a write to a pipe that
 * is full. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "protocol/server.h"
#include "tests/support/ledger_rig.h"

enum { PATIENCE_S = 120, LINES = 8 };

static const struct ledger_config small = {
    .items = 100, .pools = 1000, .reservations = 1000, .contexts = 1, .hash_seed = 1
};

static const char receive[] = "\x94\x00\x01\xa7receive\x94\xa1r\xa1S\xa4main\x01";

static struct ledger_rig rig;
static struct storage_port storage;
static struct history_port history;
static struct engine_clock clock_;
static struct server *server;
static char directory[] = "/tmp/stockd-watchdog-XXXXXX", address[64];
static int pipe_ends[2];
static bool writing; /* worker 0's */
static sem_t ready, told;
static pthread_t thread;
static char lines[LINES][1024];
static _Atomic unsigned line_count; /* worker 0's; release by the post of told */

/* ---- the disk ---- */

static bool write_next(void *self, bool idle, struct storage_request *request)
{
    (void)self;
    (void)idle;
    if (writing || !log_has_claims(&rig.log))
        return false;
    ledger_rig_drain(&rig);
    writing = true;
    *request = (struct storage_request){
        .kind = STORAGE_WRITE, .fd = pipe_ends[1], .buffer = "!", .length = 1
    };
    return true;
}

static bool write_done(void *self, const struct storage_request *request, int result,
                       struct storage_request *next)
{
    (void)request;
    cr_assert_eq(result, 1);
    writing = false;
    atomic_store_explicit(&rig.log.acknowledged, rig.length, memory_order_release);
    return write_next(self, false, next);
}

static uint64_t never(void *self)
{
    (void)self;
    return UINT64_MAX;
}

static const char *no_failure(void *self)
{
    (void)self;
    return "";
}

static void fill_pipe(void)
{
    static const char bytes[4096];
    cr_assert_eq(pipe2(pipe_ends, O_NONBLOCK), 0);
    while (write(pipe_ends[1], bytes, sizeof bytes) > 0)
        ;
    cr_assert_eq(fcntl(pipe_ends[1], F_SETFL, 0), 0); /* now a write waits */
}

static void empty_pipe(void)
{
    char bytes[4096];
    while (read(pipe_ends[0], bytes, sizeof bytes) > 0)
        ;
}

/* ---- the server ---- */

static void note_line(void *context, int level, const char *line)
{
    (void)context;
    cr_assert_eq(level, LOG_WARNING);
    unsigned count = line_count;
    cr_assert_lt(count, LINES, "more lines than there should be; now: %s", line);
    snprintf(lines[count], sizeof lines[count], "%s", line);
    line_count = count + 1;
    sem_post(&told);
}

static void note_ready(void *context)
{
    (void)context;
    sem_post(&ready);
}

static void *serve(void *context)
{
    (void)context;
    cr_assert_eq(server_run(server, note_ready, NULL), 0);
    return NULL;
}

static void await(sem_t *semaphore, const char *what)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    cr_assert_eq(sem_timedwait(semaphore, &until), 0, "%s never came", what);
}

static void start(void)
{
    const char *listen[] = { address };
    char why[256];
    cr_assert(mkdtemp(directory));
    snprintf(address, sizeof address, "unix:%s/s", directory);
    ledger_rig_open(&rig, &small);
    fill_pipe();
    clock_ = clock_start(0);
    sem_init(&ready, 0, 0);
    sem_init(&told, 0, 0);
    storage = (struct storage_port){
        .next = write_next, .done = write_done, .next_sync_ms = never, .failure = no_failure
    };
    struct server_config config = {
        .listen = listen,
        .listen_count = 1,
        .workers = 1,
        .limits = { .message = { 1 << 16, 1000, 8 },
                    .lines = 10,
                    .skus = 10,
                    .connections = 10,
                    .input_bytes = 1 << 20,
                    .message_ms = 30000 },
        .ledger = rig.ledger,
        .log = &rig.log,
        .storage = &storage,
        .history = &history,
        .clock = &clock_,
        .version = "0.0.0-test",
        .say = note_line,
    };
    sigemptyset(&config.stop_signals);
    sigaddset(&config.stop_signals, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &config.stop_signals, NULL);
    server = server_create(&config, why, sizeof why);
    cr_assert(server, "%s", why);
    cr_assert_eq(pthread_create(&thread, NULL, serve, NULL), 0);
    await(&ready, "the server's start");
}

static void stop(void)
{
    kill(getpid(), SIGUSR2);
    pthread_join(thread, NULL);
    server_destroy(server);
    ledger_rig_close(&rig);
    rmdir(directory);
}

static int connect_client(void)
{
    struct sockaddr_un where = { .sun_family = AF_UNIX };
    struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(where.sun_path, sizeof where.sun_path, "%s/s", directory);
    cr_assert_eq(connect(fd, (struct sockaddr *)&where, sizeof where), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static const char *next_line(void)
{
    static unsigned seen;
    await(&told, "a line of the watchdog");
    return lines[seen++];
}

static void assert_says(const char *line, const char *what)
{
    cr_assert(strstr(line, what), "\"%s\" is not in: %s", what, line);
}

/* ---- what it tells ---- */

Test(watchdog, tells_what_a_late_reply_waits_for_and_when_that_is_over)
{
    char reply[256], text[64];
    start();
    int fd = connect_client();
    cr_assert_eq(write(fd, receive, sizeof receive - 1), (ssize_t)sizeof receive - 1);
    const char *line = next_line();
    assert_says(line, "worker 0: a reply to process");
    /* Behind the change, the engine has recorded that the item has stock now. */
    snprintf(text, sizeof text, "; acknowledged 0, handed to the journal %zu", rig.length);
    assert_says(line, "for the journal to acknowledge LSN ");
    assert_says(line, text);
    assert_says(line, "; on the disk: write for ");
    assert_says(line, "connections with held replies 1, to retry 0");
    empty_pipe();
    assert_says(next_line(), "worker 0: no reply waits longer than 1000 ms now");
    cr_assert_gt(read(fd, reply, sizeof reply), 0, "no reply after the write");
    const struct worker_metrics *metrics = server_metrics(server, 0);
    cr_assert_eq(atomic_load(&metrics->slow_replies), 1);
    close(fd);
    stop();
    cr_assert_eq(line_count, 2);
}
