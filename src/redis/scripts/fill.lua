-- Stores a loaded entry only while the lease that preceded the load is still there: an invalidation deletes the lease with the value, and so does an eviction, so that a slow loader
-- never puts an old value back. Gives the lease back either way.
-- KEYS[1] value   KEYS[2] lease
-- ARGV[1] token   ARGV[2] entry before its clock   ARGV[3] entry after its clock   ARGV[4] expiry in ms, 0 = only give the lease back   ARGV[5] ms since the source was asked
-- ARGV[6] '1' = values and leases bear the mark of their server: a lease that another one gave is none (docs/decisions/0008)
-- Returns 1 = stored, 0 = refused
local mark = ''
if ARGV[6] == '1' then
  mark = '@' .. string.sub(string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)'), 1, 16) .. ' '
end
if redis.call('GET', KEYS[2]) ~= mark .. ARGV[1] then
  return 0
end
redis.call('UNLINK', KEYS[2])
if ARGV[4] == '0' then
  return 0
end
local time = redis.call('TIME')
local loaded_at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) - ARGV[5])
redis.call('SET', KEYS[1], mark .. ARGV[2] .. loaded_at .. ARGV[3], 'PX', ARGV[4])
return 1
