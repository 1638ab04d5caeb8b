/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/fake_engine.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/walk.h"

static void *fake_main(void *context)
{
    struct fake *fake = context;

    fake->script(fake);
    if (fake->fd >= 0)
        close(fake->fd);
    return NULL;
}

void fake_start(struct fake *fake, void (*script)(struct fake *fake))
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char name[32];
    static int number;

    *fake = (struct fake){ .fd = -1, .script = script };
    int len = snprintf(name, sizeof name, "stockd-test-%d-%d", (int)getpid(), number++);
    assert(len > 0 && (size_t)len < sizeof name);
    snprintf(fake->address, sizeof fake->address, "unix:@%s", name);
    memcpy(addr.sun_path + 1, name, (size_t)len);

    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    fake->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    int rc = bind(fake->listener, (struct sockaddr *)&addr, size);
    assert(rc == 0);
    rc = listen(fake->listener, 8);
    assert(rc == 0);
    rc = pthread_create(&fake->thread, NULL, fake_main, fake);
    assert(rc == 0);
}

void fake_join(struct fake *fake)
{
    pthread_join(fake->thread, NULL);
    close(fake->listener);
}

void fake_accept(struct fake *fake)
{
    if (fake->fd >= 0)
        close(fake->fd);
    fake->buffered = 0;
    fake->fd = accept(fake->listener, NULL, NULL);
    assert(fake->fd >= 0);
    atomic_fetch_add(&fake->connections, 1);
}

/* Notes what a request [0, msgid, method, params] asks for, and returns its msgid. */
static uint32_t fake_note(struct fake *fake, stockd_value frame)
{
    stockd_value msgid = { 0 };
    stockd_value method = { 0 };
    stockd_value params = { 0 };
    uint64_t number = 0;
    bool sound = stockd_array_at(frame, 1, &msgid) && stockd_value_u64(msgid, &number) &&
                 stockd_array_at(frame, 2, &method) && stockd_array_at(frame, 3, &params) &&
                 stockd_value_copy_str(method, fake->last_method, sizeof fake->last_method);

    assert(sound);
    fake->last_params_len = params.len < sizeof fake->last_params ? params.len : 0;
    memcpy(fake->last_params, params.data, fake->last_params_len);
    atomic_fetch_add(&fake->requests, 1);
    return (uint32_t)number;
}

bool fake_request(struct fake *fake, uint32_t *msgid)
{
    for (;;) {
        size_t len = stk_walk_length(fake->buffer, fake->buffered);

        if (len > 0) {
            *msgid = fake_note(fake, (stockd_value){ fake->buffer, len });
            fake->buffered -= len;
            memmove(fake->buffer, fake->buffer + len, fake->buffered);
            return true;
        }
        ssize_t n =
            recv(fake->fd, fake->buffer + fake->buffered, sizeof fake->buffer - fake->buffered, 0);
        if (n <= 0)
            return false;
        fake->buffered += (size_t)n;
    }
}

void fake_bytes(struct fake *fake, const void *bytes, size_t len)
{
    (void)!send(fake->fd, bytes, len, MSG_NOSIGNAL);
}

void fake_pack_pong(stockd_pack *pack, uint32_t msgid)
{
    stockd_pack_array(pack, 4);
    stockd_pack_u64(pack, 1);
    stockd_pack_u64(pack, msgid);
    stockd_pack_nil(pack);
    stockd_pack_str(pack, "pong");
}

void fake_pack_changed(stockd_pack *pack, uint64_t number)
{
    stockd_pack_array(pack, 3);
    stockd_pack_u64(pack, 2);
    stockd_pack_str(pack, "changed");
    stockd_pack_array(pack, 1);
    stockd_pack_u64(pack, number);
}

void fake_pong(struct fake *fake, uint32_t msgid)
{
    unsigned char bytes[32];
    stockd_pack pack;

    stockd_pack_init(&pack, bytes, sizeof bytes);
    fake_pack_pong(&pack, msgid);
    fake_bytes(fake, pack.data, pack.len);
}

void fake_result(struct fake *fake, uint32_t msgid, const void *packed, size_t len)
{
    unsigned char bytes[512];
    stockd_pack pack;

    stockd_pack_init(&pack, bytes, sizeof bytes);
    stockd_pack_array(&pack, 4);
    stockd_pack_u64(&pack, 1);
    stockd_pack_u64(&pack, msgid);
    stockd_pack_nil(&pack);
    stockd_pack_value(&pack, (stockd_value){ packed, len });
    fake_bytes(fake, pack.data, pack.len);
}

void fake_refuse(struct fake *fake, uint32_t msgid)
{
    unsigned char bytes[128];
    stockd_pack pack;

    stockd_pack_init(&pack, bytes, sizeof bytes);
    stockd_pack_array(&pack, 4);
    stockd_pack_u64(&pack, 1);
    stockd_pack_u64(&pack, msgid);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, "wrong_state");
    stockd_pack_str(&pack, "it is cancelled");
    stockd_pack_map(&pack, 1);
    stockd_pack_str(&pack, "state");
    stockd_pack_str(&pack, "cancelled");
    stockd_pack_nil(&pack);
    fake_bytes(fake, pack.data, pack.len);
}

void fake_refuse_node(struct fake *fake, uint32_t msgid, const char *code, const char *address,
                      uint64_t term)
{
    unsigned char bytes[512];
    stockd_pack pack;

    stockd_pack_init(&pack, bytes, sizeof bytes);
    stockd_pack_array(&pack, 4);
    stockd_pack_u64(&pack, 1);
    stockd_pack_u64(&pack, msgid);
    stockd_pack_array(&pack, 3);
    stockd_pack_str(&pack, code);
    stockd_pack_str(&pack, "another node takes changes");
    stockd_pack_map(&pack, 2);
    stockd_pack_str(&pack, "address");
    stockd_pack_str(&pack, address);
    stockd_pack_str(&pack, "term");
    stockd_pack_u64(&pack, term);
    stockd_pack_nil(&pack);
    assert(stockd_pack_status(&pack) == STOCKD_OK);
    fake_bytes(fake, pack.data, pack.len);
}

void fake_play_pongs(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid))
        fake_pong(fake, msgid);
}

void fake_play_refusals(struct fake *fake)
{
    uint32_t msgid;

    fake_accept(fake);
    while (fake_request(fake, &msgid))
        fake_refuse(fake, msgid);
}
