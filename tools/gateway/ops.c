/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/ops.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "tools/gateway/listening.h"

enum { FRESH_S = 10, LIMIT_S = 3, TEXT_MAX = 1 << 20 };

static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";

struct ops {
    const char *address;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool asked, stopping; /* these and the text: under the mutex */
    struct bytes text;
    time_t fetched_s;
};

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

bool ops_is_address(const char *address)
{
    char host[256], port[32];
    return split_address(address, host, sizeof host, port, sizeof port) == 0;
}

static int connect_to(const char *address)
{
    char host[256], port[32];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    const struct timeval limit = { .tv_sec = LIMIT_S };
    int fd = -1;
    if (split_address(address, host, sizeof host, port, sizeof port) < 0 ||
        getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    for (struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
        if (fd < 0)
            continue;
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* also of connect */
        if (connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    return fd;
}

/* Reads until the end, which HTTP/1.0 means by closing. */
static bool read_all(int fd, struct bytes *out)
{
    char block[8192];
    ssize_t len;
    while (out->len < TEXT_MAX && (len = read(fd, block, sizeof block)) != 0) {
        if (len > 0)
            bytes_add(out, block, (size_t)len);
        else if (errno != EINTR)
            return false;
    }
    return !out->failed && out->len < TEXT_MAX;
}

/* Leaves the body of an answer 200. */
static bool take_body(struct bytes *answer)
{
    static const char good[] = " 200 ", end[] = "\r\n\r\n";
    const char *body = answer->len > 0 ? memmem(answer->at, answer->len, end, 4) : NULL;
    const char *status = body ? memmem(answer->at, (size_t)(body - answer->at), good, 5) : NULL;
    if (!status || status > (const char *)memchr(answer->at, '\r', answer->len))
        return false;
    size_t skip = (size_t)(body - answer->at) + 4;
    memmove(answer->at, answer->at + skip, answer->len - skip);
    answer->len -= skip;
    return true;
}

static bool fetch(const char *address, struct bytes *out)
{
    int fd = connect_to(address);
    if (fd < 0)
        return false;
    bool good = send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1 &&
                read_all(fd, out) && take_body(out);
    close(fd);
    return good;
}

/* Waits until somebody asks; false: stopping. */
static bool wait_for_question(struct ops *ops)
{
    pthread_mutex_lock(&ops->mutex);
    while (!ops->asked && !ops->stopping)
        pthread_cond_wait(&ops->changed, &ops->mutex);
    ops->asked = false;
    bool goes_on = !ops->stopping;
    pthread_mutex_unlock(&ops->mutex);
    return goes_on;
}

static void keep(struct ops *ops, struct bytes *fresh)
{
    struct timespec pause;
    pthread_mutex_lock(&ops->mutex);
    bytes_free(&ops->text);
    ops->text = *fresh;
    ops->fetched_s = now_s();
    clock_gettime(CLOCK_MONOTONIC, &pause);
    pause.tv_sec++;
    while (!ops->stopping && pthread_cond_timedwait(&ops->changed, &ops->mutex, &pause) == 0)
        continue; /* questions wait for the second to be over */
    pthread_mutex_unlock(&ops->mutex);
}

static void *ops_run(void *context)
{
    struct ops *ops = context;
    while (wait_for_question(ops)) {
        struct bytes fresh = { 0 };
        if (!fetch(ops->address, &fresh))
            bytes_free(&fresh);
        keep(ops, &fresh);
    }
    return NULL;
}

struct ops *ops_start(const char *address)
{
    struct ops *ops = calloc(1, sizeof *ops);
    pthread_condattr_t monotonic;
    if (!ops)
        return NULL;
    ops->address = address;
    pthread_mutex_init(&ops->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&ops->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (pthread_create(&ops->thread, NULL, ops_run, ops) == 0)
        return ops;
    free(ops);
    return NULL;
}

bool ops_read(struct ops *ops, struct bytes *out)
{
    pthread_mutex_lock(&ops->mutex);
    bool there = ops->text.len > 0 && now_s() - ops->fetched_s <= FRESH_S;
    if (there)
        bytes_add(out, ops->text.at, ops->text.len);
    ops->asked = true;
    pthread_cond_signal(&ops->changed);
    pthread_mutex_unlock(&ops->mutex);
    return there;
}

void ops_stop(struct ops *ops)
{
    if (!ops)
        return;
    pthread_mutex_lock(&ops->mutex);
    ops->stopping = true;
    pthread_cond_signal(&ops->changed);
    pthread_mutex_unlock(&ops->mutex);
    pthread_join(ops->thread, NULL);
    pthread_cond_destroy(&ops->changed);
    pthread_mutex_destroy(&ops->mutex);
    bytes_free(&ops->text);
    free(ops);
}
