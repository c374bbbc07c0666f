-- Reserves: repeats, freezes and fit are checked, all is held or nothing, the attempt is counted.
-- KEYS  intent, reservation, state, balances, freezes, deadlines; the run, if any
-- ARGV  decision id, content digest, now, deadline, how long the intent is kept (ms), force, retries,
--       fingerprint, fingerprints a run keeps, digests of intent and run; then what include/request.lua
--       reads
-- Returns {kind}, {"replay", decision id}, {"windows"}: parameters are to be told first; or {"reserved",
--       held, forced, now, sequence, freezes, used, run, endings, scopes}
--- @include money
--- @include window
--- @include scopes
--- @include runs
--- @include balances
--- @include reservation
--- @include request
local id, digest, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local force, retries, fingerprint = ARGV[6] == '1', ARGV[7], ARGV[8]
local state, run = KEYS[3], KEYS[7]

local function repeated()
  local earlier = reservation.readIntent(KEYS[1])
  if not earlier then return nil end
  if earlier.digest ~= digest then return { 'conflict' } end
  local effect, live = earlier.effect, earlier.live == '1'
  if effect == '-' then return live and { 'in_flight' } or nil end
  if effect == 'block' then return { 'replay', earlier.id } end
  if effect == 'throttle' then
    return now < tonumber(earlier.untilMs) and { 'replay', earlier.id } or nil
  end
  return live and { 'replay', earlier.id } or { 'finished' }
end

local answer = repeated()
if answer then return answer end

local ask = request.read(12)
local values = fetch(state, ask.fields, ask.fields + 1 + ask.scopes + ask.kinds)
local list = request.scopes(ask, values)
if not list then return { 'windows' } end
local fields = {}
local latest = tonumber(values[1] or '0')
if now < latest then
  now = latest
else
  fields = { ARGV[ask.fields], figure(now) }
end

local freezes = request.freezes(ask, KEYS[5])
local used, fits, holdable =
  balances.judge(ask.holds, fetch(KEYS[4], ask.firstBalance, ask.lastBalance))
local held = #freezes == 0 and not ask.frozen and (fits or force) and holdable
local runBefore = runs.snapshot(run, fingerprint)
local kept = request.kept(list)
local marks = request.count(list, now, tonumber(retries), held, ask.cost)
for _, scope in ipairs(list) do
  fields[#fields + 1] = scope.field
  fields[#fields + 1] = scopes.pack(scope.s)
end
if #fields > 0 then redis.call('HSET', state, unpack(fields)) end
if held then
  balances.hold(KEYS[4], ask.holds)
  runs.charge(run, fingerprint, tonumber(ARGV[9]), ask.cost, runBefore)
end
local admitted = held and '1' or '0'
redis.call(
  'HSET', KEYS[2], 'state', 'judging', 'admitted', admitted, 'standing', admitted,
  'counted', held and figure(ask.cost) or '0', 'retries', retries, 'deadline', ARGV[4],
  'endings', ARGV[ask.fields + 1], 'fingerprint', fingerprint, 'intent', ARGV[10], 'run', ARGV[11],
  'holds', ask.holdsText, 'amounts', held and ask.amounts or '', 'scopes', ask.scopesText,
  'marks', marks
)
redis.call('SET', KEYS[1], id .. ' ' .. digest .. ' - 1 0', 'PX', ARGV[5])
redis.call('ZADD', KEYS[6], ARGV[4], id)
return {
  'reserved', admitted, held and not fits and '1' or '0', figure(now),
  redis.call('HINCRBY', state, 'n', 1), freezes, used, runBefore, values[2] or '', kept,
}
