-- Gives tags a new stamp, later than every stamp before it, and tells everyone. Stamps are microseconds of the server's clock, raised by one where the clock did not move.
-- The table is made anew, under a new generation, if it is gone; with 'all' in any case: entries of another generation count as invalidated.
-- KEYS[1] tag table
-- ARGV[1] channel   ARGV[2] origin of the message   ARGV[3] generation to use for a new table   ARGV[4] '1' = all   ARGV[5] '1' = purge
-- ARGV[6] '1' = on a Cluster: the channel is that of the table's slot, and a table that another server made is as good as gone (docs/decisions/0008)   ARGV[7...] buckets
-- Returns {generation, previous stamp, stamp}
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local mark = ARGV[6] == '1' and string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)')
local kind = redis.call('TYPE', KEYS[1]).ok
local generation, previous = false, 0
if kind == 'hash' and ARGV[4] ~= '1' and (not mark or redis.call('HGET', KEYS[1], 'i') == mark) then
  generation = redis.call('HGET', KEYS[1], 'g')
  previous = tonumber(redis.call('HGET', KEYS[1], 'n') or '0') or 0
end
if not generation then
  redis.call('UNLINK', KEYS[1])
  generation, previous = ARGV[3], 0
  redis.call('HSET', KEYS[1], 'g', generation)
  if mark then redis.call('HSET', KEYS[1], 'i', mark) end
end
local stamp = string.format('%.0f', math.max(now, previous + 1))
local buckets = {}
for i = 7, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[i], stamp)
  buckets[#buckets + 1] = ARGV[i]
end
redis.call('HSET', KEYS[1], 'n', stamp)
local before = string.format('%.0f', previous)
redis.call(mark and 'SPUBLISH' or 'PUBLISH', ARGV[1], '{"v":1,"o":"' .. ARGV[2] .. '","x":' .. ARGV[5] .. ',"t":{"g":"' .. generation .. '","p":' .. before .. ',"n":' .. stamp .. ',"b":[' .. table.concat(buckets, ',') .. ']}}')
return { generation, before, stamp }
