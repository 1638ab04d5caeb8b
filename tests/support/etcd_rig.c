/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/etcd_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/support/scratch.h"
#include "tests/support/watchdog.h"

enum { SKIPPED = 77, PATIENCE_MS = 60000 };

static struct scratch scratch;
static char address[64];
static pid_t server;

static void fail(const char *what)
{
    fprintf(stderr, "etcd_rig: %s\n", what);
    exit(1);
}

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int free_port(void)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof here;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&here, length) != 0 ||
        getsockname(fd, (struct sockaddr *)&here, &length) != 0)
        fail("no free port");
    close(fd);
    return ntohs(here.sin_port);
}

static void run_etcd(const char *client, const char *peer)
{
    char log[PATH_MAX + 8], data[PATH_MAX + 8], members[96];
    snprintf(log, sizeof log, "%s/log", scratch.path);
    snprintf(data, sizeof data, "%s/data", scratch.path);
    snprintf(members, sizeof members, "default=%s", peer);
    const char *const arguments[] = { "etcd",  "--data-dir",
                                      data,    "--listen-client-urls",
                                      client,  "--advertise-client-urls",
                                      client,  "--listen-peer-urls",
                                      peer,    "--initial-advertise-peer-urls",
                                      peer,    "--initial-cluster",
                                      members, NULL };
    int fd = open(log, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* however this program ends */
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    execvp(arguments[0], (char *const *)arguments);
    _exit(127);
}

void etcd_rig_start(void)
{
    char client[48], peer[48];
    int port = free_port();
    scratch_make(&scratch);
    snprintf(client, sizeof client, "http://127.0.0.1:%d", port);
    snprintf(peer, sizeof peer, "http://127.0.0.1:%d", free_port());
    snprintf(address, sizeof address, "etcd://127.0.0.1:%d", port);
    server = fork();
    if (server == 0)
        run_etcd(client, peer);
    for (uint64_t end = now_ms() + patient_ms(PATIENCE_MS);;) {
        struct sockaddr_in there = { .sin_family = AF_INET,
                                     .sin_port = htons((uint16_t)port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool answers = connect(fd, (struct sockaddr *)&there, sizeof there) == 0;
        close(fd);
        if (answers)
            return;
        if (waitpid(server, NULL, WNOHANG) != 0) {
            printf("skipped: no etcd\n");
            scratch_remove(&scratch);
            _exit(SKIPPED);
        }
        if (now_ms() > end)
            fail("etcd does not answer");
        usleep(10000);
    }
}

void etcd_rig_end(void)
{
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    scratch_remove(&scratch);
}

const char *etcd_rig_address(void)
{
    return address;
}

struct etcd *etcd_rig_client(void)
{
    char why[ETCD_WHY_MAX];
    const struct etcd_config config = { .endpoints = address };
    struct etcd *etcd = etcd_create(&config, why, sizeof why);
    if (!etcd)
        fail(why);
    return etcd;
}

struct cluster_call etcd_rig_call(void)
{
    static uint64_t tags;
    return (struct cluster_call){ ++tags, now_ms() + patient_ms(PATIENCE_MS) };
}

const struct etcd_reply *etcd_rig_reply(struct etcd *etcd, int submitted)
{
    const struct etcd_reply *reply;
    if (submitted)
        fail(strerrorname_np(-submitted));
    for (;;) {
        struct pollfd poll_for;
        uint64_t until;
        etcd_run(etcd, now_ms());
        if ((reply = etcd_take(etcd)))
            return reply;
        etcd_waits_for(etcd, &poll_for, &until);
        uint64_t now = now_ms();
        poll(&poll_for, 1, until > now ? (int)(until - now) : 0);
    }
}
