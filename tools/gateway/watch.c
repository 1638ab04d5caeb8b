/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/watch.h"

#include <assert.h>
#include <stdlib.h>
#include <unistd.h>

enum { AT_ONCE = 256 };

bool watcher_open(struct watcher *watcher)
{
    *watcher = (struct watcher){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    return watcher->epoll_fd >= 0;
}

void watcher_close(struct watcher *watcher)
{
    watcher_clear(watcher);
    if (watcher->epoll_fd >= 0)
        close(watcher->epoll_fd);
}

bool watch_add(struct watcher *watcher, int fd, uint32_t events, struct watch *watch)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };
    return epoll_ctl(watcher->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void watch_change(struct watcher *watcher, int fd, uint32_t events, struct watch *watch)
{
    struct epoll_event event = { .events = events, .data.ptr = watch };
    (void)epoll_ctl(watcher->epoll_fd, EPOLL_CTL_MOD, fd, &event);
}

void watch_remove(struct watcher *watcher, int fd)
{
    (void)epoll_ctl(watcher->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void watch_bury(struct watcher *watcher, struct watch *watch)
{
    assert(!watch->buried);
    watch->buried = true;
    watch->next_buried = watcher->graves;
    watcher->graves = watch;
}

void watcher_wait(struct watcher *watcher, int timeout_ms)
{
    struct epoll_event events[AT_ONCE];
    int count = epoll_wait(watcher->epoll_fd, events, AT_ONCE, timeout_ms);
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;
        if (!watch->buried)
            watch->ready(watch, events[i].events);
    }
}

void watcher_clear(struct watcher *watcher)
{
    while (watcher->graves) {
        struct watch *watch = watcher->graves;
        watcher->graves = watch->next_buried;
        free(watch);
    }
}
