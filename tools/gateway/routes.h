/* SPDX-License-Identifier: Apache-2.0 */
/* The addresses that are not methods: what GET answers. POST /v1/{method} follows methods.def. */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H

#include "tools/gateway/uri.h"

enum page {
    PAGE_NONE,
    PAGE_HOME,
    PAGE_ASSET,
    PAGE_OPENAPI,
    PAGE_HEALTH,
    PAGE_METRICS,
    PAGE_AVAILABILITY,
    PAGE_ITEM,
    PAGE_RESERVATION,
    PAGE_CHANGES,
    PAGE_EVENTS,
};

struct query_parameter {
    const char *name;
    const char *kind; /* of methods.def */
    const char *about;
    bool repeated; /* it may be given several times */
    bool required;
};

struct route {
    enum page page;
    const char *id;       /* its operationId */
    const char *path;     /* up to its variable part, if it has one */
    const char *variable; /* the name of that; NULL: none */
    const char *kind;     /* of methods.def */
    const char *summary;
    struct query_parameter query[4]; /* up to the first without a name */
};

const struct route *gateway_routes(unsigned *count);

/* The route of a path, and its variable part, still encoded; NULL: there is none. */
const struct route *route_of(struct span path, struct span *variable);

/* The name of the method in /v1/NAME; an empty span: the path is not of that form. */
struct span method_of(struct span path);

#endif
