/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/compactor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "persistence/segment.h"
#include "tools/service/notice.h"

enum { LOOK_MS = 1000, RETRY_MS = 60000 };

/* What `info` shows. The thread writes, any reads: relaxed, because nothing depends on it. */
struct shown {
    _Atomic uint64_t lsn, sequence, made_ms, bytes, last_ms, compactions, failures;
    _Atomic bool running;
};

struct compactor {
    const struct options *options;
    struct journal *journal;
    struct path program; /* stock-journal, beside this program */
    struct path snapshots, segments;
    pthread_t thread;
    bool started;
    int stop_fd; /* readable: stop */

    /* stock-journal, which waits for requests from the start on: later this process may start no
     * program (confinement.h). */
    pid_t helper;     /* 0: it could not be started */
    int helper_error; /* then why */
    int helper_fd;    /* a request out: a byte; its outcome back: a wait status */

    /* Only the thread's. */
    bool compacting;
    uint64_t began_ms, not_before_ms;

    struct shown shown;
};

static uint64_t steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void show(_Atomic uint64_t *metric, uint64_t value)
{
    atomic_store_explicit(metric, value, memory_order_relaxed);
}

static uint64_t shown(const _Atomic uint64_t *metric)
{
    return atomic_load_explicit(metric, memory_order_relaxed);
}

/* ---- what there is ---- */

/* The newest snapshot that is whole. */
static void look_at_snapshots(struct compactor *c)
{
    struct snapshot_list list;
    struct snapshot snapshot;
    struct error ignored;
    if (snapshot_list_read(&list, &file_system, c->snapshots.text, &ignored) != 0)
        return;
    for (size_t i = list.count; i > 0; i--) {
        if (snapshot_open(&snapshot, &file_system, c->snapshots.text, list.lsns[i - 1], &ignored) !=
            0)
            continue;
        show(&c->shown.lsn, snapshot.header.position.lsn);
        show(&c->shown.sequence, snapshot.header.position.sequence);
        show(&c->shown.made_ms, snapshot.header.created_ms);
        show(&c->shown.bytes, snapshot.footer.file_bytes);
        snapshot_close(&snapshot);
        break;
    }
    snapshot_list_free(&list);
}

static void look_at_segments(struct compactor *c)
{
    struct segment_list list;
    struct error ignored;
    if (segment_list_read(&list, &file_system, c->segments.text, &ignored) != 0)
        return;
    if (list.count > 0)
        journal_dropped(c->journal, list.sequences[0]);
    segment_list_free(&list);
}

/* At least --compact-bytes, and at least the size of the snapshot: so writing snapshots costs the
 * disk no more than writing the journal does. */
static bool is_due(const struct compactor *c)
{
    struct journal_metrics metrics;
    const struct options *options = c->options;
    if (options->compact_bytes == 0 || c->compacting || steady_ms() < c->not_before_ms)
        return false;
    journal_metrics(c->journal, &metrics);
    uint64_t covered = shown(&c->shown.sequence) + 1; /* the current one is not sealed */
    uint64_t sealed = metrics.sequence > covered ? metrics.sequence - covered : 0;
    uint64_t bytes =
        sealed * (options->segment_bytes ? options->segment_bytes : SEGMENT_BYTES_DEFAULT);
    uint64_t snapshot = shown(&c->shown.bytes);
    return sealed > 0 && bytes >= options->compact_bytes && bytes >= snapshot;
}

/* ---- the helper ---- */

enum { WORDS_MAX = 24, DIGITS = 24 };

struct words {
    const char *all[WORDS_MAX];
    unsigned count;
    char numbers[WORDS_MAX][DIGITS];
};

static void add_number(struct words *words, const char *name, uint64_t number)
{
    char *digits = words->numbers[words->count];
    snprintf(digits, DIGITS, "%" PRIu64, number);
    words->all[words->count++] = name;
    words->all[words->count++] = digits;
}

static void make_words(const struct compactor *c, struct words *words)
{
    const struct options *options = c->options;
    *words = (struct words){
        .all = { "stock-journal", "compact", options->data, "--gently", "--on-request" }, .count = 5
    };
    add_number(words, "--items", options->items);
    add_number(words, "--pools", options->pools);
    add_number(words, "--reservations", options->reservations);
    add_number(words, "--events", options->events);
    add_number(words, "--reports-memory", options->reports_memory);
    if (strcmp(options->archive, "yes") == 0) {
        words->all[words->count++] = "--archive";
        add_number(words, "--archive-max-bytes", options->archive_max_bytes);
        add_number(words, "--archive-days", options->archive_days);
    }
    if (strcmp(options->log_format, "json") == 0)
        words->all[words->count++] = "--json-log";
    words->all[words->count] = NULL;
}

/* posix_spawn instead of fork: the child shares this process's memory until it executes the other
 * program, so no page of the ledger is copied. */
static int spawn(struct compactor *c, int its_end)
{
    struct words words;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t all;
    make_words(c, &words);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, its_end, STDIN_FILENO);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &all); /* until it ignores them */
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn(&c->helper, c->program.text, &files, &attributes,
                            (char *const *)(uintptr_t)words.all, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    if (error)
        c->helper = 0;
    return error;
}

/* What fails is told when a compaction is due. */
static void start_helper(struct compactor *c)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        c->helper_error = errno;
        return;
    }
    c->helper_error = spawn(c, ends[1]);
    c->helper_fd = ends[0];
    close(ends[1]);
}

/* It ends when the socket does, and ends the compaction that is under way. */
static void end_helper(struct compactor *c)
{
    if (c->helper_fd >= 0)
        close(c->helper_fd);
    c->helper_fd = -1;
    if (c->helper)
        waitpid(c->helper, NULL, 0);
    c->helper = 0;
}

static void note_failure(struct compactor *c, const char *what)
{
    c->not_before_ms = steady_ms() + RETRY_MS;
    show(&c->shown.failures, shown(&c->shown.failures) + 1);
    notice(LOG_WARNING, "compaction", "compaction: %s", what);
}

static void begin(struct compactor *c)
{
    char what[PATH_MAX + 128];
    char request = 1;
    int error = c->helper_error;
    if (!error && send(c->helper_fd, &request, sizeof request, MSG_NOSIGNAL) < 0)
        error = errno;
    if (error) {
        snprintf(what, sizeof what, "cannot start %s: %s", c->program.text, strerror(error));
        note_failure(c, what);
        return;
    }
    c->began_ms = steady_ms();
    c->compacting = true;
    atomic_store_explicit(&c->shown.running, true, memory_order_relaxed);
}

static void say_compacted(const struct compactor *c, uint64_t took_ms)
{
    const struct notice_field fields[] = {
        { .name = "lsn", .number = shown(&c->shown.lsn) },
        { .name = "bytes", .number = shown(&c->shown.bytes) },
        { .name = "took_ms", .number = took_ms },
        { .name = NULL },
    };
    notice_with(LOG_INFO, "compaction", fields,
                "compaction: snapshot at lsn %" PRIu64 ", %" PRIu64 " bytes, %.1f s",
                shown(&c->shown.lsn), shown(&c->shown.bytes), (double)took_ms / 1000);
}

static void end(struct compactor *c, int status)
{
    char what[128];
    uint64_t before = shown(&c->shown.lsn);
    uint64_t took = steady_ms() - c->began_ms;
    c->compacting = false;
    atomic_store_explicit(&c->shown.running, false, memory_order_relaxed);
    look_at_snapshots(c);
    look_at_segments(c);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(what, sizeof what, "it ended with %s %d",
                 WIFEXITED(status) ? "exit status" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        note_failure(c, what);
        return;
    }
    show(&c->shown.last_ms, took);
    show(&c->shown.compactions, shown(&c->shown.compactions) + 1);
    if (shown(&c->shown.lsn) == before) /* the segments were not sealed yet */
        c->not_before_ms = steady_ms() + 10 * LOOK_MS;
    else
        say_compacted(c, took);
}

/* Something has come from the helper: an outcome, or its own end. */
static void hear(struct compactor *c)
{
    int status;
    if (recv(c->helper_fd, &status, sizeof status, 0) == sizeof status) {
        end(c, status);
        return;
    }
    close(c->helper_fd);
    c->helper_fd = -1;
    c->helper_error = ECHILD;
    if (waitpid(c->helper, &status, 0) == c->helper && c->compacting)
        end(c, status ? status : SIGKILL);
    c->helper = 0;
    notice(LOG_ERR, "compaction", "compaction: %s has ended: there are none until the next start",
           c->program.text);
}

/* ---- the thread ---- */

static void *thread_main(void *argument)
{
    struct compactor *c = argument;
    struct pollfd fds[] = {
        { .fd = c->stop_fd, .events = POLLIN },
        { .fd = c->helper_fd, .events = POLLIN },
    };
    while (!(fds[0].revents & POLLIN)) {
        if (fds[1].revents)
            hear(c);
        if (is_due(c))
            begin(c);
        fds[1].fd = c->helper_fd; /* -1: poll skips it */
        if (poll(fds, 2, LOOK_MS) < 0)
            fds[0].revents = fds[1].revents = 0; /* interrupted */
    }
    return NULL;
}

static int find_program(struct compactor *c)
{
    char self[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length < 0)
        return -errno;
    self[length] = '\0';
    char *slash = strrchr(self, '/');
    if (slash)
        *slash = '\0';
    return path_join(&c->program, self, "stock-journal");
}

int compactor_create(struct compactor **compactor, const struct options *options,
                     struct journal *journal, const struct recovery_base *base)
{
    struct compactor *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->options = options;
    c->journal = journal;
    c->helper_fd = -1;
    c->stop_fd = eventfd(0, EFD_CLOEXEC);
    int error = c->stop_fd < 0 ? -errno : find_program(c);
    if (!error)
        error = path_join(&c->snapshots, options->data, "snapshot");
    if (!error)
        error = path_join(&c->segments, options->data, "journal");
    if (error) {
        compactor_stop(c);
        return error;
    }
    show(&c->shown.lsn, base->position.lsn);
    show(&c->shown.sequence, base->position.sequence);
    show(&c->shown.made_ms, base->created_ms);
    show(&c->shown.bytes, base->bytes);
    *compactor = c;
    return 0;
}

int compactor_start(struct compactor *compactor)
{
    if (compactor->options->compact_bytes > 0)
        start_helper(compactor);
    int error = pthread_create(&compactor->thread, NULL, thread_main, compactor);
    compactor->started = error == 0;
    return -error;
}

void compactor_stop(struct compactor *compactor)
{
    uint64_t one = 1;
    if (!compactor)
        return;
    if (compactor->started && write(compactor->stop_fd, &one, sizeof one) == sizeof one)
        pthread_join(compactor->thread, NULL);
    end_helper(compactor);
    if (compactor->stop_fd >= 0)
        close(compactor->stop_fd);
    free(compactor);
}

unsigned compactor_metrics(void *compactor, struct storage_metric *metrics)
{
    const struct compactor *c = compactor;
    const struct shown *s = &c->shown;
    const struct storage_metric all[] = {
        { "lsn", METRIC_NUMBER, shown(&s->lsn), NULL },
        { "segment", METRIC_NUMBER, shown(&s->sequence), NULL },
        { "made_ms", METRIC_NUMBER, shown(&s->made_ms), NULL },
        { "bytes", METRIC_NUMBER, shown(&s->bytes), NULL },
        { "last_ms", METRIC_NUMBER, shown(&s->last_ms), NULL },
        { "running", METRIC_FLAG, atomic_load_explicit(&s->running, memory_order_relaxed), NULL },
        { "compactions", METRIC_NUMBER, shown(&s->compactions), NULL },
        { "failures", METRIC_NUMBER, shown(&s->failures), NULL },
    };
    enum { COUNT = sizeof all / sizeof *all };
    for (unsigned i = 0; i < COUNT; i++)
        metrics[i] = all[i];
    return COUNT;
}
