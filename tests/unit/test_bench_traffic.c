/* SPDX-License-Identifier: Apache-2.0 */
/* What the load generator says and understands: requests, replies, files of orders. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/stockbench/orders.h"
#include "tools/stockbench/reply.h"
#include "tools/stockbench/traffic.h"

static struct options options;
static struct choice choice;
static struct traffic traffic;

static void start(const char *workload)
{
    options = (struct options){ .workload = workload_find(workload),
                                .items = 5000,
                                .places = 1,
                                .window = 8,
                                .request_bytes = 56,
                                .response_bytes = 48,
                                .seed = 3 };
    cr_assert_not_null(options.workload);
    if (options.workload->items > 0)
        options.items = options.workload->items;
    traffic_init();
    cr_assert(choice_init(&choice, (uint32_t)options.items, options.workload->zipf));
    traffic_start(&traffic, &options, &choice, 0xabc);
}

static void stop(void)
{
    traffic_end(&traffic);
    choice_destroy(&choice);
}

static bool is_str(const msgpack_object *object, const char *text)
{
    return object->type == MSGPACK_OBJECT_STR && object->via.str.size == strlen(text) &&
           memcmp(object->via.str.ptr, text, strlen(text)) == 0;
}

/* The next request, read by a decoder of another make; its params are returned. */
static msgpack_object next(msgpack_unpacked *unpacked, struct asked *asked)
{
    static unsigned char bytes[4096];
    uint32_t msgid = traffic.next_msgid;
    unsigned char *end = traffic_next(&traffic, bytes, asked);
    size_t len = (size_t)(end - bytes);
    size_t used = 0;

    cr_assert_leq(len, traffic_request_max(&options));
    msgpack_unpacked_init(unpacked);
    cr_assert_eq(msgpack_unpack_next(unpacked, (char *)bytes, len, &used), MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(used, len);
    const msgpack_object *root = &unpacked->data;
    cr_assert_eq(root->type, MSGPACK_OBJECT_ARRAY);
    cr_assert_eq(root->via.array.size, 4);
    cr_assert_eq(root->via.array.ptr[0].via.u64, 0);
    cr_assert_eq(root->via.array.ptr[1].via.u64, msgid);
    cr_assert(is_str(&root->via.array.ptr[2], ask_name((enum ask)asked->kind)));
    return root->via.array.ptr[3];
}

/* ["network", [[sku, 1]...], {"lat": degrees, "lon": degrees}] */
static void check_locate(const msgpack_object *params)
{
    const msgpack_object *param = params->via.array.ptr;
    const msgpack_object_map *where = &param[2].via.map;

    cr_assert_eq(params->via.array.size, 3);
    cr_assert(is_str(&param[0], "network"));
    cr_assert(param[1].via.array.size >= 1 && param[1].via.array.size <= 3);
    cr_assert_eq(where->size, 2);
    cr_assert(is_str(&where->ptr[0].key, "lat"));
    cr_assert(where->ptr[0].val.via.f64 >= 43 && where->ptr[0].val.via.f64 <= 54);
    cr_assert(is_str(&where->ptr[1].key, "lon"));
    cr_assert(where->ptr[1].val.via.f64 >= -2 && where->ptr[1].val.via.f64 <= 14);
}

Test(bench_traffic, every_workload_speaks_the_protocol)
{
    for (const struct workload *workload = workloads; workload->name; workload++) {
        if (workload->driver != DRIVER_LOAD || workload->steps[0] == ASK_ECHO)
            continue;
        start(workload->name);
        for (unsigned i = 0; i < 200; i++) {
            msgpack_unpacked unpacked;
            struct asked asked;
            msgpack_object params = next(&unpacked, &asked);

            cr_assert_eq(params.type, MSGPACK_OBJECT_ARRAY, "%s", workload->name);
            if (asked.kind == ASK_RESERVE || asked.kind == ASK_RESERVE_CONFIRMED)
                cr_assert_eq(params.via.array.ptr[2].via.array.size, asked.units);
            if (asked.kind == ASK_AVAILABILITY)
                cr_assert_eq(params.via.array.ptr[1].via.array.size, workload->skus);
            if (asked.kind == ASK_LOCATE)
                check_locate(&params);
            msgpack_unpacked_destroy(&unpacked);
        }
        stop();
    }
}

Test(bench_traffic, the_steps_of_a_script_share_an_id_and_no_two_scripts_do)
{
    char last[ID_BYTES] = { 0 };

    start("order");
    for (unsigned i = 0; i < 30; i++) {
        static const enum ask steps[] = { ASK_RESERVE, ASK_CONFIRM, ASK_FULFIL };
        msgpack_unpacked unpacked;
        struct asked asked;
        msgpack_object params = next(&unpacked, &asked);
        const char *id = params.via.array.ptr[0].via.str.ptr;

        cr_assert_eq(asked.kind, steps[i % 3]);
        cr_assert_eq(memcmp(id, last, ID_BYTES) == 0, i % 3 != 0);
        cr_assert_eq(traffic_owed(&traffic), i % 3 != 2);
        memcpy(last, id, ID_BYTES);
        msgpack_unpacked_destroy(&unpacked);
    }
    stop();
}

Test(bench_traffic, a_granted_flash_reserve_is_fulfilled_next)
{
    msgpack_unpacked unpacked;
    struct asked first;
    struct asked second;
    struct asked follow_up;
    char id[ID_BYTES];

    start("flash-sale");
    memcpy(id, next(&unpacked, &first).via.array.ptr[0].via.str.ptr, ID_BYTES);
    msgpack_unpacked_destroy(&unpacked);
    (void)next(&unpacked, &second);
    msgpack_unpacked_destroy(&unpacked);
    cr_assert_eq(traffic_owed(&traffic), 0);
    traffic_granted(&traffic, &first);
    cr_assert_eq(traffic_owed(&traffic), 1);
    msgpack_object params = next(&unpacked, &follow_up);
    cr_assert_eq(follow_up.kind, ASK_FULFIL);
    cr_assert_eq(memcmp(params.via.array.ptr[0].via.str.ptr, id, ID_BYTES), 0);
    msgpack_unpacked_destroy(&unpacked);
    cr_assert_eq(traffic_owed(&traffic), 0);
    stop();
}

/* A reply [1, msgid, error, {"lsn": n}] at bytes, which has room for SHAPE_BYTES behind it. */
static size_t make_reply(unsigned char *bytes, uint32_t msgid, const char *code, uint64_t lsn)
{
    msgpack_sbuffer buffer;
    msgpack_packer packer;

    msgpack_sbuffer_init(&buffer);
    msgpack_packer_init(&packer, &buffer, msgpack_sbuffer_write);
    msgpack_pack_array(&packer, 4);
    msgpack_pack_int(&packer, 1);
    msgpack_pack_uint32(&packer, msgid);
    if (code) {
        msgpack_pack_array(&packer, 1);
        msgpack_pack_str_with_body(&packer, code, strlen(code));
        msgpack_pack_nil(&packer);
    } else {
        msgpack_pack_nil(&packer);
        msgpack_pack_map(&packer, 1);
        msgpack_pack_str_with_body(&packer, "lsn", 3);
        msgpack_pack_uint64(&packer, lsn);
    }
    memcpy(bytes, buffer.data, buffer.size);
    size_t len = buffer.size;
    msgpack_sbuffer_destroy(&buffer);
    return len;
}

Test(bench_reply, known_and_unknown_shapes_errors_and_cut_replies)
{
    static struct shapes shapes;
    unsigned char bytes[64 + SHAPE_BYTES] = { 0 };

    reply_init();
    for (uint32_t i = 0; i < 40; i++) {
        uint32_t msgid = FIRST_MSGID + i;
        const char *code = i % 5 == 4 ? "limit" : NULL;
        size_t len = make_reply(bytes, msgid, code, UINT64_C(1) << (i % 40));
        struct reply reply = reply_read(&shapes, ASK_CANCEL, bytes, len, msgid);

        cr_assert_eq(reply.len, len);
        cr_assert_not(reply.foreign);
        cr_assert_eq(reply.error != NULL, code != NULL);
        cr_assert(reply_read(&shapes, ASK_CANCEL, bytes, len, msgid + 1).foreign);
        for (size_t cut = 0; cut < len; cut++)
            cr_assert_eq(reply_read(&shapes, ASK_CANCEL, bytes, cut, msgid).len, 0);
    }
}

static bool read_text(struct orders *orders, const char *text)
{
    char path[] = "/tmp/stockd-orders-XXXXXX"; /* mkstemp's */
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    fclose(file);
    bool good = orders_read(orders, path);
    unlink(path);
    return good;
}

Test(bench_orders, rows_become_orders_with_times)
{
    struct orders orders;

    cr_assert(read_text(&orders, "time,sku,extra,qty,order_id,channel\n"
                                 "2010-12-01 08:00:00,A,x,2,1,uk\n"
                                 "2010-12-01 08:00:00,B,\"x,y\",1,1,uk\n"
                                 "2010-12-01T08:00:30Z,A,,-3,2,de\n"));
    cr_assert_eq(orders.count, 2);
    cr_assert_eq(orders.lines, 3);
    cr_assert_eq(orders.order[0].lines, 2);
    cr_assert_eq(orders.order[1].time_ms, 30000);
    cr_assert(orders.order[1].is_return);
    cr_assert_eq(orders.line[2].qty, 3);
    cr_assert_eq(orders.sku_count, 2);
    cr_assert_str_eq(orders.order[1].channel, "de");
    orders_free(&orders);
}

Test(bench_orders, what_is_wrong_is_refused)
{
    struct orders orders;

    cr_assert_not(read_text(&orders, "order_id,channel,sku\n1,uk,A\n"));
    orders_free(&orders);
    cr_assert_not(read_text(&orders, "order_id,channel,sku,qty\n1,uk,A,0\n"));
    orders_free(&orders);
    cr_assert_not(read_text(&orders, "order_id,channel,sku,qty\n1,uk,A,2x\n"));
    orders_free(&orders);
    cr_assert_not(read_text(&orders, "order_id,channel,sku,qty\n1,uk,A,2\n1,uk,B,-2\n"));
    orders_free(&orders);
    cr_assert_not(read_text(&orders, "order_id,channel,sku,qty,time\n1,uk,A,2,yesterday\n"));
    orders_free(&orders);
    cr_assert_not(read_text(&orders, "order_id,channel,sku,qty\n"));
    orders_free(&orders);
}
