/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/listening.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tools/service/notice.h"

static int cannot(const char *address, const char *why)
{
    notice(LOG_ERR, "start", "%s: %s", address, why);
    return -1;
}

int split_address(const char *address, char *host, size_t host_size, char *port, size_t port_size)
{
    const char *colon = strrchr(address, ':');
    if (!colon || !colon[1])
        return -1;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
        address++;
        len -= 2;
    }
    if (len == 0 || len >= host_size || strlen(colon + 1) >= port_size)
        return -1;
    snprintf(host, host_size, "%.*s", (int)len, address);
    snprintf(port, port_size, "%s", colon + 1);
    return 0;
}

static void tell_bound(int fd, char *bound, size_t size)
{
    struct sockaddr_storage at = { .ss_family = AF_UNSPEC };
    socklen_t length = sizeof at;
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    if (getsockname(fd, (struct sockaddr *)&at, &length) == 0)
        (void)getnameinfo((struct sockaddr *)&at, length, host, sizeof host, port, sizeof port,
                          NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(bound, size, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int listen_at(const char *address, char *bound, size_t size)
{
    char host[256], port[32];
    struct addrinfo hints = { .ai_family = AF_UNSPEC,
                              .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    struct addrinfo *found;
    const int on = 1;
    if (split_address(address, host, sizeof host, port, sizeof port) < 0)
        return cannot(address, "is not HOST:PORT");
    int error = getaddrinfo(host, port, &hints, &found);
    if (error)
        return cannot(address, gai_strerror(error));
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (fd < 0 || bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
        error = errno;
        if (fd >= 0)
            close(fd);
        freeaddrinfo(found);
        return cannot(address, strerror(error));
    }
    freeaddrinfo(found);
    tell_bound(fd, bound, size);
    return fd;
}

int write_ready_file(const char *path, const char *address)
{
    char beside[4096];
    if ((size_t)snprintf(beside, sizeof beside, "%s.new", path) >= sizeof beside)
        return cannot(path, "the path is too long");
    FILE *file = fopen(beside, "we");
    if (!file)
        return cannot(beside, strerror(errno));
    bool failed = fprintf(file, "%s\n", address) < 0;
    failed |= fclose(file) != 0;
    if (failed || rename(beside, path) < 0) {
        int error = errno;
        (void)unlink(beside);
        return cannot(path, strerror(error));
    }
    return 0;
}
