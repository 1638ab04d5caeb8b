/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A blocking call: connects if it must, goes to the node that takes it, and repeats what is safe to
 * repeat.
 *
 * A request that was refused with `not_primary` was not done, so any may go to another node. One
 * whose connection was lost may have been done: only one that is safe to repeat is sent again.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client/internal.h"

struct attempt {
    bool safe;    /* STOCKD_RETRY_SAFE */
    bool sent;    /* by this try */
    bool unknown; /* an earlier try was sent and not answered */
    int retries;
    stk_ms deadline;
    stk_ms least;  /* a try with less time than that would only blur what is known */
    stk_ms search; /* of a call without a time limit: when it began to look for a node */
};

enum {
    SEARCH_MS = 10000, /* a call without a limit waits for its answer, but not for an engine */
    LEAST_SHARE = 50,  /* of a call's time */
};

/*
 * Detects a connection that died while idle before it carries a request that must not be sent
 * twice.
 */
static void notice_closed(stockd_client *client)
{
    if (client->fd >= 0)
        (void)stk_next_response(client);
    if (client->fd >= 0)
        (void)stk_read(client);
}

/* The later half of it at random. */
static int64_t shaken(int64_t pause)
{
    uint16_t random = 0;

    (void)!getrandom(&random, sizeof random, GRND_NONBLOCK);
    return pause / 2 + pause * random / (2 * UINT16_MAX);
}

bool stk_pause(int64_t pause_ms, stk_ms deadline)
{
    int64_t pause = shaken(pause_ms);

    if (deadline != STK_NEVER && stk_now() + pause >= deadline)
        return false;
    struct timespec left = { .tv_sec = pause / 1000, .tv_nsec = pause % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0)
        ;
    return true;
}

/* Until when this try may wait for its answer. A node that is stopped, and not gone, must not take
 * all the time if another one can be asked. */
static stk_ms answer_deadline(const stockd_client *client, const struct attempt *attempt)
{
    if (attempt->deadline == STK_NEVER || !attempt->safe || !stk_nodes_several(&client->nodes))
        return attempt->deadline;
    stk_ms now = stk_now();
    return now < attempt->deadline ? now + (attempt->deadline - now) / 2 : attempt->deadline;
}

/* After a failure without an answer. */
static bool may_repeat(const stockd_client *client, struct attempt *attempt, int status)
{
    bool several = stk_nodes_several(&client->nodes);
    bool lost = status == STOCKD_E_CLOSED || status == STOCKD_E_CONNECT;

    if (several && status == STOCKD_E_TIMEOUT)
        lost = stk_now() < attempt->deadline;
    if (several && !attempt->sent &&
        (status == STOCKD_E_PROTOCOL ||
         (status == STOCKD_REFUSED && stk_has_code(&client->reply, "overloaded"))))
        lost = true; /* whoever listens there is no use */
    attempt->unknown |= attempt->sent;
    if (!lost || (!attempt->safe && (attempt->sent || !several)))
        return false;
    if (attempt->sent || !several)
        return client->options.retries > 0 && (several || attempt->retries-- > 0);
    return true;
}

/* Whether to try again; then the next node is the current one. */
static bool go_on(stockd_client *client, struct attempt *attempt, int status)
{
    struct stk_nodes *nodes = &client->nodes;
    bool answered = attempt->sent && status == STOCKD_REFUSED;

    if (answered ? !stockd_follow(client, &client->reply)
                 : status == STOCKD_OK || !may_repeat(client, attempt, status))
        return false;
    if (attempt->sent)
        attempt->search = stk_now();
    stk_ms until = attempt->search + SEARCH_MS;
    if (attempt->deadline != STK_NEVER)
        until = attempt->deadline - attempt->least;
    if (!stk_pause(stk_nodes_pause(nodes, client->options.backoff_ms), until))
        return false;
    if (answered)
        stk_drop(client);
    return true;
}

static void add_text(char *text, size_t size, const char *more)
{
    size_t len = strlen(text);

    snprintf(text + len, size - len, "%s", more);
}

/* Refused before the engine has looked whether it knows the id. */
static bool is_blunt(const stockd_client *client, const struct attempt *attempt)
{
    return !attempt->sent || stk_has_code(&client->reply, "read_only") ||
           stk_has_code(&client->reply, "overloaded") ||
           stk_has_code(&client->reply, "not_primary");
}

/* A try was sent and not answered. What the last one came to may hide that. */
static int not_known(stockd_client *client, const struct attempt *attempt, int status)
{
    static const char safe[] = "; it was sent before and not answered, so it may have been done";
    static const char unsafe[] = "; it is not known whether it was done, and it is not sent again, "
                                 "because it has no id by which the engine would know it";

    if (!attempt->safe)
        add_text(client->error, sizeof client->error, unsafe);
    if (status != STOCKD_E_CONNECT && status != STOCKD_REFUSED)
        return status;
    add_text(client->error, sizeof client->error, safe);
    if (status == STOCKD_E_CONNECT || !attempt->sent)
        return STOCKD_E_CLOSED;
    add_text(client->message, sizeof client->message, safe);
    return STOCKD_REFUSED;
}

/* What all tries come to, if the last one failed. */
static int sum_up(stockd_client *client, const struct attempt *attempt, int status)
{
    bool several = stk_nodes_several(&client->nodes);
    bool no_primary =
        status == STOCKD_REFUSED && attempt->sent && stk_has_code(&client->reply, "not_primary");
    bool no_node = status == STOCKD_E_CONNECT || status == STOCKD_E_CLOSED ||
                   status == STOCKD_E_TIMEOUT || status == STOCKD_E_PROTOCOL;

    if (several && (no_primary || (no_node && attempt->safe)))
        stk_nodes_reasons(&client->nodes, client->error, sizeof client->error);
    if (several && no_primary) {
        stk_drop(client); /* the next call asks another one first */
        status = STOCKD_E_CONNECT;
    }
    if (attempt->unknown &&
        (status == STOCKD_REFUSED ? is_blunt(client, attempt) : status != STOCKD_OK))
        return not_known(client, attempt, status);
    return status;
}

int stockd_call(stockd_client *client, const char *method, const void *params, size_t len,
                unsigned flags, stockd_reply *reply)
{
    struct attempt attempt = { .safe = flags & STOCKD_RETRY_SAFE,
                               .retries = client->options.retries,
                               .deadline = stk_deadline(client->options.call_timeout_ms),
                               .least = client->options.call_timeout_ms / LEAST_SHARE,
                               .search = stk_now() };
    int rc = stk_check_request(client, method, &params, &len);

    if (rc != STOCKD_OK)
        return rc;
    if (client->in_flight > 0)
        return stk_fail(client, STOCKD_E_ARGUMENT, "%s: pipelined requests are in flight", method);
    stk_nodes_begin(&client->nodes);
    if (!attempt.safe)
        notice_closed(client);
    do {
        rc = stk_open(client, attempt.deadline);
        attempt.sent = rc == STOCKD_OK;
        if (attempt.sent)
            rc = stk_round_trip(client, method, params, len, answer_deadline(client, &attempt));
    } while (go_on(client, &attempt, rc));
    rc = sum_up(client, &attempt, rc);
    stk_copy_reply(client, rc, reply);
    return rc;
}
