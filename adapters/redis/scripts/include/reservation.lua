-- One reservation: a hash. `holds` are what it falls under, `asked` those of the model asked for, each a
-- flat JSON list; `amounts` what is held and settled on each of them.
local reservation = {}

local FIELDS = {
  'state', 'admitted', 'standing', 'counted', 'retries', 'deadline', 'sequence', 'digest', 'basis',
  'cost', 'charged', 'endings', 'fingerprint', 'holds', 'amounts', 'scopes', 'marks',
}

-- The fields, or nil.
function reservation.load(name)
  local values = redis.call('HMGET', name, unpack(FIELDS))
  if not values[1] then return nil end
  local r = {}
  for at, field in ipairs(FIELDS) do r[field] = values[at] or '' end
  r.admitted = r.admitted == '1'
  -- Admitted, and not released since: velocity counts it.
  r.standing = r.standing == '1'
  r.counted = tonumber(values[4] or '0')
  r.retries = tonumber(values[5] or '0')
  r.deadline = tonumber(values[6] or '0')
  r.sequence = tonumber(values[7] or '0')
  r.live = r.state == 'judging' or r.state == 'open'
  return r
end

-- What it falls under: each with what is still held and what was settled.
function reservation.holds(r)
  local holds, flat = {}, r.holds == '' and {} or cjson.decode(r.holds)
  local amount = string.gmatch(r.amounts, '%S+')
  for at = 1, #flat / 7 do
    local o = (at - 1) * 7
    holds[at] = {
      instance = flat[o + 1], budget = flat[o + 2], unit = flat[o + 3], hard = flat[o + 4] == 1,
      amount = flat[o + 5], onExpiry = flat[o + 6], endsAt = flat[o + 7],
      held = amount() or '0', settled = amount() or '0',
    }
  end
  return holds
end

-- Scopes that count it, none if it does not stand.
function reservation.scopes(r, state)
  if not r.standing then return {} end
  return scopes.counted(state, r.scopes, r.marks)
end

-- Applies {hold, held delta, settled delta} to balances and reservation, and says what was posted; nil if
-- a balance would not be a 64-bit integer any more.
function reservation.post(name, key, holds, postings)
  for _, posting in ipairs(postings) do
    local instance = posting[1].instance
    local present = redis.call('HMGET', key, 'h:' .. instance, 's:' .. instance)
    local held = money.plus(present[1] or '0', posting[2])
    local settled = money.plus(present[2] or '0', posting[3])
    if not (money.fitsInteger(held) and money.fitsInteger(settled)) then return nil end
    posting.isNew = not present[1] and not present[2]
  end
  local reply = {}
  for _, posting in ipairs(postings) do
    local hold = posting[1]
    balances.post(key, hold, posting[2], posting[3], posting.isNew)
    hold.held = money.plus(hold.held, posting[2])
    hold.settled = money.plus(hold.settled, posting[3])
    for _, value in ipairs({ hold.budget, hold.instance, hold.unit, posting[2], posting[3] }) do
      reply[#reply + 1] = value
    end
  end
  local amounts = {}
  for at, hold in ipairs(holds) do
    amounts[2 * at - 1] = hold.held
    amounts[2 * at] = hold.settled
  end
  redis.call('HSET', name, 'amounts', table.concat(amounts, ' '))
  return reply
end

-- Intents: "decision, content digest, effect or -, live, until when a throttle is repeated (ms)".
function reservation.readIntent(key)
  local kept = redis.call('GET', key)
  if not kept then return nil end
  local id, digest, effect, live, untilMs = string.match(kept, '^(%S+) (%S+) (%S+) (%d) (%d+)$')
  return { id = id, digest = digest, effect = effect, live = live, untilMs = untilMs }
end

function reservation.writeIntent(key, intent)
  local text = { intent.id, intent.digest, intent.effect, intent.live, intent.untilMs }
  redis.call('SET', key, table.concat(text, ' '), 'KEEPTTL')
end

-- It holds nothing any more: no sweep finds it, a repeat of its intent learns that it has ended.
function reservation.finish(name, r, state, intentKey, deadlines, id, now, keepMs)
  redis.call('HSET', name, 'state', state)
  redis.call('PEXPIRE', name, figure(math.max(0, r.deadline - now) + keepMs))
  redis.call('ZREM', deadlines, id)
  local intent = reservation.readIntent(intentKey)
  if intent and intent.id == id then
    intent.live = '0'
    reservation.writeIntent(intentKey, intent)
  end
end
