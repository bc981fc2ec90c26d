-- Stores an entry whoever holds the lease, takes the lease away, and tells everyone to forget what they have.
-- KEYS[1] value   KEYS[2] lease
-- ARGV[1] entry before its clock   ARGV[2] entry after its clock   ARGV[3] expiry in ms   ARGV[4] channel, '' = the caller tells   ARGV[5] message
-- ARGV[6] '1' = values bear the mark of their server (docs/decisions/0008)
-- Returns 1
local mark = ''
if ARGV[6] == '1' then
  mark = '@' .. string.sub(string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)'), 1, 16) .. ' '
end
local time = redis.call('TIME')
local loaded_at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
redis.call('SET', KEYS[1], mark .. ARGV[1] .. loaded_at .. ARGV[2], 'PX', ARGV[3])
redis.call('UNLINK', KEYS[2])
if ARGV[4] ~= '' then
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return 1
