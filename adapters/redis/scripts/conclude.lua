-- Marks the decision as made, so that repeats of the intent get it.
-- KEYS  reservation, intent
-- ARGV  decision id, decision, effect, until when a throttle is repeated (ms)
-- Returns {"unknown"} or {"concluded"}
--- @include money
--- @include reservation
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return { 'unknown' } end
redis.call('HSET', KEYS[1], 'decision', ARGV[2], 'state', state == 'judging' and 'open' or state)
local intent = reservation.readIntent(KEYS[2])
if intent and intent.id == ARGV[1] then
  intent.effect, intent.untilMs = ARGV[3], ARGV[4]
  reservation.writeIntent(KEYS[2], intent)
end
return { 'concluded' }
