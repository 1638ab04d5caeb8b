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

enum { FRESH_MS = 1000, TEXT_MAX = 1 << 20 };

static const char request[] = "GET /metrics HTTP/1.0\r\n\r\n";

struct ops {
    const char *address;
    int64_t limit_ms;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t asked;
    struct errands questions; /* these and the rest: under the mutex */
    bool refusing;
    int fd;            /* of the fetch under way; -1: none */
    struct bytes text; /* what was fetched last; empty: that failed */
    int64_t fetched_ms;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool ops_is_address(const char *address)
{
    char host[256], port[32];
    return split_address(address, host, sizeof host, port, sizeof port) == 0;
}

/* False: refused meanwhile. */
static bool set_fd(struct ops *ops, int fd)
{
    pthread_mutex_lock(&ops->mutex);
    ops->fd = fd;
    bool goes_on = !ops->refusing;
    pthread_mutex_unlock(&ops->mutex);
    return goes_on;
}

/* Whatever the socket waits for next ends with the time of the fetch. False: that is over. */
static bool limit_wait(int fd, int64_t until_ms)
{
    int64_t left_ms = until_ms - now_ms();
    struct timeval limit = { .tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000 };
    if (left_ms <= 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); /* also of connect */
    return true;
}

/* Reads until the end, which HTTP/1.0 means by closing. */
static bool read_all(int fd, int64_t until_ms, struct bytes *out)
{
    char block[8192];
    ssize_t len = 1;
    while (out->len < TEXT_MAX && len != 0) {
        if (!limit_wait(fd, until_ms))
            return false;
        len = read(fd, block, sizeof block);
        if (len > 0)
            bytes_add(out, block, (size_t)len);
        else if (len < 0 && errno != EINTR)
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

static bool fetch_from(struct ops *ops, const struct addrinfo *at, int64_t until_ms,
                       struct bytes *out)
{
    int fd = socket(at->ai_family, at->ai_socktype | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool good = set_fd(ops, fd) && limit_wait(fd, until_ms) &&
                connect(fd, at->ai_addr, at->ai_addrlen) == 0 &&
                send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1 &&
                read_all(fd, until_ms, out) && take_body(out);
    (void)set_fd(ops, -1);
    close(fd);
    return good;
}

static bool fetch(struct ops *ops, struct bytes *out)
{
    char host[256], port[32];
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
    int64_t until_ms = now_ms() + ops->limit_ms;
    bool good = false;
    if (split_address(ops->address, host, sizeof host, port, sizeof port) < 0 ||
        getaddrinfo(host, port, &hints, &found) != 0)
        return false;
    for (struct addrinfo *at = found; at && !good; at = at->ai_next) {
        bytes_free(out);
        good = fetch_from(ops, at, until_ms, out);
    }
    freeaddrinfo(found);
    return good;
}

/* Waits until somebody asks; false: stopping. */
static bool wait_for_question(struct ops *ops)
{
    pthread_mutex_lock(&ops->mutex);
    while (!ops->questions.first && !ops->refusing)
        pthread_cond_wait(&ops->asked, &ops->mutex);
    bool goes_on = !ops->refusing;
    pthread_mutex_unlock(&ops->mutex);
    return goes_on;
}

static void answer(const struct ops *ops, struct ops_question *question)
{
    bytes_add(&question->text, ops->text.at, ops->text.len);
    if (question->text.failed)
        bytes_free(&question->text);
    errand_return(&question->errand);
}

static void answer_all(struct ops *ops)
{
    struct errand *errand;
    while ((errand = errands_take(&ops->questions)))
        answer(ops, (struct ops_question *)errand);
}

static void *ops_run(void *context)
{
    struct ops *ops = context;
    while (wait_for_question(ops)) {
        struct bytes fresh = { 0 };
        if (!fetch(ops, &fresh))
            bytes_free(&fresh);
        pthread_mutex_lock(&ops->mutex);
        bytes_free(&ops->text);
        ops->text = fresh;
        ops->fetched_ms = now_ms();
        answer_all(ops);
        pthread_mutex_unlock(&ops->mutex);
    }
    return NULL;
}

struct ops *ops_start(const char *address, int limit_s)
{
    struct ops *ops = calloc(1, sizeof *ops);
    if (!ops)
        return NULL;
    *ops = (struct ops){ .address = address, .limit_ms = (int64_t)limit_s * 1000, .fd = -1 };
    pthread_mutex_init(&ops->mutex, NULL);
    pthread_cond_init(&ops->asked, NULL);
    if (pthread_create(&ops->thread, NULL, ops_run, ops) == 0)
        return ops;
    free(ops);
    return NULL;
}

void ops_ask(struct ops *ops, struct ops_question *question)
{
    pthread_mutex_lock(&ops->mutex);
    bool fresh = ops->text.len > 0 && now_ms() - ops->fetched_ms < FRESH_MS;
    if (fresh && !ops->refusing)
        answer(ops, question);
    else if (ops->refusing)
        errand_return(&question->errand);
    else
        errands_add(&ops->questions, &question->errand);
    pthread_cond_signal(&ops->asked);
    pthread_mutex_unlock(&ops->mutex);
}

void ops_refuse(struct ops *ops)
{
    pthread_mutex_lock(&ops->mutex);
    ops->refusing = true;
    if (ops->fd >= 0)
        shutdown(ops->fd, SHUT_RDWR); /* so that nothing waits for it */
    bytes_free(&ops->text);
    answer_all(ops);
    pthread_cond_signal(&ops->asked);
    pthread_mutex_unlock(&ops->mutex);
}

void ops_stop(struct ops *ops)
{
    if (!ops)
        return;
    ops_refuse(ops);
    pthread_join(ops->thread, NULL);
    pthread_cond_destroy(&ops->asked);
    pthread_mutex_destroy(&ops->mutex);
    bytes_free(&ops->text);
    free(ops);
}
