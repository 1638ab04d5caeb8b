#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a product page does: reads availability from Redis, never from the engine.

    ./storefront.py 127.0.0.1 7422 web TEE-BLK-M MUG-ALPS        (Debian: python3-redis)

For each SKU it prints what one order on that channel could take now, then how old that is. All is
asked in one round trip. What a page shows may be some milliseconds old; the engine's `reserve`
decides. Exit status: 0 it could be read, 1 not, 2 usage.
"""

import sys
import time

import redis

STALE_MS = 2000  # stock:mirror moves every 250 ms as long as all is well


def read(client, channel, skus):
    """([available or None...], age in ms or None, whether to believe it)"""
    page = client.pipeline(transaction=False)
    for sku in skus:
        page.hget(f"stock:item:{sku}", channel)
    page.hmget("stock:mirror", "time_ms", "behind_ms", "state")
    *stock, (time_ms, behind_ms, state) = page.execute()
    if time_ms is None or behind_ms is None:
        return stock, None, False
    # time_ms: when the mirror last wrote; behind_ms: how much older what it shows may be.
    age = max(0, int(time.time() * 1000) - int(time_ms) + int(behind_ms))
    return stock, age, state == "live" and age < STALE_MS


def main():
    if len(sys.argv) < 5:
        print("usage: storefront.py HOST PORT CHANNEL SKU...", file=sys.stderr)
        return 2
    host, port, channel, *skus = sys.argv[1:]
    client = redis.Redis(host, int(port), socket_timeout=2, decode_responses=True)
    try:
        stock, age, fresh = read(client, channel, skus)
    except redis.RedisError as error:
        print(f"Redis: {error}", file=sys.stderr)
        return 1
    for sku, available in zip(skus, stock):
        # No such field: no such item on that channel.
        print(f"{sku}: unknown" if available is None else f"{sku}: {available} available")
    if age is None:
        print("STALE: there is no mirror")
    else:
        print(f"{'fresh' if fresh else 'STALE'}: {age} ms old")
    return 0


if __name__ == "__main__":
    sys.exit(main())
