#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run-demo.sh: runs an engine with the demo catalogue, its gateway with the console, a Redis that
# mirrors it, and a trickle of orders, until Ctrl-C. The engine's data is kept for the next run;
# Redis starts empty each time.
#   STOCKD_LISTEN       where the engine listens (127.0.0.1:7421)
#   STOCKD_HTTP         where the gateway listens (127.0.0.1:8080)
#   STOCKD_REDIS_PORT   where Redis listens, on loopback (7422)
set -eu
cd "$(dirname "$0")/.."
bin=build/${PRESET:-release}/bin
data=${XDG_DATA_HOME:-$HOME/.local/share}/stockd-demo
listen=${STOCKD_LISTEN:-127.0.0.1:7421}
http=${STOCKD_HTTP:-127.0.0.1:8080}
redis_port=${STOCKD_REDIS_PORT:-7422}

mkdir -p "$data"
run=$(mktemp -d)
ready=$run/ready
engine=
redis=
trickle=
gateway=
stop() {
    trap - INT TERM HUP PIPE EXIT
    for pid in $trickle $gateway $engine $redis; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$run"
}
trap 'stop; exit 0' INT TERM HUP PIPE
trap stop EXIT

redis-server --bind 127.0.0.1 --port "$redis_port" --dir "$run" --save '' --appendonly no \
    --logfile "$run/redis.log" &
redis=$!
# The engine writes to the Redis at that port: it must be ours, not one that already runs there.
until redis-cli -p "$redis_port" info server 2>/dev/null | grep -q "^process_id:${redis}[^0-9]"; do
    kill -0 "$redis" 2>/dev/null || {
        echo "run-demo.sh: Redis did not start (port $redis_port; STOCKD_REDIS_PORT chooses another):" >&2
        tail -n 3 "$run/redis.log" >&2
        exit 1
    }
    sleep 0.1
done
"$bin/stockd" --data "$data" --listen "$listen" --redis "127.0.0.1:$redis_port" \
    --http 127.0.0.1:0 --ready-file "$ready" &
engine=$!

while [ ! -e "$ready" ]; do
    kill -0 "$engine" 2>/dev/null || { # it has reported why
        echo "run-demo.sh: the engine did not start (STOCKD_LISTEN chooses another address than" \
            "$listen, XDG_DATA_HOME another folder for its data than ${data%/*})" >&2
        exit 1
    }
    sleep 0.1
done
address=$(head -n 1 "$ready")
ops=$(tail -n 1 "$ready") # http://HOST:PORT

"$bin/stock-gateway" --engine "$address" --listen "$http" --ops "${ops#http://}" \
    --ready-file "$run/http" --drain-s 1 2>"$run/gateway.log" &
gateway=$!
while [ ! -e "$run/http" ]; do
    kill -0 "$gateway" 2>/dev/null || {
        echo "run-demo.sh: the gateway did not start (STOCKD_HTTP chooses another address):" >&2
        tail -n 3 "$run/gateway.log" >&2
        exit 1
    }
    sleep 0.1
done
url=http://$(cat "$run/http")

if [ -z "$("$bin/stockctl" -s "$address" export stock | sed -n 2p)" ]; then
    "$bin/stockctl" -s "$address" demo | head -n 1
fi
"$bin/stockctl" -s "$address" demo --trickle >/dev/null &
trickle=$!

sku=$("$bin/stockctl" -s "$address" export stock | sed -n '2s/,.*//p')
cat <<EOT

Open the console:

    $url/

  The overview shows five orders a second. Search an item and drag the slider back in time;
  choose a store, and pick its orders as its staff would; watch "Live".

The same over HTTP, in another terminal:

    curl '$url/v1/availability/web?sku=$sku'
    curl $url/v1/reserve -d '{"id":"http-1","channel":"web","lines":[["$sku",1]]}'
    curl -N $url/v1/changes

stockd listens on $address; its data is in $data
Redis on port $redis_port shows its stock. Try, too:

    $bin/stockctl -s $address                       # a shell: Tab completes
    $bin/stockctl -s $address stock $sku
    $bin/stockctl -s $address locate collect $sku --mode pickup --lat 48.86 --lon 2.35 --within 20
    $bin/stockctl -s $address promise web $sku:2 --lat 48.86 --lon 2.35
    $bin/stockctl -s $address calendar show stores-fr
    $bin/stockctl -s $address reserve web $sku:1 --ttl 1m --id my-order
    redis-cli -p $redis_port hgetall 'stock:item:$sku'
    $bin/stockctl -s $address confirm my-order
    $bin/stockctl -s $address fulfil my-order
    $bin/stockctl -s $address reservation my-order

See stock move:

    redis-cli -p $redis_port subscribe stock:changed:web
    redis-cli -p $redis_port xread block 0 streams stock:changes '\$'
    redis-cli -p $redis_port hgetall stock:mirror
    $bin/stockctl -s $address mirror status
    $bin/stockctl -s $address mirror verify
    $bin/stockctl --help

Ctrl-C stops it.
EOT
wait "$engine"
