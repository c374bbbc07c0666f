-- Intents: "decision, content digest, effect or -, live, until when a throttle is repeated (ms)".
local intents = {}

function intents.read(key)
  local kept = redis.call('GET', key)
  if not kept then return nil end
  local id, digest, effect, live, untilMs = string.match(kept, '^(%S+) (%S+) (%S+) (%d) (%d+)$')
  return { id = id, digest = digest, effect = effect, live = live, untilMs = untilMs }
end

function intents.write(key, intent)
  local text = { intent.id, intent.digest, intent.effect, intent.live, intent.untilMs }
  redis.call('SET', key, table.concat(text, ' '), 'KEEPTTL')
end
