-- Tells everyone. The tag table, which has the name of the channel, is declared, so that only the node that has them both takes it.
-- KEYS[1] tag table and channel
-- ARGV[1] message
-- Returns 1
redis.call('SPUBLISH', KEYS[1], ARGV[1])
return 1
