-- SPDX-License-Identifier: Apache-2.0
-- A reserve of one line in Redis: idempotent, all or nothing, with a deadline.
--   KEYS  item (units available), reservation, deadlines (sorted set)
--   ARGV  quantity, deadline in ms, id
-- Four commands when it is granted; no table is built on the way.
local available = tonumber(redis.call('GET', KEYS[1]))
if not available then
    return redis.error_reply('unknown_sku')
end
local quantity = tonumber(ARGV[1])
if available < quantity then
    local before = redis.call('GET', KEYS[2])
    if before then
        return before
    end
    return redis.error_reply('insufficient_stock')
end
local state = 'held:' .. ARGV[1] .. ':' .. ARGV[2]
if not redis.call('SET', KEYS[2], state, 'NX') then
    return redis.call('GET', KEYS[2]) -- the same id again: the first result
end
redis.call('DECRBY', KEYS[1], quantity)
redis.call('ZADD', KEYS[3], ARGV[2], ARGV[3])
return state
