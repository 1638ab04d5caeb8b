/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/wake.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mirror/clock.h"

int wake_init(struct wake *wake)
{
    *wake = (struct wake){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    return wake->fd < 0 ? -errno : 0;
}

void wake_destroy(struct wake *wake)
{
    if (wake->fd >= 0)
        close(wake->fd);
    wake->fd = -1;
}

void wake_tell(struct wake *wake)
{
    eventfd_write(wake->fd, 1);
}

void wake_stop(struct wake *wake)
{
    atomic_store_explicit(&wake->stopping, true, memory_order_release);
    wake_tell(wake);
}

bool wake_stopping(struct wake *wake)
{
    if (!atomic_load_explicit(&wake->stopping, memory_order_acquire))
        return false;
    if (wake->stop_by_ms == 0)
        wake->stop_by_ms = steady_ms() + LAST_WORDS_MS;
    return true;
}

/* Consumes the wake-up; the flags say what it was about. */
static void hear(struct wake *wake)
{
    eventfd_t ignored;
    eventfd_read(wake->fd, &ignored);
}

static void poll_until(struct pollfd *polled, nfds_t count, uint64_t until_us)
{
    uint64_t now = steady_us();
    uint64_t left = until_us > now ? until_us - now : 0;
    struct timespec timeout = { (time_t)(left / 1000000), (long)(left % 1000000 * 1000) };
    ppoll(polled, count, &timeout, NULL);
}

bool wake_wait(struct wake *wake, int fd, short events, uint64_t until_us)
{
    for (;;) {
        struct pollfd polled[] = { { wake->fd, POLLIN, 0 }, { fd, events, 0 } };
        if (wake_stopping(wake) && until_us > wake->stop_by_ms * 1000)
            until_us = wake->stop_by_ms * 1000;
        poll_until(polled, 2, until_us);
        if (polled[0].revents)
            hear(wake);
        if (polled[1].revents)
            return true;
        if (steady_us() >= until_us)
            return false;
    }
}

void wake_pause(struct wake *wake, uint64_t until_us)
{
    struct pollfd polled = { wake->fd, POLLIN, 0 };
    poll_until(&polled, 1, until_us);
    if (polled.revents)
        hear(wake);
}
