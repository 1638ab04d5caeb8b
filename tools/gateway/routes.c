/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/routes.h"

#include <string.h>

static const struct route routes[] = {
    { .page = PAGE_HOME, .id = "getHome", .path = "/", .summary = "The console" },
    { .page = PAGE_ASSET,
      .id = "getConsoleFile",
      .path = "/console/",
      .variable = "file",
      .kind = "name",
      .summary = "A file of the console" },
    { .page = PAGE_HEALTH,
      .id = "getHealth",
      .path = "/healthz",
      .summary = "Whether the gateway takes requests" },
    { .page = PAGE_METRICS,
      .id = "getMetrics",
      .path = "/v1/metrics",
      .summary = "The metrics of the engine's ops port, if the gateway was given it" },
    { .page = PAGE_OPENAPI,
      .id = "getOpenapi",
      .path = "/v1/openapi.json",
      .summary = "This document" },
    { .page = PAGE_AVAILABILITY,
      .id = "getAvailability",
      .path = "/v1/availability/",
      .variable = "channel",
      .kind = "code",
      .summary = "What a channel can sell now of some items",
      .query = { { "sku", "sku", "an item; may be given several times", true, true } } },
    { .page = PAGE_ITEM,
      .id = "getItem",
      .path = "/v1/items/",
      .variable = "sku",
      .kind = "sku",
      .summary = "An item: what is set for it, and its stock" },
    { .page = PAGE_RESERVATION,
      .id = "getReservation",
      .path = "/v1/reservations/",
      .variable = "id",
      .kind = "id",
      .summary = "A reservation" },
    { .page = PAGE_CHANGES,
      .id = "getChanges",
      .path = "/v1/changes",
      .summary = "A stream of changes of availability",
      .query = { { "channel", "code", "only of this channel", false, false },
                 { "since_lsn", "lsn", "what came after this position", false, false } } },
    { .page = PAGE_EVENTS,
      .id = "getEvents",
      .path = "/v1/events",
      .summary = "A stream of events",
      .query = { { "types", "event_type", "only this type; may be given several times", true,
                   false },
                 { "channel", "code", "only of this channel", false, false },
                 { "location", "code", "only of this place", false, false },
                 { "since_lsn", "lsn", "what came after this position", false, false } } },
};

enum { ROUTES = sizeof routes / sizeof *routes };

const struct route *gateway_routes(unsigned *count)
{
    *count = ROUTES;
    return routes;
}

const struct route *route_of(struct span path, struct span *variable)
{
    for (size_t i = 0; i < ROUTES; i++) {
        size_t len = strlen(routes[i].path);
        *variable = (struct span){ path.at + len, path.len - len };
        if (!routes[i].variable ? span_is(path, routes[i].path)
                                : path.len > len && memcmp(path.at, routes[i].path, len) == 0)
            return &routes[i];
    }
    return NULL;
}

struct span method_of(struct span path)
{
    static const char prefix[] = "/v1/";
    size_t len = sizeof prefix - 1;
    if (path.len <= len || memcmp(path.at, prefix, len) != 0 ||
        memchr(path.at + len, '/', path.len - len))
        return (struct span){ "", 0 };
    return (struct span){ path.at + len, path.len - len };
}
