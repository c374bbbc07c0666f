-- Ends a reservation without a charge; abandoned, its intent is forgotten too.
-- KEYS  reservation, state, balances, deadlines, intent; the run and its parent, if any
-- ARGV  decision id, now, how long the reservation is kept after its deadline (ms), abandon
-- Returns {"unknown"}, {"ended before", state} or {"ended", state, admitted, cost, sequence, postings}
--- @include money
--- @include window
--- @include cost
--- @include scopes
--- @include corrections
--- @include runs
--- @include runcorrections
--- @include intents
--- @include reservation
local name, state, id, now = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[2])

local r = reservation.load(name)
if not r then return { 'unknown' } end
if ARGV[4] == '1' then
  local intent = intents.read(KEYS[5])
  if intent and intent.id == id then redis.call('DEL', KEYS[5]) end
end
if not r.live then return { 'ended before', r.state } end

local holds, postings = reservation.holds(r), {}
for _, hold in ipairs(holds) do
  if hold.held ~= '0' then postings[#postings + 1] = { hold, money.negative(hold.held), '0' } end
end
local posted, amounts = reservation.post(KEYS[3], holds, postings)
if not posted then return redis.error_reply('WEIR a balance would pass 64 bits') end
local list = reservation.scopes(r, state)
scopes.land(list)
if r.sequence == 0 then
  scopes.correct(list, -r.counted, -1, now)
  if r.admitted and KEYS[6] then runs.undo(KEYS[6], r.fingerprint, r.counted, KEYS[7]) end
  scopes.dropBlank(list)
  r.standing, r.counted = false, 0
end
scopes.save(state, list)
reservation.finish(name, r, KEYS[5], KEYS[4], id, now, tonumber(ARGV[3]))
local reply = {
  'ended', 'released', r.admitted and '1' or '0', r.cost,
  redis.call('HINCRBY', state, 'n', 1), posted,
}
-- Kept for whoever has to append the entry and did not get this answer.
redis.call(
  'HSET', name, 'state', 'released', 'amounts', amounts, 'ended', cjson.encode(reply),
  'life', reservation.life(r.admitted, r.standing, figure(r.counted))
)
return reply
