/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors that a thread waits for, and the objects behind them.
 *
 * One wait returns several descriptors, and what is done for the first may end the object behind a
 * later one. So an object is buried, not freed: it stays until the round of events is over, and is
 * not told of events any more.
 */
#ifndef GATEWAY_WATCH_H
#define GATEWAY_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* The first member of the object, which comes from malloc if it is ever buried. */
struct watch {
    void (*ready)(struct watch *watch, uint32_t events);
    struct watch *next_buried;
    bool buried;
};

struct watcher {
    int epoll_fd;
    struct watch *graves;
};

bool watcher_open(struct watcher *watcher);
void watcher_close(struct watcher *watcher);

bool watch_add(struct watcher *watcher, int fd, uint32_t events, struct watch *watch);
void watch_change(struct watcher *watcher, int fd, uint32_t events, struct watch *watch);
void watch_remove(struct watcher *watcher, int fd);
void watch_bury(struct watcher *watcher, struct watch *watch);

/* Waits at most so long (-1: for ever), and tells what is ready. */
void watcher_wait(struct watcher *watcher, int timeout_ms);
/* Frees what was buried. */
void watcher_clear(struct watcher *watcher);

#endif
