-- Reservations of one principal that ended in this hour and the one before, and how many of them
-- without a report: a field of the tag's state, five doubles: hour, ended, expired, ended before,
-- expired before. The figures as of now follow from it.
local HOUR_MS = 3600000
local endings = {}

function endings.count(state, field, now, expired)
  local hour = math.floor(now / HOUR_MS)
  local kept = redis.call('HGET', state, field)
  local e = kept and { struct.unpack('<ddddd', kept) } or { hour, 0, 0, 0, 0 }
  if hour == e[1] + 1 then
    e = { hour, 0, 0, e[2], e[3] }
  elseif hour > e[1] then
    e = { hour, 0, 0, 0, 0 }
  end
  e[2] = e[2] + 1
  if expired then e[3] = e[3] + 1 end
  redis.call('HSET', state, field, struct.pack('<ddddd', e[1], e[2], e[3], e[4], e[5]))
end
