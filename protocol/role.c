/* SPDX-License-Identifier: Apache-2.0 */
#include "protocol/role.h"

#include <assert.h>

static const unsigned next_roles[] = {
    [ROLE_PRIMARY] = 1 << ROLE_PRIMARY | 1 << ROLE_REPLACED,
    [ROLE_STANDBY] = 1 << ROLE_STANDBY | 1 << ROLE_PRIMARY,
    [ROLE_REPLACED] = 1 << ROLE_REPLACED,
};

void role_init(struct role *role, enum server_role begin)
{
    assert(begin != ROLE_REPLACED);
    *role = (struct role){ .primary = { .term = 0 } };
    pthread_mutex_init(&role->lock, NULL);
    atomic_store_explicit(&role->current, (int)begin, memory_order_release);
}

void role_destroy(struct role *role)
{
    pthread_mutex_destroy(&role->lock);
}

void role_set(struct role *role, enum server_role to, const struct primary *primary)
{
    assert(next_roles[role_now(role)] >> to & 1);
    pthread_mutex_lock(&role->lock);
    role->primary = *primary;
    pthread_mutex_unlock(&role->lock);
    atomic_store_explicit(&role->current, (int)to, memory_order_release);
}

struct primary role_primary(struct role *role)
{
    pthread_mutex_lock(&role->lock);
    struct primary primary = role->primary;
    pthread_mutex_unlock(&role->lock);
    return primary;
}

const char *role_name(enum server_role role)
{
    static const char *const names[] = { "primary", "standby", "replaced" };
    assert((unsigned)role < sizeof names / sizeof *names);
    return names[role];
}
