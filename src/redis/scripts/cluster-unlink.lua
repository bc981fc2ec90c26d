-- Deletes one key. It is declared, so that a node that has not got it says where it is.
-- KEYS[1] value or lease
-- Returns 1 = deleted, 0 = it was not there
return redis.call('UNLINK', KEYS[1])
