-- Reads the whole tag table, and makes it if it is gone or not ours: under a new generation, so that entries of before count as invalidated.
-- KEYS[1] tag table
-- ARGV[1] generation to use for a new table   ARGV[2] a generation that lost writes and must not go on, or ''   ARGV[3] '1' = on a Cluster: a table that another server made must not go on (docs/decisions/0008)
-- Returns {generation, stamp, bucket, stamp, bucket, stamp...}
local mark = ARGV[3] == '1' and string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local kind = redis.call('TYPE', KEYS[1]).ok
local generation = kind == 'hash' and redis.call('HGET', KEYS[1], 'g')
if not generation or generation == ARGV[2] or (mark and redis.call('HGET', KEYS[1], 'i') ~= mark) then
  local time = redis.call('TIME')
  redis.call('UNLINK', KEYS[1])
  redis.call('HSET', KEYS[1], 'g', ARGV[1], 'n', string.format('%.0f', time[1] * 1000000 + time[2]))
  if mark then redis.call('HSET', KEYS[1], 'i', mark) end
  generation = ARGV[1]
end
local reply = { generation, redis.call('HGET', KEYS[1], 'n') or '0' }
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if string.find(fields[i], '^%d+$') then
    reply[#reply + 1] = fields[i]
    reply[#reply + 1] = fields[i + 1]
  end
end
return reply
