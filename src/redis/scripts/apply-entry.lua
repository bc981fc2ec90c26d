-- Applies one entry of the log of changes if it is the next one: deletes values and leases, stamps tags, moves the fence, then tells everyone, in this order, so that whoever hears of it or sees the
-- fence finds nothing old.
-- A table that is gone, or of another history, is made anew on the spot. Its base says which values count: those whose load had followed the log at least so far. All entries up to this one
-- were committed before this moment, so what is loaded from now on contains them.
-- KEYS[1] log table   KEYS[2] its head   KEYS[3...] value and lease of each key
-- ARGV[1] epoch   ARGV[2] number   ARGV[3] channel   ARGV[4] message   ARGV[5] '1' = everything   ARGV[6...] tag buckets
-- Returns {'applied' | 'anew' | 'ahead' | 'behind', fence}; 'anew': applied, and the table was made for it
local number = tonumber(ARGV[2])
local kind = redis.call('TYPE', KEYS[1]).ok
local fence = false
if kind == 'hash' and redis.call('HGET', KEYS[1], 'e') == ARGV[1] and redis.call('HEXISTS', KEYS[1], 'b') == 1 then
  fence = tonumber(string.match(redis.call('HGET', KEYS[1], 'f') or '', '^%d+$') or '')
end
local outcome = 'applied'
if not fence then
  outcome = 'anew'
  redis.call('UNLINK', KEYS[1])
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'b', ARGV[2])
elseif fence >= number then
  return { 'ahead', string.format('%.0f', fence) }
elseif fence < number - 1 then
  return { 'behind', string.format('%.0f', fence) }
end
for i = 3, #KEYS, 1000 do
  redis.call('UNLINK', unpack(KEYS, i, math.min(i + 999, #KEYS)))
end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], 'b', ARGV[2])
end
for i = 6, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[2])
end
redis.call('HSET', KEYS[1], 'f', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. redis.call('HGET', KEYS[1], 'b') .. ' ' .. ARGV[2])
redis.call('PUBLISH', ARGV[3], ARGV[4])
return { outcome, ARGV[2] }
