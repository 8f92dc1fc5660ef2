"""Lua that Redis runs for `RedisStore`: each write is one script, so that it is atomic."""

_HEARD = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local prefix, device, event = ARGV[1], ARGV[2], ARGV[3]
local bound, expiry = tonumber(ARGV[4]), tonumber(ARGV[5])
local function heard()
  local devices = KEYS[1]
  redis.call('ZADD', devices, now, device)
  local gone = redis.call('ZRANGEBYSCORE', devices, '-inf', now - expiry)
  local over = redis.call('ZCARD', devices) - bound
  if over > 0 then
    for _, name in ipairs(redis.call('ZRANGE', devices, 0, over - 1)) do
      gone[#gone + 1] = name
    end
  end
  for _, name in ipairs(gone) do
    redis.call('ZREM', devices, name)
    redis.call('HDEL', KEYS[2], name)
    redis.call('DEL', prefix .. ':views:' .. name, prefix .. ':head:' .. name)
  end
  redis.call('PEXPIRE', devices, expiry)
  redis.call('PEXPIRE', KEYS[2], expiry)
  redis.call('PUBLISH', ARGV[6], event)
end
"""

PUT = (
    _HEARD
    + """
local views, head = KEYS[3], KEYS[4]
local packed, session, sequence, key = ARGV[7], ARGV[8], ARGV[9], ARGV[10]
local last = redis.call('HMGET', head, 'session', 'sequence', 'key', 'at')
local same = last[1] == session
if same and last[2] >= sequence then
  -- Its clock may have been set back since.
  if session ~= '0' or math.abs(now - last[4]) < tonumber(ARGV[12]) then
    return 0
  end
end
if same and last[3] == key and redis.call('EXISTS', views) == 1 then
  redis.call('LSET', views, 0, packed)
else
  redis.call('LPUSH', views, packed)
  redis.call('LTRIM', views, 0, ARGV[11] - 1)
end
redis.call('HSET', head, 'session', session, 'sequence', sequence, 'key', key, 'at', now)
redis.call('PEXPIRE', views, expiry)
redis.call('PEXPIRE', head, expiry)
heard()
return 1
"""
)

SET_STATUS = _HEARD + "redis.call('HSET', KEYS[2], device, ARGV[7]) heard()"
