/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which web pages may use the gateway.
 *
 * A browser sends the page's origin with every request across origins, and a page cannot change
 * that. Without a rule any page on the web could have a visitor's browser change the stock behind a
 * gateway that the visitor reaches, when the engine asks for no token. The gateway's own pages are
 * those of the host that was asked, if that is an address or localhost, and not a name. So by
 * default (policy NULL) a page of another origin may ask questions, and needs a bearer token, which
 * it cannot guess, for anything else. "*" lets every page do everything, "none" none anything, and
 * a list of origins those in it everything and others nothing.
 */
#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

#include <stdbool.h>
#include <stddef.h>

struct cors_request {
    const char *origin; /* NULL: not from a page of another origin; always allowed */
    const char *host;   /* that it was sent to, or NULL */
    bool has_token;
    bool is_question;
};

struct cors_answer {
    bool allowed;
    const char *allow_origin; /* for Access-Control-Allow-Origin; NULL: no such header */
    bool varies;              /* by origin */
};

/* False, with one line in why (size bytes): one of its origins is such that no browser sends it. */
bool cors_is_policy(const char *policy, char *why, size_t size);

struct cors_answer cors_judge(const char *policy, const struct cors_request *request);

#endif
