-- Deletes values and leases, then tells everyone. Deleting comes first: who hears of it finds nothing old.
-- KEYS value and lease of each key
-- ARGV[1] channel   ARGV[2] message
-- Returns the number of keys deleted
local deleted = redis.call('UNLINK', unpack(KEYS))
redis.call('PUBLISH', ARGV[1], ARGV[2])
return deleted
