-- Sets or lifts a freeze of a tenant. Reservations read all of a tenant's in one field of its state;
-- whoever lists them reads the other hash.
-- KEYS  state, freezes
-- ARGV  field of the tenant's freezes, scope, the freeze as text ("": lift it), its field in the list
-- Returns {"frozen"} or {"lifted"}
local kept = redis.call('HGET', KEYS[1], ARGV[1])
local freezes = kept and cjson.decode(kept) or {}
if ARGV[3] == '' then
  freezes[ARGV[2]] = nil
  redis.call('HDEL', KEYS[2], ARGV[4])
else
  freezes[ARGV[2]] = ARGV[3]
  redis.call('HSET', KEYS[2], ARGV[4], ARGV[3])
end
if next(freezes) == nil then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(freezes))
end
return { ARGV[3] == '' and 'lifted' or 'frozen' }
