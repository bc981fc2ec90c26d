#!lua flags=allow-oom,allow-cross-slot-keys
-- Deletes leases and values of any slots of this node. The lease goes first: should the value be elsewhere, nobody fills an old one meanwhile.
-- ARGV values
-- Returns {number in ARGV of each key that could not be reached here...}
local elsewhere = {}
for i = 1, #ARGV do
  local lease = redis.pcall('UNLINK', ARGV[i] .. ':lease')
  local value = redis.pcall('UNLINK', ARGV[i])
  if type(lease) == 'table' or type(value) == 'table' then
    elsewhere[#elsewhere + 1] = i
  end
end
return elsewhere
