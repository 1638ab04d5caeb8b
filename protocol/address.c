/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024, HOST_MAX = 256 };

#define TLS_PREFIX "tls://"

bool address_encrypted(const char *address)
{
    return strncmp(address, TLS_PREFIX, strlen(TLS_PREFIX)) == 0;
}

/* Without the prefix. */
static const char *host_and_port(const char *address)
{
    return address_encrypted(address) ? address + strlen(TLS_PREFIX) : address;
}

static int failed(int error, const char *address, const char *what, char *why, size_t size)
{
    snprintf(why, size, "cannot listen on %s: %s", address, what ? what : strerror(error));
    return -error;
}

/* ---- Unix ---- */

/* A socket's file outlives its server and may be removed if no server listens there. A connect
 * tells: it need not be accepted, for EAGAIN (a full backlog) means that one listens, too. */
static int remove_stale(const struct sockaddr_un *where)
{
    struct stat status;
    if (lstat(where->sun_path, &status) < 0)
        return errno == ENOENT ? 0 : errno;
    if (!S_ISSOCK(status.st_mode))
        return EEXIST;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    int error = connect(fd, (const struct sockaddr *)where, sizeof *where) < 0 ? errno : 0;
    close(fd);
    if (error == 0 || error == EAGAIN)
        return EADDRINUSE;
    if (error != ECONNREFUSED)
        return error;
    return unlink(where->sun_path) < 0 && errno != ENOENT ? errno : 0;
}

static int take_path(struct sockaddr_un *where, const char *address, const char *path, char *why,
                     size_t size)
{
    *where = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (*path == '\0' || strlen(path) >= sizeof where->sun_path)
        return failed(EINVAL, address, "the path must be 1 to 107 bytes long", why, size);
    memcpy(where->sun_path, path, strlen(path));
    return 0;
}

static int open_unix(struct listener *listener, const char *address, const char *path, char *why,
                     size_t size)
{
    struct sockaddr_un where;
    _Static_assert(sizeof where.sun_path <= sizeof listener->path, "a path fits");
    int error = take_path(&where, address, path, why, size);
    if (error)
        return error;
    error = remove_stale(&where);
    if (error == EADDRINUSE)
        return failed(error, address, "another server listens on it", why, size);
    if (error == EEXIST)
        return failed(error, address, "the path exists and is not a socket", why, size);
    if (error)
        return failed(error, address, NULL, why, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed(errno, address, NULL, why, size);
    if (bind(fd, (struct sockaddr *)&where, sizeof where) < 0 || listen(fd, BACKLOG) < 0) {
        error = errno;
        close(fd);
        return failed(error, address, NULL, why, size);
    }
    listener->fd = fd;
    listener->unix_socket = true;
    memcpy(listener->path, where.sun_path, sizeof where.sun_path);
    snprintf(listener->address, sizeof listener->address, "unix:%s", path);
    return 0;
}

/* ---- TCP ---- */

/* Splits HOST:PORT and [HOST]:PORT, behind tls:// or not; an empty host means every address. */
static bool split(const char *address, char *host, size_t size, const char **port)
{
    const char *from = host_and_port(address);
    const char *colon = strrchr(from, ':');
    if (!colon || colon[1] == '\0')
        return false;
    size_t length = (size_t)(colon - from);
    if (*from == '[') {
        if (length < 2 || colon[-1] != ']')
            return false;
        from++;
        length -= 2;
    }
    if (length >= size)
        return false;
    memcpy(host, from, length);
    host[length] = '\0';
    *port = colon + 1;
    return strlen(*port) <= 5 && strspn(*port, "0123456789") == strlen(*port) &&
           strtoul(*port, NULL, 10) <= UINT16_MAX;
}

static int bind_tcp(const struct addrinfo *info)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static enum reach reach_of(const struct sockaddr *bound)
{
    bool wildcard, loopback;
    if (bound->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, bound, sizeof in6);
        wildcard = IN6_IS_ADDR_UNSPECIFIED(&in6.sin6_addr);
        loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
    } else {
        struct sockaddr_in in;
        memcpy(&in, bound, sizeof in);
        wildcard = in.sin_addr.s_addr == htonl(INADDR_ANY);
        loopback = ntohl(in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    return wildcard ? REACH_ALL : loopback ? REACH_LOCAL : REACH_ADDRESS;
}

static void note_bound(struct listener *listener, const char *host)
{
    struct sockaddr_storage bound = { 0 };
    socklen_t length = sizeof bound;
    char port[NI_MAXSERV] = "?";
    getsockname(listener->fd, (struct sockaddr *)&bound, &length);
    getnameinfo((struct sockaddr *)&bound, length, NULL, 0, port, sizeof port, NI_NUMERICSERV);
    listener->reach = reach_of((struct sockaddr *)&bound);
    bool is_ipv6 = strchr(host, ':') != NULL;
    snprintf(listener->address, sizeof listener->address, "%s%s%s%s:%s",
             listener->encrypted ? TLS_PREFIX : "", is_ipv6 ? "[" : "", *host ? host : "0.0.0.0",
             is_ipv6 ? "]" : "", port);
}

/* Fills in the host (HOST_MAX bytes), and what the address stands for, to be freed. */
static int resolve(const char *address, char *host, struct addrinfo **found, char *why, size_t size)
{
    const char *port;
    if (!split(address, host, HOST_MAX, &port))
        return failed(EINVAL, address,
                      "it must be HOST:PORT (at most 65535), tls://HOST:PORT or unix:PATH", why,
                      size);
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
    if (*host == '\0')
        hints.ai_family = AF_INET;
    int unresolved = getaddrinfo(*host ? host : NULL, port, &hints, found);
    return unresolved ? failed(EINVAL, address, gai_strerror(unresolved), why, size) : 0;
}

static int open_tcp(struct listener *listener, const char *address, char *why, size_t size)
{
    char host[HOST_MAX];
    struct addrinfo *found = NULL;
    int error = resolve(address, host, &found, why, size);
    if (error)
        return error;
    int fd = -EADDRNOTAVAIL;
    for (struct addrinfo *info = found; info && fd < 0; info = info->ai_next)
        fd = bind_tcp(info);
    freeaddrinfo(found);
    if (fd < 0)
        return failed(-fd, address, NULL, why, size);
    listener->fd = fd;
    note_bound(listener, host);
    return 0;
}

bool address_valid(const char *address)
{
    char host[HOST_MAX];
    const char *port;
    if (strncmp(address, "unix:", 5) == 0)
        return address[5] != '\0';
    return split(address, host, sizeof host, &port);
}

int address_reach(const char *address, enum reach *reach, char *why, size_t size)
{
    char host[HOST_MAX];
    struct addrinfo *found = NULL;
    struct sockaddr_un where;
    *reach = REACH_LOCAL;
    if (strncmp(address, "unix:", 5) == 0)
        return take_path(&where, address, address + 5, why, size);
    int error = resolve(address, host, &found, why, size);
    if (error)
        return error;
    *reach = reach_of(found->ai_addr);
    freeaddrinfo(found);
    return 0;
}

int listener_open(struct listener *listener, const char *address, char *why, size_t size)
{
    *listener = (struct listener){ .fd = -1, .encrypted = address_encrypted(address) };
    if (strncmp(address, "unix:", 5) == 0)
        return open_unix(listener, address, address + 5, why, size);
    return open_tcp(listener, address, why, size);
}

void listener_close(struct listener *listener)
{
    if (listener->fd < 0)
        return;
    close(listener->fd);
    listener->fd = -1;
    if (listener->path[0])
        unlink(listener->path);
}
