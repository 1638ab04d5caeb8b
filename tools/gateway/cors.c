/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/cors.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* "https://shop.example" and the host "shop.example". */
static bool is_same(const char *origin, const char *host)
{
    const char *at = strstr(origin, "://");
    return host && at && strcasecmp(at + 3, host) == 0;
}

/* An address, or this machine. Any other name leads wherever its owner says: also here, for a page
 * that was loaded from there (DNS rebinding). So a page of the same name is not yet the gateway's.
 */
static bool is_no_name(const char *host)
{
    static const char local[] = "localhost", digits[] = "0123456789.";
    size_t len = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (len == sizeof local - 1 && strncasecmp(host, local, len) == 0)
        return true;
    return host[0] == '[' || (len > 0 && strspn(host, digits) >= len);
}

static bool ends_in(const char *text, size_t len, const char *end)
{
    size_t size = strlen(end);
    return len >= size && strncmp(text + len - size, end, size) == 0;
}

static const char *why_no_origin(const char *origin, size_t len)
{
    static const char *const schemes[] = { "https://", "http://" };
    static const char *const ports[] = { ":443", ":80" };
    for (unsigned i = 0; i < 2; i++) {
        size_t size = strlen(schemes[i]);
        if (len <= size || strncasecmp(origin, schemes[i], size) != 0)
            continue;
        if (strcspn(origin + size, "/?#@* ,") != len - size)
            return "an origin ends with its host or port, and has no path, user, * or blank";
        if (ends_in(origin, len, ports[i]))
            return "browsers leave out the port 443 of https:// and 80 of http://";
        return NULL;
    }
    return "give *, none, or origins as in https://shop.example,https://b.example";
}

bool cors_is_policy(const char *policy, char *why, size_t size)
{
    if (strcmp(policy, "*") == 0 || strcmp(policy, "none") == 0)
        return true;
    for (const char *at = policy;; at += strspn(at, ", ")) {
        size_t len = strcspn(at, ",");
        const char *problem = why_no_origin(at, len);
        if (problem)
            snprintf(why, size, "\"%.*s\": %s", (int)len, at, problem);
        if (problem || at[len] == '\0')
            return !problem;
        at += len;
    }
}

static bool is_listed(const char *list, const char *origin)
{
    size_t len = strlen(origin);
    for (const char *at = list; *at;) {
        size_t size = strcspn(at, ",");
        if (size == len && strncasecmp(at, origin, len) == 0)
            return true;
        at += size;
        at += strspn(at, ", ");
    }
    return false;
}

struct cors_answer cors_judge(const char *policy, const struct cors_request *request)
{
    const char *origin = request->origin;
    if (!origin || (is_same(origin, request->host) && is_no_name(request->host)))
        return (struct cors_answer){ .allowed = true };
    if (!policy)
        return (struct cors_answer){ .allowed = request->is_question || request->has_token,
                                     .allow_origin = "*" };
    if (strcmp(policy, "*") == 0)
        return (struct cors_answer){ .allowed = true, .allow_origin = "*" };
    if (is_listed(policy, origin))
        return (struct cors_answer){ .allowed = true, .allow_origin = origin, .varies = true };
    return (struct cors_answer){ .varies = true };
}
