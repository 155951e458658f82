-- ratelimit/gcra.lua - N rate buckets and at most one nonce in one trip, all or nothing.
-- KEYS: the buckets, then the key of the nonce if there is one.
-- ARGV: N; of each bucket emission, tolerance (us), cost (1 or more); then the kind of nonce:
--   0  none
--   1  once    its life in ms
--   2  rising  the nonce, the window (20 digits each), how many to remember, life in ms (0: for ever)
-- Answer: one text of numbers: verdict (0 taken, 1 refused by a rate, 2 nonce known), then of each bucket
--   what remains, us until it is full again, us until the cost fits (0: it does, -1: never).
-- Numbers are integers below 2^53, which a double holds exactly: us since 1970 do until 2255.
-- The arithmetic is that of gcra.c; a test drives both with the same steps.
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local n = tonumber(ARGV[1])
local at = 2 + 3 * n -- of the kind of nonce
local verdict = 0
local tats, costs, retries = {}, {}, {}

-- 20 digits each, as 64 bits are too many for a double.
local function minus(a, b)
    if a < b then
        return '00000000000000000000'
    end
    local hi = a:sub(1, 11) - b:sub(1, 11)
    local lo = a:sub(12) - b:sub(12)
    if lo < 0 then
        hi, lo = hi - 1, lo + 1000000000
    end
    return string.format('%011.0f%09.0f', hi, lo)
end

local function once(key, life)
    return redis.call('SET', key, '1', 'NX', 'PX', life)
end

-- A sorted set whose scores are all 0 is in the order of its members: exact for 20 digits. All up to
-- its lowest member is refused, whether seen or forgotten; the lowest only rises, so that a window
-- made wider does not bring back what a narrow one has forgotten.
local function rising(key, nonce, window, most, life)
    local drop = math.max(redis.call('ZCARD', key) - most + 1, 0)
    local lowest = redis.call('ZRANGE', key, drop, drop)[1]
    local last = redis.call('ZRANGE', key, -1, -1)[1] or nonce
    if lowest and nonce <= lowest or redis.call('ZSCORE', key, nonce) or
        nonce < minus(last, window) then
        return false
    end
    local floor = minus(minus(last > nonce and last or nonce, window), '00000000000000000001')
    if drop > 0 then
        redis.call('ZREMRANGEBYRANK', key, 0, drop - 1)
    end
    redis.call('ZADD', key, 0, nonce)
    if not lowest or floor > lowest then
        redis.call('ZREMRANGEBYLEX', key, '-', '(' .. floor)
        redis.call('ZADD', key, 0, floor)
    end
    if life ~= '0' then
        redis.call('PEXPIRE', key, life)
    end
    return true
end

for i = 1, n do
    local emission, tolerance = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    local take = emission * ARGV[3 * i + 1]
    tats[i] = math.max(tonumber(redis.call('GET', KEYS[i]) or 0), now)
    costs[i] = take
    retries[i] = math.max(tats[i] + take - emission - tolerance - now, 0)
    if take - emission > tolerance then
        retries[i] = -1
    end
    if retries[i] ~= 0 then
        verdict = 1
    end
end

if verdict == 0 and ARGV[at] == '1' and not once(KEYS[n + 1], ARGV[at + 1]) then
    verdict = 2
elseif verdict == 0 and ARGV[at] == '2' and
    not rising(KEYS[n + 1], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]) then
    verdict = 2
end

local answer = {string.format('%d', verdict)}
for i = 1, n do
    local emission, tolerance = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    if verdict == 0 then
        tats[i] = tats[i] + costs[i]
        -- the time of its end, not its length: a length would be counted from a rounded now
        redis.call('SET', KEYS[i], string.format('%.0f', tats[i]), 'PXAT',
            string.format('%.0f', math.ceil(tats[i] / 1000)))
    end
    local room = math.floor((now + tolerance + emission - tats[i]) / emission)
    answer[i + 1] = string.format('%.0f %.0f %.0f', math.max(room, 0), tats[i] - now, retries[i])
end
return table.concat(answer, ' ')
