-- Brings a reservation back as its log lines left it, unless it is there. Balances are left alone: they
-- hold what the lines posted.
-- KEYS  reservation, intent, deadlines
-- ARGV  decision id, deadline, live, how long the intent is kept (ms), the intent's value, how long the
--       reservation is kept if it has ended (ms), then its fields and values
-- Returns {"kept"} or {"restored"}
local name, intent, deadlines = KEYS[1], KEYS[2], KEYS[3]
if redis.call('EXISTS', name) == 1 then return { 'kept' } end
redis.call('HSET', name, unpack(ARGV, 7))
if ARGV[3] == '1' then
  redis.call('ZADD', deadlines, ARGV[2], ARGV[1])
else
  redis.call('PEXPIRE', name, ARGV[6])
end
-- The intent may have been decided again since; the key is the newer decision's.
redis.call('SET', intent, ARGV[5], 'PX', ARGV[4], 'NX')
return { 'restored' }
