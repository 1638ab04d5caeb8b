/* SPDX-License-Identifier: Apache-2.0 */
/* Where etcd is: "etcd://HOST:PORT,HOST:PORT..." and the addresses that names stand for. Owned by
 * one thread; names are resolved by threads of the C library, so that nothing here blocks. */
#ifndef STOCKD_CLUSTER_ETCD_ENDPOINTS_H
#define STOCKD_CLUSTER_ETCD_ENDPOINTS_H

#include <netdb.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ETCD_ENDPOINTS_MAX = 9, ETCD_HOST_MAX = 256 };

struct etcd_endpoint {
    char name[ETCD_HOST_MAX + 8]; /* HOST:PORT, as it was given */
    char host[ETCD_HOST_MAX];     /* without the brackets of an IPv6 address */
    char port[6];
    struct addrinfo *addresses; /* of the last resolution; NULL: none */
    char told[192]; /* why it failed when that was last told; "": it has not since it was used */
    bool resolving;
    struct gaicb request; /* the C library's while resolving */
    struct addrinfo hints;
};

struct etcd_endpoints {
    bool encrypted; /* etcds:// */
    uint32_t count;
    struct etcd_endpoint all[ETCD_ENDPOINTS_MAX];
};

/* False, with one line in why (size bytes): the text is no list of endpoints. The endpoints must
 * not move afterwards. */
bool etcd_endpoints_parse(struct etcd_endpoints *endpoints, const char *text, char *why,
                          size_t size);
/* Waits for names that are being resolved. */
void etcd_endpoints_free(struct etcd_endpoints *endpoints);

enum etcd_resolved { ETCD_RESOLVED, ETCD_RESOLVING, ETCD_UNRESOLVED };

/* Resolves the name anew: begins, or looks whether it is done. why: of ETCD_UNRESOLVED. */
enum etcd_resolved etcd_endpoint_resolve(struct etcd_endpoint *endpoint, char *why, size_t size);

#endif
