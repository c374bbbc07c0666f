-- Corrects balances by differences, so that it may run beside calls. All or none.
-- KEYS  balances
-- ARGV  by fours: instance, what names it, held delta, settled delta
-- Returns {"repaired"}
--- @include money
local key = KEYS[1]
for at = 1, #ARGV, 4 do
  for place, kind in ipairs({ 'h:', 's:' }) do
    local present = redis.call('HGET', key, kind .. ARGV[at]) or '0'
    if not money.fitsInteger(money.plus(present, ARGV[at + 1 + place])) then
      return redis.error_reply('WEIR a balance would pass 64 bits')
    end
  end
end
for at = 1, #ARGV, 4 do
  redis.call('HINCRBY', key, 'h:' .. ARGV[at], ARGV[at + 2])
  redis.call('HINCRBY', key, 's:' .. ARGV[at], ARGV[at + 3])
  redis.call('HSETNX', key, 'm:' .. ARGV[at], ARGV[at + 1])
end
return { 'repaired' }
