-- One reservation: a hash. `plan` is what it was made with, as adapters/redis/plan.ts writes it; `holds`
-- and `scopes` are those of the model it was rerouted to, if it was; `amounts` what is held and settled
-- on each hold; `life` whether it was admitted, whether velocity counts it, and the cost it counts;
-- `concluded` that its attempt stays counted;
-- `report` the last report: sequence, digest, basis, cost, charged.
local reservation = {}

-- Its fields, or nil.
function reservation.load(name)
  local values = redis.call(
    'HMGET', name, 'state', 'plan', 'holds', 'scopes', 'amounts', 'marks', 'life', 'report', 'concluded'
  )
  if not values[1] then return nil end
  local plan = cjson.decode(values[2])
  local r = {
    state = values[1], endings = plan[3], fingerprint = plan[4], deadline = plan[5], retries = plan[6],
    asked = plan[7], flat = values[3] and cjson.decode(values[3]) or plan[7],
    scopes = values[4] and cjson.decode(values[4]) or plan[8], amounts = values[5] or '',
    marks = values[6] or '', isConcluded = values[9] and true or false,
  }
  local admitted, standing, counted = string.match(values[7], '^(%d) (%d) (%d+)$')
  r.admitted, r.standing, r.counted = admitted == '1', standing == '1', tonumber(counted)
  r.sequence, r.cost, r.charged = 0, '0', '0'
  if values[8] then
    local sequence, digest, basis, cost, charged =
      string.match(values[8], '^(%d+) (%S*) (%S+) (%-?%d+) (%-?%d+)$')
    r.sequence, r.digest, r.basis, r.cost, r.charged = tonumber(sequence), digest, basis, cost, charged
  end
  r.live = r.state == 'judging' or r.state == 'open'
  return r
end

function reservation.life(admitted, standing, counted)
  return (admitted and '1 ' or '0 ') .. (standing and '1 ' or '0 ') .. counted
end

-- What it falls under: each with what is still held and what was settled.
function reservation.holds(r)
  local holds, amount = {}, string.gmatch(r.amounts, '%S+')
  for at = 1, #r.flat / 7 do
    local o = (at - 1) * 7
    holds[at] = {
      instance = r.flat[o + 1], budget = r.flat[o + 2], unit = r.flat[o + 3],
      hard = r.flat[o + 4] == 1, amount = r.flat[o + 5], onExpiry = r.flat[o + 6],
      endsAt = r.flat[o + 7], held = amount() or '0', settled = amount() or '0',
    }
  end
  return holds
end

-- Scopes that count it, none if it does not stand.
function reservation.scopes(r, state)
  if not r.standing then return {} end
  return scopes.counted(state, r.scopes, r.marks)
end

-- Applies {hold, held delta, settled delta} to the balances, and says what was posted and what is then
-- held and settled on each hold; nil if a balance would not be a 64-bit integer any more.
function reservation.post(key, holds, postings)
  local fields = {}
  for at, posting in ipairs(postings) do
    fields[2 * at - 1] = 'h:' .. posting[1].instance
    fields[2 * at] = 's:' .. posting[1].instance
  end
  local present = #fields > 0 and redis.call('HMGET', key, unpack(fields)) or {}
  for at, posting in ipairs(postings) do
    local held = money.plus(present[2 * at - 1] or '0', posting[2])
    local settled = money.plus(present[2 * at] or '0', posting[3])
    if not (money.fitsInteger(held) and money.fitsInteger(settled)) then return nil end
  end
  local reply = {}
  for at, posting in ipairs(postings) do
    local hold, heldDelta, settledDelta = posting[1], posting[2], posting[3]
    if heldDelta ~= '0' then redis.call('HINCRBY', key, fields[2 * at - 1], heldDelta) end
    if settledDelta ~= '0' then redis.call('HINCRBY', key, fields[2 * at], settledDelta) end
    if not present[2 * at - 1] and not present[2 * at] then
      local meta = cjson.encode({ hold.budget, hold.unit, hold.endsAt })
      redis.call('HSET', key, 'm:' .. hold.instance, meta)
    end
    hold.held = money.plus(hold.held, heldDelta)
    hold.settled = money.plus(hold.settled, settledDelta)
    for _, value in ipairs({ hold.budget, hold.instance, hold.unit, heldDelta, settledDelta }) do
      reply[#reply + 1] = value
    end
  end
  local amounts = {}
  for at, hold in ipairs(holds) do
    amounts[2 * at - 1] = hold.held
    amounts[2 * at] = hold.settled
  end
  return reply, table.concat(amounts, ' ')
end

-- It holds nothing any more: no sweep finds it, a repeat of its intent learns that it has ended.
function reservation.finish(name, r, intentKey, deadlines, id, now, keepMs)
  redis.call('PEXPIRE', name, figure(math.max(0, r.deadline - now) + keepMs))
  redis.call('ZREM', deadlines, id)
  local intent = intents.read(intentKey)
  if intent and intent.id == id then
    intent.live = '0'
    intents.write(intentKey, intent)
  end
end
