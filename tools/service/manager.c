/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/service/manager.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { STATE_MAX = 512, WAIT_S = 5 };

/* Set before there are threads. */
static int manager_fd = -1;
static struct sockaddr_un manager_address;
static socklen_t manager_length;

/* A path, or behind an @ a name that is in no file system. 0: it is neither, or too long. */
static socklen_t take_address(const char *name)
{
    size_t length = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || length < 2 ||
        length >= sizeof manager_address.sun_path)
        return 0;
    manager_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    memcpy(manager_address.sun_path, name, length);
    if (name[0] == '@')
        manager_address.sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

void manager_find(void)
{
    const struct timeval limit = { .tv_sec = WAIT_S };
    const char *name = getenv("NOTIFY_SOCKET");
    manager_length = name ? take_address(name) : 0;
    if (manager_length > 0)
        manager_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (manager_fd >= 0)
        setsockopt(manager_fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    unsetenv("NOTIFY_SOCKET");
}

/* Not by a connection: after `systemctl daemon-reexec` another socket has the name. */
static void tell(const char *state)
{
    if (manager_fd >= 0 && sendto(manager_fd, state, strlen(state), MSG_NOSIGNAL,
                                  (const struct sockaddr *)&manager_address, manager_length) < 0)
        return; /* it is gone */
}

void manager_ready(const char *status)
{
    char state[STATE_MAX];
    snprintf(state, sizeof state, "READY=1\nSTATUS=%s", status);
    tell(state);
}

void manager_status(const char *status)
{
    char state[STATE_MAX];
    snprintf(state, sizeof state, "STATUS=%s", status);
    tell(state);
}

void manager_stopping(void)
{
    tell("STOPPING=1\nSTATUS=stopping");
}
