-- Gives the lease of a key to whoever asks first, or hands over a value that has come meanwhile.
-- KEYS[1] value   KEYS[2] lease
-- ARGV[1] token   ARGV[2] lease time in ms   ARGV[3] '1' if the value that may be there is of no use
-- Returns {'found', bytes, server ms} | {'granted'} | {'held'}
if ARGV[3] ~= '1' then
  local bytes = redis.call('GET', KEYS[1])
  if bytes then
    local time = redis.call('TIME')
    return { 'found', bytes, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)) }
  end
end
if redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return { 'granted' }
end
return { 'held' }
