-- Marks the decision as made, so that repeats of the intent get it.
-- KEYS  reservation, intent
-- ARGV  decision id, decision, effect, until when a throttle is repeated (ms)
-- Returns {"unknown"} or {"concluded"}
--- @include intents
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return { 'unknown' } end
redis.call('HSET', KEYS[1], 'decision', ARGV[2], 'concluded', '1', 'state', state == 'judging' and 'open' or state)
local intent = intents.read(KEYS[2])
if intent and intent.id == ARGV[1] then
  intent.effect, intent.untilMs = ARGV[3], ARGV[4]
  intents.write(KEYS[2], intent)
end
return { 'concluded' }
