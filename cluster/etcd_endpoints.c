/* SPDX-License-Identifier: Apache-2.0 */
#include "cluster/etcd_endpoints.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define PLAIN "etcd://"
#define ENCRYPTED "etcds://"

/* 1 to 65535, in digits only. */
static bool take_port(struct etcd_endpoint *endpoint, const char *text, size_t length)
{
    unsigned long number = 0;
    if (length == 0 || length >= sizeof endpoint->port)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned long)(text[i] - '0');
    }
    memcpy(endpoint->port, text, length);
    endpoint->port[length] = '\0';
    return number >= 1 && number <= 65535;
}

static bool take_host(struct etcd_endpoint *endpoint, const char *text, size_t length)
{
    if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    } else if (memchr(text, ':', length)) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (length == 0 || length >= sizeof endpoint->host || memchr(text, '/', length))
        return false;
    memcpy(endpoint->host, text, length);
    endpoint->host[length] = '\0';
    return true;
}

static bool parse_one(struct etcd_endpoint *endpoint, const char *text, size_t length)
{
    const char *colon = memrchr(text, ':', length);
    if (!colon || length >= sizeof endpoint->name)
        return false;
    memcpy(endpoint->name, text, length);
    endpoint->name[length] = '\0';
    size_t before = (size_t)(colon - text);
    return take_host(endpoint, text, before) && take_port(endpoint, colon + 1, length - before - 1);
}

bool etcd_endpoints_parse(struct etcd_endpoints *endpoints, const char *text, char *why,
                          size_t size)
{
    memset(endpoints, 0, sizeof *endpoints);
    endpoints->encrypted = !strncmp(text, ENCRYPTED, strlen(ENCRYPTED));
    if (!endpoints->encrypted && strncmp(text, PLAIN, strlen(PLAIN)) != 0) {
        snprintf(why, size, "etcd's address must begin with " PLAIN " or " ENCRYPTED);
        return false;
    }
    for (const char *at = text + strlen(endpoints->encrypted ? ENCRYPTED : PLAIN); at;) {
        size_t length = strcspn(at, ",");
        if (endpoints->count == ETCD_ENDPOINTS_MAX) {
            snprintf(why, size, "etcd's address has more than %d members", ETCD_ENDPOINTS_MAX);
            return false;
        }
        if (!parse_one(&endpoints->all[endpoints->count++], at, length)) {
            snprintf(why, size, "'%.*s' in etcd's address must be HOST:PORT or [IPV6]:PORT",
                     (int)(length < ETCD_HOST_MAX ? length : ETCD_HOST_MAX), at);
            return false;
        }
        at = at[length] == ',' ? at + length + 1 : NULL;
    }
    return true;
}

static void forget_addresses(struct etcd_endpoint *endpoint)
{
    if (endpoint->addresses)
        freeaddrinfo(endpoint->addresses);
    endpoint->addresses = NULL;
}

void etcd_endpoints_free(struct etcd_endpoints *endpoints)
{
    for (uint32_t i = 0; i < endpoints->count; i++) {
        struct etcd_endpoint *endpoint = &endpoints->all[i];
        const struct gaicb *request = &endpoint->request;
        if (endpoint->resolving && gai_cancel(&endpoint->request) == EAI_NOTCANCELED) {
            while (gai_error(&endpoint->request) == EAI_INPROGRESS)
                gai_suspend(&request, 1, NULL);
        }
        if (endpoint->resolving && gai_error(&endpoint->request) == 0)
            freeaddrinfo(endpoint->request.ar_result);
        forget_addresses(endpoint);
    }
    endpoints->count = 0;
}

/* An address needs no thread. */
static bool take_numeric(struct etcd_endpoint *endpoint)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV | AI_NUMERICHOST };
    struct addrinfo *addresses;
    if (getaddrinfo(endpoint->host, endpoint->port, &hints, &addresses) != 0)
        return false;
    forget_addresses(endpoint);
    endpoint->addresses = addresses;
    return true;
}

static int begin(struct etcd_endpoint *endpoint)
{
    struct gaicb *request = &endpoint->request;
    endpoint->hints = (struct addrinfo){ .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    endpoint->request = (struct gaicb){ .ar_name = endpoint->host,
                                        .ar_service = endpoint->port,
                                        .ar_request = &endpoint->hints };
    int error = getaddrinfo_a(GAI_NOWAIT, &request, 1, NULL);
    endpoint->resolving = error == 0;
    return error ? error : EAI_INPROGRESS;
}

enum etcd_resolved etcd_endpoint_resolve(struct etcd_endpoint *endpoint, char *why, size_t size)
{
    if (!endpoint->resolving && take_numeric(endpoint))
        return ETCD_RESOLVED;
    int error = endpoint->resolving ? gai_error(&endpoint->request) : begin(endpoint);
    if (error == EAI_INPROGRESS)
        return ETCD_RESOLVING;
    endpoint->resolving = false;
    if (error) {
        snprintf(why, size, "%s", gai_strerror(error));
        return ETCD_UNRESOLVED;
    }
    forget_addresses(endpoint);
    endpoint->addresses = endpoint->request.ar_result;
    return ETCD_RESOLVED;
}
