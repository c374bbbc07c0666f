-- Posts a cumulative report: the difference to what was posted before. After the end it is a
-- correction.
-- KEYS  reservation, state, balances, deadlines, intent; the run and its parent, if any
-- ARGV  decision id, now, how long an ended reservation is kept after its deadline (ms), sequence,
--       digest, final, basis, cost (pico-USD), charged (nano-USD), tokens
-- Returns {"unknown"} or {status, live, overrun, cost, charged, sequence, postings}
--- @include money
--- @include window
--- @include cost
--- @include scopes
--- @include corrections
--- @include runs
--- @include runcorrections
--- @include endings
--- @include intents
--- @include reservation
local name, state, id, now = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])
local sequence, digest, final, basis = tonumber(ARGV[4]), ARGV[5], ARGV[6] == '1', ARGV[7]
local cost, charged, tokens = ARGV[8], ARGV[9], ARGV[10]

local r = reservation.load(name)
if not r then return { 'unknown' } end

-- Provider figures replace estimated ones, never the reverse.
local function repeated()
  if sequence < r.sequence then return 'superseded' end
  if sequence == r.sequence then return digest == r.digest and 'duplicate' or 'conflict' end
  local weaker = r.basis == 'provider' and basis == 'estimated'
  return r.sequence > 0 and weaker and 'superseded' or nil
end

local status = repeated()
if status then
  return { status, '0', '0', r.cost, r.charged, 0, {} }
end

local chargeIn = { nano_usd = charged, tokens = tokens, calls = '1' }
local holds, postings, overrun, dearest = reservation.holds(r), {}, false, 0
for _, hold in ipairs(holds) do
  local charge = chargeIn[hold.unit]
  local settledDelta, heldDelta = money.minus(charge, hold.settled), '0'
  if r.live and final then
    heldDelta = money.negative(hold.held)
  elseif r.live and money.less('0', settledDelta) then
    heldDelta = money.negative(money.less(hold.held, settledDelta) and hold.held or settledDelta)
  end
  if heldDelta ~= '0' or settledDelta ~= '0' then
    postings[#postings + 1] = { hold, heldDelta, settledDelta }
  end
  if hold.hard and hold.unit ~= 'calls' and money.less(hold.amount, charge) then overrun = true end
  if hold.unit == 'nano_usd' then dearest = math.max(dearest, math.min(tonumber(hold.amount), LARGEST)) end
end
local posted, amounts = reservation.post(KEYS[3], holds, postings)
if not posted then return redis.error_reply('WEIR a balance would pass 64 bits') end

-- The windows of admission learn what the call really cost; what exceeds the hold counts now.
local actual = math.min(tonumber(charged), LARGEST)
local ceiling = math.max(r.counted, dearest)
local list = reservation.scopes(r, state)
scopes.correct(list, math.min(actual, ceiling) - math.min(r.counted, ceiling), 0, now)
if actual > ceiling then scopes.correct(list, actual - ceiling, nil, now) end
if KEYS[6] then runs.correct(KEYS[6], actual - r.counted) end
if r.live and final then
  scopes.land(list)
  endings.count(state, r.endings, now, false)
  reservation.finish(name, r, KEYS[5], KEYS[4], id, now, tonumber(ARGV[3]))
  r.state = 'settled'
end
scopes.save(state, list)
local result = not r.live and 'corrected' or final and 'settled' or 'posted'
local reply = {
  result, r.live and '1' or '0', overrun and '1' or '0', cost, charged,
  redis.call('HINCRBY', state, 'n', 1), posted,
}
-- Kept for whoever has to append the entry and did not get this answer.
local report = { ARGV[4], digest, basis, cost, charged }
redis.call(
  'HSET', name, 'state', r.state, 'amounts', amounts, 'report', table.concat(report, ' '),
  'life', reservation.life(r.admitted, r.standing, figure(actual)),
  'posted:' .. ARGV[4], cjson.encode(reply)
)
return reply
