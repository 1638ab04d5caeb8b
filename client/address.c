/* SPDX-License-Identifier: Apache-2.0 */
/* From "HOST:PORT", "[IPV6]:PORT" (each perhaps behind "tls://") or "unix:PATH" to a connected,
 * non-blocking socket. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/internal.h"

#define UNIX_PREFIX "unix:"
#define TLS_PREFIX "tls://"

enum { HOST_SIZE = 256 };

/* Finishes a connect under way: 0 or its errno. */
static int finish_connect(int fd, stk_ms deadline)
{
    struct pollfd pfd = { .fd = fd, .events = POLLOUT };
    int error = 0;
    socklen_t size = sizeof error;
    int ready;

    do
        ready = poll(&pfd, 1, stk_poll_timeout(deadline));
    while (ready < 0 && errno == EINTR);
    if (ready == 0)
        return ETIMEDOUT;
    if (ready < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return errno;
    return error;
}

/* The connected socket, or minus an errno. */
static int connect_to(const struct sockaddr *addr, socklen_t size, stk_ms deadline)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = 0;

    if (fd < 0)
        return -errno;
    if (connect(fd, addr, size) < 0)
        error = errno == EINPROGRESS ? finish_connect(fd, deadline) : errno;
    if (error) {
        close(fd);
        return -error;
    }
    if (addr->sa_family != AF_UNIX) {
        int on = 1;

        /* Only speed is lost if this fails. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

static bool check_path(const char *path, char *why, size_t size)
{
    size_t most = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
    size_t len = strlen(path);

    if (len >= 1 && len <= most)
        return true;
    snprintf(why, size, "the path of a Unix socket must be 1 to %zu bytes long", most);
    return false;
}

static int dial_unix(const char *path, stk_ms deadline, char *why, size_t size)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    size_t len = strlen(path);

    if (!check_path(path, why, size))
        return STOCKD_E_ARGUMENT;
    memcpy(addr.sun_path, path, len);
    if (path[0] == '@')
        addr.sun_path[0] = '\0'; /* abstract: its length, not a NUL, ends it */
    else
        len++;

    socklen_t addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    int fd = connect_to((struct sockaddr *)&addr, addr_len, deadline);
    if (fd < 0) {
        snprintf(why, size, "%s", strerror(-fd));
        return STOCKD_E_CONNECT;
    }
    return fd;
}

/* 1 to 65535, in digits only; getaddrinfo would not tell a bad port from an unknown host. */
static bool is_port(const char *text)
{
    unsigned long number = 0;
    size_t len = strlen(text);

    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned long)(text[i] - '0');
    }
    return number >= 1 && number <= 65535;
}

bool stk_address_encrypted(const char *address)
{
    return !strncmp(address, TLS_PREFIX, strlen(TLS_PREFIX));
}

/* Splits "HOST:PORT" or "[IPV6]:PORT", behind "tls://" or not. */
static bool split_host_port(const char *address, char *host, size_t size, const char **port)
{
    if (stk_address_encrypted(address))
        address += strlen(TLS_PREFIX);
    const char *colon = strrchr(address, ':');
    const char *begin = address;

    if (!colon || !is_port(colon + 1))
        return false;
    size_t len = (size_t)(colon - address);
    if (len >= 2 && address[0] == '[' && address[len - 1] == ']') {
        begin = address + 1;
        len -= 2;
    } else if (memchr(address, ':', len)) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (len == 0 || len >= size)
        return false;
    memcpy(host, begin, len);
    host[len] = '\0';
    *port = colon + 1;
    return true;
}

void stk_address_host(const char *address, char *host, size_t size)
{
    const char *port;

    if (!split_host_port(address, host, size, &port))
        host[0] = '\0';
}

static bool check_host_port(const char *address, char host[HOST_SIZE], const char **port, char *why,
                            size_t size)
{
    if (split_host_port(address, host, HOST_SIZE, port))
        return true;
    snprintf(why, size, "the address must be HOST:PORT, [IPV6]:PORT, tls://HOST:PORT or unix:PATH");
    return false;
}

static int dial_tcp(const char *address, stk_ms deadline, char *why, size_t size)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list;
    char host[HOST_SIZE];
    const char *port;
    int fd = -EHOSTUNREACH;

    if (!check_host_port(address, host, &port, why, size))
        return STOCKD_E_ARGUMENT;
    int error = getaddrinfo(host, port, &hints, &list);
    if (error) {
        snprintf(why, size, "%s", gai_strerror(error));
        return STOCKD_E_CONNECT;
    }
    for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next)
        fd = connect_to(ai->ai_addr, ai->ai_addrlen, deadline);
    freeaddrinfo(list);
    if (fd < 0) {
        snprintf(why, size, "%s", strerror(-fd));
        return STOCKD_E_CONNECT;
    }
    return fd;
}

bool stk_address_check(const char *address, char *why, size_t size)
{
    char host[HOST_SIZE];
    const char *port;

    if (!strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)))
        return check_path(address + strlen(UNIX_PREFIX), why, size);
    return check_host_port(address, host, &port, why, size);
}

void stk_watch_peer(int fd)
{
    int on = 1, idle_s = 1, apart_s = 1, probes = 2;

    /* Without them the loss is noticed later; a Unix socket has none. */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &apart_s, sizeof apart_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

int stk_dial(const char *address, stk_ms deadline, char *why, size_t size)
{
    if (!strncmp(address, UNIX_PREFIX, strlen(UNIX_PREFIX)))
        return dial_unix(address + strlen(UNIX_PREFIX), deadline, why, size);
    return dial_tcp(address, deadline, why, size);
}
