/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node_driver ENDPOINTS DIRECTORY [--scale N] [--keep BYTES] [--quota BYTES] [--late-us N]
 *             [--batch-max BYTES] [--under-way N] [--seed N] NAME...
 *
 * Nodes of a cluster that a test drives, each with a journal of its own (plain_journal.h says what
 * it tells). Times are short; --scale makes them longer. It reads lines:
 *     suspect NODE          as if the primary's connection had been reset
 *     handover NODE TO      asks NODE, which is primary
 *     leave NODE WHOM       asks NODE
 *     quiet NODE 0|1        1: its clients make no changes
 *     status NODE           it tells a line
 * A node that has ended starts again from its file, if that is what it ended for. It ends at the
 * end of its input.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cluster/steady.h"
#include "tests/cluster/plain_journal.h"

enum { NODES_MAX = 3, INPUT_MAX = 4096 };

struct driven {
    struct plain_journal journal;
    struct node *node;
    uint64_t id;
};

static struct driven *nodes[NODES_MAX];
static unsigned node_count;
static const char *endpoints, *directory;
static struct node_limits limits = { .under_way = 3 }; /* so that they overtake each other */
static unsigned long scale = 1, batch_max = 4096, late_us = 8000, seed = 1;

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "node_driver: %s: %s\n", what, why);
    exit(2);
}

/* The id of the node's disk: it goes with it. */
static uint64_t id_of(const char *name)
{
    char path[PLAIN_NAME_MAX];
    uint64_t id;
    snprintf(path, sizeof path, "%s/%s.id", directory, name);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        give_up(path, strerror(errno));
    if (read(fd, &id, sizeof id) != sizeof id) {
        if (getrandom(&id, sizeof id, 0) != sizeof id || pwrite(fd, &id, sizeof id, 0) != sizeof id)
            give_up(path, strerror(errno));
    }
    close(fd);
    return id;
}

static void start(struct driven *driven)
{
    char why[ETCD_WHY_MAX];
    struct plain_journal *journal = &driven->journal;
    plain_open(journal);
    const struct node_config config = {
        .etcd = { .endpoints = endpoints, .connect_ms = (uint32_t)(200 * scale) },
        .cluster = "test",
        .name = journal->name,
        .address = journal->path,
        .version = "test",
        .id = id_of(journal->name),
        .may_found = journal->last <= 1,
        .may_stand = true,
        .limits = limits,
        .journal = plain_functions(journal),
    };
    driven->node = node_create(&config, why, sizeof why);
    if (!driven->node)
        give_up(journal->name, why);
    journal->node = driven->node;
    int error = node_start(driven->node);
    if (error)
        give_up(journal->name, strerror(error));
}

static void stop(struct driven *driven)
{
    node_stop(driven->node);
    node_destroy(driven->node);
    driven->node = NULL;
    plain_close(&driven->journal);
}

static void add(const char *name)
{
    struct driven *driven = calloc(1, sizeof *driven);
    if (!driven || node_count == NODES_MAX)
        give_up(name, "too many nodes");
    struct plain_journal *journal = &driven->journal;
    snprintf(journal->name, sizeof journal->name, "%s", name);
    snprintf(journal->path, sizeof journal->path, "%s/%s.journal", directory, name);
    journal->batch_max = (uint32_t)batch_max;
    journal->late_us = (uint32_t)late_us;
    journal->random.state = seed * 1000 + node_count;
    pthread_mutex_init(&journal->lock, NULL);
    nodes[node_count++] = driven;
    start(driven);
}

/* N9: from what is on the disk. */
static void start_again(struct driven *driven)
{
    struct plain_journal *journal = &driven->journal;
    pthread_mutex_lock(&journal->lock);
    bool again =
        journal->has_ended && (journal->end == NODE_REFUSED || journal->end == NODE_BEHIND ||
                               journal->end == NODE_HANDED_OVER);
    pthread_mutex_unlock(&journal->lock);
    if (!again)
        return;
    stop(driven);
    start(driven);
}

/* ---- commands ---- */

static struct driven *named(const char *name)
{
    for (unsigned i = 0; i < node_count; i++) {
        if (name && !strcmp(nodes[i]->journal.name, name))
            return nodes[i];
    }
    give_up("no such node", name ? name : "");
    return NULL;
}

static void tell_status(struct driven *driven)
{
    static struct node_status status;
    node_get_status(driven->node, &status);
    plain_tell(&driven->journal,
               "status role=%s term=%llu primary=%s last=%llu behind=%llu trimmed=%llu "
               "survives=%u p50=%llu p99=%llu stale=%d peers=%u etcd=%llu problem=%s",
               node_role_name(status.role), (unsigned long long)status.term.number,
               status.term.node, (unsigned long long)status.last,
               (unsigned long long)status.behind_ms, (unsigned long long)status.trimmed,
               status.survives, (unsigned long long)status.commit_p50_us,
               (unsigned long long)status.commit_p99_us,
               node_is_stale(driven->node, cluster_now_us() / 1000), status.peer_count,
               (unsigned long long)status.etcd_bytes, status.problem);
}

static void take_line(char *line)
{
    char *rest = line;
    const char *what = strtok_r(line, " ", &rest);
    struct driven *driven = named(strtok_r(NULL, " ", &rest));
    const char *argument = strtok_r(NULL, " ", &rest);
    struct plain_journal *journal = &driven->journal;
    if (!strcmp(what, "suspect")) {
        node_suspect(driven->node);
    } else if (!strcmp(what, "handover") || !strcmp(what, "leave")) {
        enum node_request request = *what == 'h' ? NODE_HAND_OVER : NODE_LEAVE;
        if (!node_ask(driven->node, request, argument))
            plain_tell(journal, "replied 0 another request is not through");
    } else if (!strcmp(what, "quiet")) {
        pthread_mutex_lock(&journal->lock);
        journal->is_quiet = *argument == '1';
        pthread_mutex_unlock(&journal->lock);
    } else if (!strcmp(what, "status")) {
        tell_status(driven);
    } else {
        give_up("unknown", what);
    }
}

/* False: the input has ended. */
static bool take_input(void)
{
    static char input[INPUT_MAX];
    static size_t length;
    ssize_t more = read(STDIN_FILENO, input + length, sizeof input - 1 - length);
    if (more < 0)
        return errno == EAGAIN || errno == EINTR;
    if (more == 0)
        return false;
    length += (size_t)more;
    input[length] = '\0';
    char *at = input;
    for (char *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        take_line(at);
    }
    length -= (size_t)(at - input);
    memmove(input, at, length + 1);
    return true;
}

/* ---- the loop ---- */

static void set_limits(void)
{
    limits.beat_ms = (uint32_t)(60 * scale);
    limits.suspect_ms = (uint32_t)(400 * scale);
    limits.poll_ms = 4;
    limits.watch_ms = (uint32_t)(20 * scale);
    limits.call_ms = (uint32_t)(300 * scale);
    limits.stale_ms = (uint32_t)(500 * scale);
    limits.chores_ms = (uint32_t)(60 * scale);
    limits.stagger_ms = (uint32_t)(40 * scale);
    limits.handover_ms = (uint32_t)(200 * scale);
}

static void option(const char *name, const char *value)
{
    uint64_t number = strtoull(value, NULL, 10);
    if (!strcmp(name, "--scale"))
        scale = number;
    else if (!strcmp(name, "--keep"))
        limits.keep_bytes = number;
    else if (!strcmp(name, "--quota"))
        limits.quota_bytes = number;
    else if (!strcmp(name, "--late-us"))
        late_us = number;
    else if (!strcmp(name, "--batch-max"))
        batch_max = number;
    else if (!strcmp(name, "--under-way"))
        limits.under_way = (uint32_t)number;
    else if (!strcmp(name, "--seed"))
        seed = number;
    else
        give_up("unknown option", name);
}

int main(int argc, char **argv)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    int at = 3;
    if (argc < 4)
        give_up("usage", "node_driver ENDPOINTS DIRECTORY [OPTIONS] NAME...");
    endpoints = argv[1];
    directory = argv[2];
    for (; at + 1 < argc && !strncmp(argv[at], "--", 2); at += 2)
        option(argv[at], argv[at + 1]);
    set_limits();
    for (; at < argc; at++)
        add(argv[at]);
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    for (bool more = true; more;) {
        if (poll(&input, 1, 1) < 0 && errno != EINTR)
            give_up("poll", strerror(errno));
        if (input.revents)
            more = take_input();
        for (unsigned i = 0; i < node_count; i++) {
            start_again(nodes[i]);
            plain_turn(&nodes[i]->journal);
        }
    }
    for (unsigned i = 0; i < node_count; i++) {
        stop(nodes[i]);
        pthread_mutex_destroy(&nodes[i]->journal.lock);
        free(nodes[i]);
    }
    return 0;
}
