#!lua flags=allow-cross-slot-keys
-- As open-log, on one node of a Cluster. A new table vouches for the slots that the caller names.
-- KEYS[1] log table   KEYS[2] its head
-- ARGV[1] epoch   ARGV[2] number up to which the caller has followed the log   ARGV[3] the fence that was seen, 'none', or '' = only if there is none   ARGV[4] slots of this node
-- Returns {1 = it was made anew, 0 = it was there, base, fence, slots, bucket, number, bucket, number...}
local fence = false
if redis.call('TYPE', KEYS[1]).ok == 'hash' and redis.call('HGET', KEYS[1], 'e') == ARGV[1] and redis.call('HEXISTS', KEYS[1], 'b') == 1 then
  fence = string.match(redis.call('HGET', KEYS[1], 'f') or '', '^%d+$')
end
local made = '0'
if not fence or fence == ARGV[3] then
  made = '1'
  redis.call('UNLINK', KEYS[1])
  local vouched = string.gsub(ARGV[4], '(%d+%-%d+)', '%1@' .. ARGV[2])
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'b', ARGV[2], 'f', ARGV[2], 'r', vouched)
end
local reply = { made, redis.call('HGET', KEYS[1], 'b'), redis.call('HGET', KEYS[1], 'f'), redis.call('HGET', KEYS[1], 'r') or '' }
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. reply[2] .. ' ' .. reply[3] .. ' ' .. reply[4])
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if string.find(fields[i], '^%d+$') then
    reply[#reply + 1] = fields[i]
    reply[#reply + 1] = fields[i + 1]
  end
end
return reply
