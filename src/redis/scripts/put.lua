-- Stores an entry whoever holds the lease, takes the lease away, and tells everyone to forget what they have.
-- KEYS[1] value   KEYS[2] lease
-- ARGV[1] entry before its clock   ARGV[2] entry after its clock   ARGV[3] expiry in ms   ARGV[4] channel   ARGV[5] message
-- Returns 1
local time = redis.call('TIME')
local loaded_at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', KEYS[1], ARGV[1] .. loaded_at .. ARGV[2], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
