-- SPDX-License-Identifier: Apache-2.0
-- The cancel of such a reserve. The reservation stays for its idempotency window, then it goes.
--   KEYS  item, reservation, deadlines
--   ARGV  id, window in seconds
local state = redis.call('GET', KEYS[2])
if not state then
    return redis.error_reply('unknown_reservation')
end
local quantity = string.match(state, '^held:(%d+):')
if not quantity then
    return state -- done before
end
redis.call('SET', KEYS[2], 'cancelled', 'EX', ARGV[2])
redis.call('INCRBY', KEYS[1], quantity)
redis.call('ZREM', KEYS[3], ARGV[1])
return 'cancelled'
