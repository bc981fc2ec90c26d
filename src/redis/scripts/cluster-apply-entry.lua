#!lua flags=allow-cross-slot-keys
-- Applies one entry of the log of changes to one node of a Cluster, as apply-entry does to a server of its own; the keys are those that the caller believes to be here.
-- The table also says which slots it vouches for, and since which number: a slot that moved here may bring values that an entry already applied here would have deleted. So values of a slot count only
-- if their load had followed the log as far as the fence was when the slot was first seen here, and a slot that the caller does not name, or whose keys cannot be reached, is vouched for no more.
-- KEYS[1] log table   KEYS[2] its head
-- ARGV[1] epoch   ARGV[2] number   ARGV[3] channel, '' = tell nobody   ARGV[4] message   ARGV[5] '1' = everything   ARGV[6] slots of this node: '0-5460,7000-7000'
-- ARGV[7] count of tag buckets, then those, then name and slot of each value
-- Returns {'applied' | 'anew' | 'ahead' | 'behind', fence, '1' if some slot was not here}
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
  return { 'ahead', string.format('%.0f', fence), '0' }
elseif fence < number - 1 then
  return { 'behind', string.format('%.0f', fence), '0' }
end

-- What is vouched for, as {first, last, since}, without the slot that is not here.
local ranges = {}
for first, last, since in string.gmatch(redis.call('HGET', KEYS[1], 'r') or '', '(%d+)-(%d+)@(%d+)') do
  ranges[#ranges + 1] = { tonumber(first), tonumber(last), since }
end
local function drop(slot)
  for i = #ranges, 1, -1 do
    local first, last, since = unpack(ranges[i])
    if first <= slot and slot <= last then
      table.remove(ranges, i)
      if first < slot then ranges[#ranges + 1] = { first, slot - 1, since } end
      if slot < last then ranges[#ranges + 1] = { slot + 1, last, since } end
    end
  end
end
-- First what the caller names and nobody has vouched for yet: from the fence on, or from this entry if there was none.
local since = fence and string.format('%.0f', fence) or ARGV[2]
local named = {}
for first, last in string.gmatch(ARGV[6], '(%d+)-(%d+)') do
  first, last = tonumber(first), tonumber(last)
  local free = { { first, last } }
  for _, range in ipairs(ranges) do
    local left = {}
    for _, piece in ipairs(free) do
      local from, to = math.max(piece[1], range[1]), math.min(piece[2], range[2])
      if from > to then
        left[#left + 1] = piece
      else
        named[#named + 1] = { from, to, range[3] }
        if piece[1] < from then left[#left + 1] = { piece[1], from - 1 } end
        if to < piece[2] then left[#left + 1] = { to + 1, piece[2] } end
      end
    end
    free = left
  end
  for _, piece in ipairs(free) do named[#named + 1] = { piece[1], piece[2], since } end
end
ranges = named

local buckets = tonumber(ARGV[7])
local missing = '0'
for i = 8 + buckets, #ARGV, 2 do
  local reply = redis.pcall('UNLINK', ARGV[i], ARGV[i] .. ':lease')
  if type(reply) == 'table' and reply.err then
    missing = '1'
    drop(tonumber(ARGV[i + 1]))
  end
end
if ARGV[5] == '1' then
  redis.call('HSET', KEYS[1], 'b', ARGV[2])
end
for i = 8, 7 + buckets do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[2])
end
local texts = {}
table.sort(ranges, function(a, b) return a[1] < b[1] end)
for i, range in ipairs(ranges) do texts[i] = string.format('%d-%d@%s', range[1], range[2], range[3]) end
local vouched = table.concat(texts, ',')
redis.call('HSET', KEYS[1], 'f', ARGV[2], 'r', vouched)
redis.call('SET', KEYS[2], ARGV[1] .. ' ' .. redis.call('HGET', KEYS[1], 'b') .. ' ' .. ARGV[2] .. ' ' .. vouched)
if ARGV[3] ~= '' then
  redis.pcall('SPUBLISH', ARGV[3], ARGV[4])
end
return { outcome, ARGV[2], missing }
