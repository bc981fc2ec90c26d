-- Gives the lease of a key to whoever asks first, or hands over a value that has come meanwhile.
-- KEYS[1] value   KEYS[2] lease
-- ARGV[1] token   ARGV[2] lease time in ms   ARGV[3] '1' if the value that may be there is of no use   ARGV[4] '1' = values and leases bear the mark of their server (docs/decisions/0008)
-- Returns {'found', bytes, server ms} | {'granted'} | {'held'}
local mark = ''
if ARGV[4] == '1' then
  mark = '@' .. string.sub(string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)'), 1, 16) .. ' '
end
if ARGV[3] ~= '1' then
  local bytes = redis.call('GET', KEYS[1])
  if bytes and string.sub(bytes, 1, #mark) == mark then
    local time = redis.call('TIME')
    return { 'found', string.sub(bytes, #mark + 1), string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) }
  end
end
-- A lease that another server gave keeps nobody waiting.
local held = mark ~= '' and redis.call('GET', KEYS[2])
if held and string.sub(held, 1, #mark) ~= mark then
  redis.call('UNLINK', KEYS[2])
end
if redis.call('SET', KEYS[2], mark .. ARGV[1], 'NX', 'PX', ARGV[2]) then
  return { 'granted' }
end
return { 'held' }
