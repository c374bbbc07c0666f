-- Ends one reservation past its deadline; a budget may charge what it says for that.
-- KEYS  reservation, state, balances, deadlines, intent; the run and its parent, if any
-- ARGV  decision id, now, how long the reservation is kept after its deadline (ms)
-- Returns {"unknown"}, {"ended before", state} or {"ended", state, admitted, cost, sequence, postings};
--       cost in pico-USD
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

local r = reservation.load(name)
if not r or not r.live then
  redis.call('ZREM', KEYS[4], id)
  return r and { 'ended before', r.state } or { 'unknown' }
end

-- A partial report is what is known of the call: nothing is charged on top of it.
local charges = r.admitted and r.sequence == 0
local holds, postings, charged = reservation.holds(r), {}, '0'
for _, hold in ipairs(holds) do
  local charge = charges and hold.onExpiry or '0'
  if hold.unit == 'nano_usd' and money.less(charged, charge) then charged = charge end
  if hold.held ~= '0' or charge ~= '0' then
    postings[#postings + 1] = { hold, money.negative(hold.held), charge }
  end
end
local posted, amounts = reservation.post(KEYS[3], holds, postings)
if not posted then return redis.error_reply('WEIR a balance would pass 64 bits') end
local list = reservation.scopes(r, state)
scopes.land(list)
if r.sequence == 0 then
  local correction = tonumber(charged) - r.counted
  scopes.correct(list, correction, 0, now)
  if KEYS[6] then runs.correct(KEYS[6], correction) end
end
scopes.save(state, list)
endings.count(state, r.endings, now, true)
reservation.finish(name, r, KEYS[5], KEYS[4], id, now, tonumber(ARGV[3]))
local cost = r.cost
if r.sequence == 0 then cost = charged == '0' and '0' or charged .. '000' end
local reply = {
  'ended', 'expired', r.admitted and '1' or '0', cost, redis.call('HINCRBY', state, 'n', 1), posted,
}
-- Kept for whoever has to append the entry and did not get this answer.
local counted = r.sequence == 0 and charged or figure(r.counted)
redis.call(
  'HSET', name, 'state', 'expired', 'amounts', amounts, 'ended', cjson.encode(reply),
  'life', reservation.life(r.admitted, r.standing, counted)
)
return reply
