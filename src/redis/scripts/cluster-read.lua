#!lua flags=no-writes,allow-cross-slot-keys
-- Reads the head of the log table and values of any slots of this node at one moment: MGET takes keys of one slot only.
-- KEYS[1] head   ARGV values
-- Returns {head, value, value...}; for a value that cannot be reached here: 0
local reply = { redis.call('GET', KEYS[1]) }
for i = 1, #ARGV do
  local value = redis.pcall('GET', ARGV[i])
  if type(value) == 'table' then value = 0 end
  reply[i + 1] = value
end
return reply
