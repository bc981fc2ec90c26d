#!lua flags=no-writes,allow-cross-slot-keys
-- Reads values of any slots of this node, of those that it stored itself: MGET takes keys of one slot only. One that came with a slot, or from a primary of before, is none, since an invalidation may have met
-- its key where it was, or been lost with the primary (docs/decisions/0008). Nor is an entry without a mark. Other bytes are handed over for the reader to refuse.
-- ARGV values
-- Returns {value, value...}; nil: none; 0: cannot be reached here
local mark = '@' .. string.sub(string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)'), 1, 16) .. ' '
local reply = {}
for i = 1, #ARGV do
  local value = redis.pcall('GET', ARGV[i])
  if type(value) == 'table' then
    value = 0
  elseif value and string.sub(value, 1, #mark) == mark then
    value = string.sub(value, #mark + 1)
  elseif value and (string.sub(value, 1, 1) == '@' or string.sub(value, 1, 7) == 'forebay') then
    value = false
  end
  reply[i] = value
end
return reply
