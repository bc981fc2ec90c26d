-- Says where the tag table is, if this server made it: one that it took over from another may lack stamps, and is as good as gone (docs/decisions/0008).
-- KEYS[1] tag table
-- Returns {generation, stamp}, empty texts if there is none
if redis.call('TYPE', KEYS[1]).ok ~= 'hash' then
  return { '', '' }
end
local head = redis.call('HMGET', KEYS[1], 'g', 'n', 'i')
if head[3] ~= string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') then
  return { '', '' }
end
return { head[1] or '', head[2] or '' }
