-- Reads the whole log table, and makes it if it is gone or of another history: nothing that was loaded before counts then. With ARGV[3] it is made anew in any case, if its fence is still that one.
-- KEYS[1] log table   KEYS[2] its head
-- ARGV[1] epoch   ARGV[2] number up to which the caller has followed the log   ARGV[3] the fence that was seen, 'none', or '' = only if there is none
-- Returns {1 = it was made anew, 0 = it was there, base, fence, bucket, number, bucket, number...}
local fence = false
if redis.call('TYPE', KEYS[1]).ok == 'hash' and redis.call('HGET', KEYS[1], 'e') == ARGV[1] and redis.call('HEXISTS', KEYS[1], 'b') == 1 then
  fence = string.match(redis.call('HGET', KEYS[1], 'f') or '', '^%d+$')
end
local made = '0'
if not fence or fence == ARGV[3] then
  made = '1'
  redis.call('UNLINK', KEYS[1])
  redis.call('HSET', KEYS[1], 'e', ARGV[1], 'b', ARGV[2], 'f', ARGV[2])
end
local reply = { made, redis.call('HGET', KEYS[1], 'b'), redis.call('HGET', KEYS[1], 'f') }
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. reply[2] .. ' ' .. reply[3])
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
  if fields[i] ~= 'e' and fields[i] ~= 'b' and fields[i] ~= 'f' then
    reply[#reply + 1] = fields[i]
    reply[#reply + 1] = fields[i + 1]
  end
end
return reply
