-- Reads the whole tag table, and makes it if it is gone or not ours: under a new generation, so that entries of before count as invalidated.
-- KEYS[1] tag table
-- ARGV[1] generation to use for a new table   ARGV[2] a generation that lost writes and must not go on, or ''
-- Returns {generation, stamp, bucket, stamp, bucket, stamp...}
local kind = redis.call('TYPE', KEYS[1]).ok
local generation = kind == 'hash' and redis.call('HGET', KEYS[1], 'g')
if not generation or generation == ARGV[2] then
  local time = redis.call('TIME')
  redis.call('UNLINK', KEYS[1])
  redis.call('HSET', KEYS[1], 'g', ARGV[1], 'n', string.format('%.0f', time[1] * 1000000 + time[2]))
  generation = ARGV[1]
end
local reply = { generation, redis.call('HGET', KEYS[1], 'n') or '0' }
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if fields[i] ~= 'g' and fields[i] ~= 'n' then
    reply[#reply + 1] = fields[i]
    reply[#reply + 1] = fields[i + 1]
  end
end
return reply
