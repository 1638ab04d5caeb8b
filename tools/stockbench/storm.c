/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockbench/storm.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/stockbench/stream.h"

enum { MAX_EVENTS = 256, WAIT_MS = 10, STALL_MS = 20000 };

static const char ping[] = "\x94\x00\x01\xa4ping\x90";
static const char pong[] = "\x94\x01\x01\xc0\xa4pong";

struct place {
    int fd;
    uint64_t begun;
    size_t got;
    bool asked;
};

struct storm {
    const struct options *options;
    struct result *result;
    struct progress *progress;
    struct sockaddr_storage address;
    socklen_t address_len;
    struct place *places;
    int epoll;
    uint64_t made; /* ever */
    bool measuring;
};

static bool open_place(struct storm *storm, struct place *place)
{
    struct epoll_event event = { .events = EPOLLOUT, .data.ptr = place };
    const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

    *place = (struct place){ .begun = result_now() };
    place->fd = socket(storm->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (place->fd < 0)
        return broke_off("socket", strerror(errno));
    (void)setsockopt(place->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    /* A Unix socket with a full backlog gives EAGAIN: it is tried again when it is ready. */
    if (connect(place->fd, (struct sockaddr *)&storm->address, storm->address_len) < 0 &&
        errno != EINPROGRESS && errno != EAGAIN)
        return broke_off("connect", strerror(errno));
    if (epoll_ctl(storm->epoll, EPOLL_CTL_ADD, place->fd, &event) < 0)
        return broke_off("epoll_ctl", strerror(errno));
    return true;
}

static bool send_ping(struct storm *storm, struct place *place)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = place };
    ssize_t n = send(place->fd, ping, sizeof ping - 1, MSG_NOSIGNAL);

    if (n < 0 && (errno == ENOTCONN || errno == EAGAIN)) {
        if (connect(place->fd, (struct sockaddr *)&storm->address, storm->address_len) == 0 ||
            errno == EAGAIN || errno == EALREADY || errno == EISCONN)
            return true;
    }
    if (n != sizeof ping - 1)
        return broke_off("the connection was lost", strerror(errno));
    place->asked = true;
    if (epoll_ctl(storm->epoll, EPOLL_CTL_MOD, place->fd, &event) < 0)
        return broke_off("epoll_ctl", strerror(errno));
    if (storm->measuring)
        storm->result->bytes_out += (uint64_t)n;
    return true;
}

/* Reads the pong; once it is complete, the slot starts over. */
static bool read_pong(struct storm *storm, struct place *place)
{
    char bytes[sizeof pong];
    ssize_t n = recv(place->fd, bytes, sizeof bytes, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (n <= 0)
        return broke_off("the connection was lost", n == 0 ? "closed" : strerror(errno));
    if (place->got + (size_t)n > sizeof pong - 1 ||
        memcmp(bytes, pong + place->got, (size_t)n) != 0)
        return broke_off("not a reply to the request", storm->options->address);
    place->got += (size_t)n;
    if (place->got < sizeof pong - 1)
        return true;
    uint64_t now = result_now();

    storm->made++;
    if (storm->measuring) {
        storm->result->messages++;
        storm->result->bytes_in += place->got;
        histogram_add(&storm->result->latency, now - place->begun, 1);
    }
    close(place->fd);
    return open_place(storm, place);
}

static bool run_for(struct storm *storm, double seconds, const char *phase)
{
    uint64_t now = result_now();
    uint64_t deadline = now + (uint64_t)(seconds * 1e9);
    uint64_t last = now;
    struct epoll_event events[MAX_EVENTS];

    while (now < deadline) {
        int n = epoll_wait(storm->epoll, events, MAX_EVENTS, WAIT_MS);

        if (n < 0 && errno != EINTR)
            return broke_off("epoll_wait", strerror(errno));
        for (int i = 0; i < n; i++) {
            struct place *place = events[i].data.ptr;

            if (!(place->asked ? read_pong(storm, place) : send_ping(storm, place)))
                return false;
        }
        now = result_now();
        last = n > 0 ? now : last;
        if (now - last > (uint64_t)STALL_MS * 1000000)
            return broke_off("no reply has come for 20 s", storm->options->address);
        progress_tick(storm->progress, phase, storm->made, now);
    }
    return true;
}

static bool run_phases(struct storm *storm)
{
    for (size_t i = 0; i < storm->options->connections; i++) {
        if (!open_place(storm, &storm->places[i]))
            return false;
    }
    if (!run_for(storm, storm->options->warmup, "warming up"))
        return false;
    double cpu = result_cpu();
    uint64_t begin = result_now();

    storm->measuring = true;
    bool done = run_for(storm, storm->options->seconds, "measuring");
    storm->result->seconds = (double)(result_now() - begin) / 1e9;
    storm->result->cpu_seconds = result_cpu() - cpu;
    return done;
}

bool storm_run(const struct options *options, const stockd_client *client,
               struct progress *progress, struct result *result)
{
    struct storm storm = { .options = options, .result = result, .progress = progress };

    storm.address_len = sizeof storm.address;
    if (getpeername(stockd_fd(client), (struct sockaddr *)&storm.address, &storm.address_len) < 0)
        return broke_off("getpeername", strerror(errno));
    storm.places = calloc(options->connections, sizeof *storm.places);
    storm.epoll = epoll_create1(EPOLL_CLOEXEC);
    for (size_t i = 0; storm.places && i < options->connections; i++)
        storm.places[i].fd = -1;
    bool done = false;
    if (storm.places && storm.epoll >= 0)
        done = run_phases(&storm);
    else
        broke_off("the storm", "out of memory or files");
    for (size_t i = 0; storm.places && i < options->connections; i++) {
        if (storm.places[i].fd >= 0)
            close(storm.places[i].fd);
    }
    free(storm.places);
    if (storm.epoll >= 0)
        close(storm.epoll);
    return done;
}
