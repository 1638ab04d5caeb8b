/* SPDX-License-Identifier: Apache-2.0 */
#include "client/nodes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

enum {
    PAUSE_MOST_MS = 500,       /* a takeover is faster than a longer one would notice */
    PAUSE_MOST_ALONE_MS = 2000 /* one engine that is away */
};

static const char tls_prefix[] = "tls://";
static const char unix_prefix[] = "unix:";

static void check(const struct stk_nodes *nodes)
{
    assert(nodes->listed <= STK_NODES_MAX);
    assert(nodes->count >= nodes->listed);
    assert(nodes->count <= nodes->listed + STK_FURTHER); /* K1 */
    assert(nodes->at < nodes->count);
    assert(nodes->next < nodes->count);
    assert(nodes->primary < nodes->count || nodes->primary == STK_NO_NODE);
}

/* ---- the list ---- */

static bool is_listed(const struct stk_nodes *nodes, const char *address)
{
    for (size_t i = 0; i < nodes->listed; i++)
        if (strcmp(nodes->node[i].address, address) == 0)
            return true;
    return false;
}

static bool add(struct stk_nodes *nodes, const char *from, size_t len, char *why, size_t size)
{
    char address[STK_ADDRESS_MAX + 1];

    if (len > STK_ADDRESS_MAX) {
        snprintf(why, size, "the address is too long");
        return false;
    }
    memcpy(address, from, len);
    address[len] = '\0';
    if (!stk_address_check(address, why, size))
        return false;
    if (is_listed(nodes, address))
        return true;
    if (nodes->listed == STK_NODES_MAX) {
        snprintf(why, size, "more than %d addresses", STK_NODES_MAX);
        return false;
    }
    nodes->node[nodes->listed++] = (struct stk_node){ 0 };
    memcpy(nodes->node[nodes->listed - 1].address, address, len + 1);
    return true;
}

/* Adds what the list names. */
static bool read_list(struct stk_nodes *nodes, const char *list, char *why, size_t size)
{
    for (;;) {
        list += strspn(list, " ");
        size_t to_comma = strcspn(list, ",");
        size_t len = to_comma;

        while (len > 0 && list[len - 1] == ' ')
            len--;
        if (!add(nodes, list, len, why, size))
            return false;
        if (list[to_comma] == '\0')
            return true;
        list += to_comma + 1;
    }
}

bool stk_nodes_read(struct stk_nodes *nodes, const char *list, char *why, size_t size)
{
    size_t most = 1;

    for (const char *at = list; (at = strchr(at, ',')) != NULL && most < STK_NODES_MAX; at++)
        most++;
    *nodes = (struct stk_nodes){ .node = calloc(most + STK_FURTHER, sizeof *nodes->node),
                                 .primary = STK_NO_NODE };
    if (!nodes->node)
        snprintf(why, size, "out of memory");
    if (!nodes->node || !read_list(nodes, list, why, size)) {
        stk_nodes_free(nodes);
        return false;
    }
    nodes->count = nodes->listed;
    check(nodes);
    return true;
}

void stk_nodes_free(struct stk_nodes *nodes)
{
    free(nodes->node);
    *nodes = (struct stk_nodes){ .primary = STK_NO_NODE };
}

void stk_nodes_begin(struct stk_nodes *nodes)
{
    nodes->tries = nodes->pauses = 0;
    for (size_t i = 0; i < nodes->count; i++) {
        nodes->node[i].why[0] = '\0';
        nodes->node[i].stopped = false;
    }
}

bool stk_nodes_encrypted(const struct stk_nodes *nodes)
{
    for (size_t i = 0; i < nodes->listed; i++)
        if (stk_address_encrypted(nodes->node[i].address))
            return true;
    return false;
}

/* ---- moving ---- */

/* Leaves the current one for another, for that reason. */
static void leave(struct stk_nodes *nodes, size_t to, const char *why)
{
    struct stk_node *node = &nodes->node[nodes->at];
    size_t len = strlen(node->address);

    if (strncmp(why, node->address, len) == 0 && strncmp(why + len, ": ", 2) == 0)
        why += len + 2;
    snprintf(node->why, sizeof node->why, "%s", why);
    nodes->next = to;
    nodes->moved = true;
    nodes->tries++;
    check(nodes);
}

static size_t next_in_turn(const struct stk_nodes *nodes)
{
    return (nodes->at + 1) % nodes->count;
}

void stk_nodes_go(struct stk_nodes *nodes)
{
    if (nodes->moved)
        nodes->at = nodes->next;
    nodes->moved = false;
}

void stk_nodes_failed(struct stk_nodes *nodes, const char *why)
{
    if (nodes->count == 0 || nodes->moved)
        return;
    if (nodes->primary == nodes->at)
        nodes->primary = STK_NO_NODE;
    leave(nodes, next_in_turn(nodes), why); /* K2 */
    nodes->redirected = false;
}

static const char *without_tls(const char *address)
{
    return stk_address_encrypted(address) ? address + sizeof tls_prefix - 1 : address;
}

static bool is_unix(const char *address)
{
    return strncmp(address, unix_prefix, sizeof unix_prefix - 1) == 0;
}

static bool some_plain(const struct stk_nodes *nodes)
{
    for (size_t i = 0; i < nodes->listed; i++) {
        const char *address = nodes->node[i].address;

        if (!stk_address_encrypted(address) && !is_unix(address))
            return true;
    }
    return false;
}

/* NULL, or why the client may not go to an address that is not on the list. */
static const char *why_not(const struct stk_nodes *nodes, const char *address, bool with_token)
{
    char text[160];

    if (strlen(address) > STK_ADDRESS_MAX || !stk_address_check(address, text, sizeof text))
        return "its address cannot be understood";
    if (is_unix(address))
        return "that is a Unix socket which is not on the list";
    if (with_token && !stk_address_encrypted(address) && !some_plain(nodes))
        return "that is not on the list, and a token is not sent there without tls://";
    return NULL;
}

/* A place for one more, which is not the current one's. */
static size_t further_place(struct stk_nodes *nodes)
{
    size_t last = nodes->listed + STK_FURTHER - 1;

    if (nodes->count <= last)
        return nodes->count++;
    return nodes->at == last ? last - 1 : last;
}

/* The node of that address: of the list, or one behind it. STK_NO_NODE: none, with why. */
static size_t find(struct stk_nodes *nodes, const char *address, bool with_token, const char **why)
{
    char safe[sizeof tls_prefix + STK_ADDRESS_MAX];
    bool encrypt =
        stk_nodes_encrypted(nodes) && !stk_address_encrypted(address) && !is_unix(address);

    for (size_t i = 0; i < nodes->count; i++)
        if (strcmp(without_tls(nodes->node[i].address), without_tls(address)) == 0)
            return i;
    snprintf(safe, sizeof safe, "%s%s", encrypt ? tls_prefix : "", address);
    *why = why_not(nodes, safe, with_token);
    if (*why)
        return STK_NO_NODE;
    size_t place = further_place(nodes);

    nodes->node[place] = (struct stk_node){ 0 };
    memcpy(nodes->node[place].address, safe, strlen(safe) + 1);
    return place;
}

/* Why a node that answered is left. */
static void say_redirect(char *out, size_t size, const char *address, uint64_t term,
                         const char *trouble)
{
    if (trouble)
        snprintf(out, size, "not the primary; %.120s is (%s)", address, trouble);
    else if (address)
        snprintf(out, size, "not the primary; %.200s is", address);
    else
        snprintf(out, size, "not the primary, and there is none (term %llu)",
                 (unsigned long long)term);
}

void stk_nodes_redirect(struct stk_nodes *nodes, const char *address, size_t len, uint64_t term,
                        bool with_token)
{
    char named[STK_ADDRESS_MAX + 1];
    char why[STK_WHY_MAX + 1];
    const char *trouble = NULL;
    bool old = term < nodes->term; /* K3 */
    size_t leaving = nodes->at;

    if (nodes->count == 0 || (nodes->moved && term <= nodes->term))
        return;
    if (address && (len == 0 || len > STK_ADDRESS_MAX || memchr(address, '\0', len)))
        address = NULL;
    if (address) {
        memcpy(named, address, len);
        named[len] = '\0';
    }
    if (term > nodes->term) {
        nodes->term = term;
        nodes->primary = STK_NO_NODE;
    }
    if (nodes->primary == leaving)
        nodes->primary = STK_NO_NODE; /* it says that it is not */
    say_redirect(why, sizeof why, address ? named : NULL, term, NULL);
    if (address && !old) {
        size_t found = find(nodes, named, with_token, &trouble);

        if (trouble)
            say_redirect(why, sizeof why, named, term, trouble);
        else if (found != leaving)
            nodes->primary = found;
    }
    leave(nodes, nodes->primary != STK_NO_NODE ? nodes->primary : next_in_turn(nodes), why);
    nodes->redirected = true;
}

bool stk_nodes_stopped(struct stk_nodes *nodes, const char *why)
{
    if (nodes->count < 2 || nodes->moved)
        return nodes->moved;
    if (nodes->node[nodes->at].stopped)
        return false;
    nodes->node[nodes->at].stopped = true;
    stk_nodes_failed(nodes, why);
    return true;
}

int64_t stk_nodes_pause(struct stk_nodes *nodes, int64_t first_ms)
{
    int64_t most =
        stk_nodes_several(nodes) || nodes->redirected ? PAUSE_MOST_MS : PAUSE_MOST_ALONE_MS;
    int64_t pause = first_ms;

    if (nodes->tries < nodes->count)
        return 0; /* K4 */
    for (unsigned i = 0; i < nodes->pauses && pause < most; i++)
        pause *= 2;
    nodes->tries = 0;
    nodes->pauses++;
    return pause < most ? pause : most;
}

void stk_nodes_reasons(const struct stk_nodes *nodes, char *out, size_t size)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < nodes->count && len < size; i++) {
        const struct stk_node *node = &nodes->node[i];
        int more = snprintf(out + len, size - len, "%s%s: %s", i > 0 ? "; " : "", node->address,
                            node->why[0] ? node->why : "not asked");

        len += more > 0 ? (size_t)more : 0;
    }
}
