/* SPDX-License-Identifier: Apache-2.0 */
/*
 * etcd_driver ENDPOINTS [--ca FILE] [--cert FILE] [--key FILE] [--connect-ms N] [--reply-max N]
 *
 * A client of etcd that a test drives through pipes, one JSON object on a line. It reads
 *     {"do": "range", "tag": 1, "within": 2000, "key": "a", "end": "b", "limit": 2, "keys": true}
 *     {"do": "txn", "tag": 2, "within": 2000, "compare": [["a", "created", "=", 0]...],
 *      "then": [["put", "a", "value"], ["delete", "b", "c"]], "otherwise": [["range", "a", "", 1]]}
 *     {"do": "compact", "tag": 3, "within": 2000, "revision": 7}
 *     {"do": "status", "tag": 4, "within": 2000}
 *     {"do": "connected", "tag": 5}
 * and writes a line for each reply, as it comes. It ends at the end of its input.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster/etcd.h"

enum { INPUT_MAX = 4 << 20 };

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void give_up(const char *what, const char *why)
{
    fprintf(stderr, "etcd_driver: %s: %s\n", what, why);
    exit(2);
}

static void say(void *context, const char *line)
{
    (void)context;
    fprintf(stderr, "%s\n", line);
}

static void print(json_t *object)
{
    char *line = json_dumps(object, JSON_COMPACT);
    if (!line)
        give_up("a reply", "it cannot be written as JSON");
    puts(line);
    fflush(stdout);
    free(line);
    json_decref(object);
}

/* ---- requests ---- */

static struct text text_at(json_t *object)
{
    return (struct text){ json_string_value(object), (uint32_t)json_string_length(object) };
}

static struct etcd_compare compare_of(json_t *given)
{
    static const char *const properties[] = { "version", "created", "modified" };
    static const char *const relations[] = { "=", ">", "<", "!=" };
    const char *property = json_string_value(json_array_get(given, 1));
    const char *relation = json_string_value(json_array_get(given, 2));
    struct etcd_compare compare = {
        .key = text_at(json_array_get(given, 0)),
        .number = json_integer_value(json_array_get(given, 3)),
    };
    for (unsigned i = 0; i < 3; i++) {
        if (!strcmp(property, properties[i]))
            compare.property = (enum etcd_property)i;
    }
    for (unsigned i = 0; i < 4; i++) {
        if (!strcmp(relation, relations[i]))
            compare.relation = (enum etcd_relation)i;
    }
    return compare;
}

static struct etcd_op op_of(json_t *given)
{
    const char *kind = json_string_value(json_array_get(given, 0));
    struct etcd_op op = { .range.key = text_at(json_array_get(given, 1)) };
    struct text second = text_at(json_array_get(given, 2));
    if (!strcmp(kind, "put")) {
        op.kind = ETCD_OP_PUT;
        op.value = second;
        return op;
    }
    op.kind = !strcmp(kind, "delete") ? ETCD_OP_DELETE : ETCD_OP_RANGE;
    op.range.end = second;
    op.range.limit = (uint32_t)json_integer_value(json_array_get(given, 3));
    return op;
}

static uint32_t ops_of(json_t *list, struct etcd_op *ops)
{
    size_t count = json_array_size(list);
    for (size_t i = 0; i < count && i < ETCD_OPS_MAX; i++)
        ops[i] = op_of(json_array_get(list, i));
    return (uint32_t)count;
}

static int submit_txn(struct etcd *etcd, json_t *request, uint64_t tag, uint64_t deadline)
{
    struct etcd_compare compares[ETCD_COMPARES_MAX];
    struct etcd_op then[ETCD_OPS_MAX], otherwise[ETCD_OPS_MAX];
    json_t *list = json_object_get(request, "compare");
    struct etcd_txn txn = { .compares = compares, .then = then, .otherwise = otherwise };
    for (size_t i = 0; i < json_array_size(list) && i < ETCD_COMPARES_MAX; i++)
        compares[i] = compare_of(json_array_get(list, i));
    txn.compare_count = (uint32_t)json_array_size(list);
    txn.then_count = ops_of(json_object_get(request, "then"), then);
    txn.otherwise_count = ops_of(json_object_get(request, "otherwise"), otherwise);
    return etcd_txn(etcd, &txn, tag, deadline);
}

static int submit_range(struct etcd *etcd, json_t *request, uint64_t tag, uint64_t deadline)
{
    struct etcd_range range = {
        .key = text_at(json_object_get(request, "key")),
        .end = text_at(json_object_get(request, "end")),
        .limit = (uint32_t)json_integer_value(json_object_get(request, "limit")),
        .keys_only = json_is_true(json_object_get(request, "keys")),
    };
    return etcd_range(etcd, &range, tag, deadline);
}

static void tell_connected(struct etcd *etcd, uint64_t tag)
{
    const char *endpoint = etcd_connected(etcd);
    print(json_pack("{sI ss ss}", "tag", (json_int_t)tag, "connected", endpoint ? endpoint : "",
                    "problem", etcd_problem(etcd)));
}

static void take_line(struct etcd *etcd, const char *line)
{
    json_t *request = json_loads(line, 0, NULL);
    const char *what = json_string_value(json_object_get(request, "do"));
    uint64_t tag = (uint64_t)json_integer_value(json_object_get(request, "tag"));
    uint64_t deadline = now_ms() + (uint64_t)json_integer_value(json_object_get(request, "within"));
    int error = 0;
    if (!what)
        give_up("this is no request", line);
    if (!strcmp(what, "range"))
        error = submit_range(etcd, request, tag, deadline);
    else if (!strcmp(what, "txn"))
        error = submit_txn(etcd, request, tag, deadline);
    else if (!strcmp(what, "compact"))
        error = etcd_compact(etcd, json_integer_value(json_object_get(request, "revision")), tag,
                             deadline);
    else if (!strcmp(what, "status"))
        error = etcd_status(etcd, tag, deadline);
    else
        tell_connected(etcd, tag);
    if (error)
        print(json_pack("{sI ss}", "tag", (json_int_t)tag, "submit", strerrorname_np(-error)));
    json_decref(request);
}

/* ---- replies ---- */

static json_t *pairs_json(const struct etcd_found *found)
{
    struct etcd_pairs pairs = found->pairs;
    struct etcd_pair pair;
    json_t *list = json_array();
    while (etcd_next_pair(&pairs, &pair))
        json_array_append_new(list, json_pack("[s%s%IIi]", pair.key.at, (size_t)pair.key.len,
                                              pair.value.len ? pair.value.at : "",
                                              (size_t)pair.value.len, (json_int_t)pair.created,
                                              (json_int_t)pair.modified, (int)pair.version));
    return list;
}

static json_t *found_json(const struct etcd_found *found)
{
    return json_pack("{so sb sI}", "pairs", pairs_json(found), "more", found->more, "count",
                     (json_int_t)found->count);
}

static json_t *results_json(struct etcd_results results)
{
    struct etcd_result result;
    json_t *list = json_array();
    while (etcd_next_result(&results, &result)) {
        if (result.kind == ETCD_OP_RANGE)
            json_array_append_new(list, found_json(&result.found));
        else if (result.kind == ETCD_OP_DELETE)
            json_array_append_new(list, json_pack("{sI}", "deleted", (json_int_t)result.deleted));
        else
            json_array_append_new(list, json_pack("{sb}", "put", 1));
    }
    return list;
}

static json_t *member_json(const struct etcd_member *member)
{
    return json_pack("{sI sI sb sI s:s% s:s% sb}", "size", (json_int_t)member->size, "in_use",
                     (json_int_t)member->size_in_use, "leader", member->leader != 0, "term",
                     (json_int_t)member->term, "version",
                     member->version.len ? member->version.at : "", (size_t)member->version.len,
                     "alarm", member->alarm.len ? member->alarm.at : "", (size_t)member->alarm.len,
                     "learner", member->learner);
}

static void tell_reply(const struct etcd_reply *reply)
{
    static const char *const outcomes[] = { "answered", "refused", "unknown" };
    const struct etcd_answer *answer = &reply->answer;
    json_t *told = json_pack("{sI ss ss ss}", "tag", (json_int_t)reply->tag, "outcome",
                             outcomes[reply->outcome], "error", etcd_error_name(reply->error),
                             "why", reply->why);
    if (reply->outcome == ETCD_ANSWERED) {
        json_object_set_new(told, "revision", json_integer(answer->revision));
        if (reply->method == ETCD_RANGE)
            json_object_set_new(told, "found", found_json(&answer->found));
        if (reply->method == ETCD_TXN) {
            json_object_set_new(told, "succeeded", json_boolean(answer->succeeded));
            json_object_set_new(told, "results", results_json(answer->results));
        }
        if (reply->method == ETCD_STATUS)
            json_object_set_new(told, "member", member_json(&answer->member));
    }
    print(told);
}

/* ---- the loop ---- */

static char input[INPUT_MAX];
static size_t input_length;

/* False: the input has ended. */
static bool take_input(struct etcd *etcd)
{
    ssize_t length = read(STDIN_FILENO, input + input_length, sizeof input - 1 - input_length);
    if (length < 0)
        return errno == EAGAIN || errno == EINTR;
    if (length == 0)
        return false;
    input_length += (size_t)length;
    input[input_length] = '\0';
    char *at = input;
    for (char *end; (end = strchr(at, '\n')); at = end + 1) {
        *end = '\0';
        take_line(etcd, at);
    }
    input_length -= (size_t)(at - input);
    memmove(input, at, input_length + 1);
    return true;
}

static void serve(struct etcd *etcd)
{
    const struct etcd_reply *reply;
    struct pollfd polls[2] = { [1] = { .fd = STDIN_FILENO, .events = POLLIN } };
    uint64_t until;
    for (bool more = true; more;) {
        etcd_run(etcd, now_ms());
        while ((reply = etcd_take(etcd)))
            tell_reply(reply);
        etcd_waits_for(etcd, &polls[0], &until);
        uint64_t now = now_ms();
        uint64_t wait = until > now ? until - now : 0;
        if (poll(polls, 2, wait < 60000 ? (int)wait : 60000) < 0 && errno != EINTR)
            give_up("poll", strerror(errno));
        if (polls[1].revents)
            more = take_input(etcd);
    }
}

int main(int argc, char **argv)
{
    struct etcd_config config = { .endpoints = argc > 1 ? argv[1] : "", .say = say };
    char why[ETCD_WHY_MAX];
    for (int i = 2; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--ca"))
            config.ca = argv[i + 1];
        else if (!strcmp(argv[i], "--cert"))
            config.certificate = argv[i + 1];
        else if (!strcmp(argv[i], "--key"))
            config.key = argv[i + 1];
        else if (!strcmp(argv[i], "--connect-ms"))
            config.connect_ms = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else if (!strcmp(argv[i], "--reply-max"))
            config.reply_max = (uint32_t)strtoul(argv[i + 1], NULL, 10);
        else
            give_up("unknown option", argv[i]);
    }
    struct etcd *etcd = etcd_create(&config, why, sizeof why);
    if (!etcd)
        give_up("cannot start", why);
    fcntl(STDIN_FILENO, F_SETFL, fcntl(STDIN_FILENO, F_GETFL) | O_NONBLOCK);
    serve(etcd);
    etcd_destroy(etcd);
    return 0;
}
