-- Spaces a connection's messages, at all and to one chat, by the pauses that `../pacing.py` computes, and counts those of
-- a day. It is kept here and not in the owner, so that an owner that dies spends nothing twice. A message that is
-- paced is not claimed, and one that is not claimed has no attempt.
--   counters.paced, paced_by   from when the connection may claim again, and the message that was claimed last
--   counters.day, day_sent   a day (of the epoch, UTC), and the messages that were first attempted on it
--   gaps, resting    chats that were claimed lately; those among them that would be ready

-- Exact to a microsecond, where Lua's own text of a number of seconds is not.
local function after(seconds)
    return string.format('%.6f', NOW + seconds)
end

-- Gives the chats whose gap is over their turn. Nothing rests longer than `longest` from now on:
-- the clock was put back, or the gap made smaller. Whether any may be left.
local function rested(longest)
    if call('EXISTS', GAPS, RESTING) == 0 then
        return false
    end
    local function ready_all(from, to)
        for _, chat in ipairs(call('ZRANGEBYSCORE', RESTING, from, to, 'LIMIT', 0, PROMOTE)) do
            call('ZREM', RESTING, chat)
            ready(chat)
        end
        call('ZREMRANGEBYSCORE', GAPS, from, to)
    end
    ready_all('-inf', NOW)
    if longest then
        -- But for those that rest for an unlimited time, until their lanes are joined.
        ready_all('(' .. after(longest), '(+inf')
    end
    return true
end

local DAY = 86400

local function day_of(time)
    return math.floor(tonumber(time) / DAY)
end

-- The number of messages that left today.
local function of_day()
    local known = call('HMGET', COUNTERS, 'day', 'day_sent')
    return tonumber(known[1] or 0) == day_of(NOW) and tonumber(known[2]) or 0
end

local function count_of_day(sent)
    call('HSET', COUNTERS, 'day', day_of(NOW), 'day_sent', sent)
end

-- One left, for the first time.
local function spend_of_day(per_day)
    if per_day > 0 then
        count_of_day(of_day() + 1)
    end
end

-- A claimed message did not leave: no attempt counts, nor does it among those of the day of its first one.
local function take_back(id)
    local attempts, at = call('HINCRBY', message(id), 'attempts', -1), call('HGET', message(id), 'paced_at')
    if attempts == 0 and at and day_of(at) == day_of(NOW) and of_day() > 0 then
        count_of_day(of_day() - 1)
    end
end

-- The number of `room` messages that may leave now, and from when the next may, where none may.
local function pace(room, interval, per_day)
    if room <= 0 or (interval == 0 and per_day == 0) then
        return room
    end
    if per_day > 0 then
        room = math.min(room, per_day - of_day())
        if room <= 0 then
            local paced = string.format('%.6f', (day_of(NOW) + 1) * DAY)
            call('HSET', COUNTERS, 'paced', paced)
            return 0, paced
        end
    end
    if interval == 0 then
        return room
    end
    local paced = call('HGET', COUNTERS, 'paced') or NOW
    if tonumber(paced) > tonumber(after(interval)) then
        paced = after(interval)
        call('HSET', COUNTERS, 'paced', paced)
    end
    if tonumber(paced) > tonumber(NOW) then
        return 0, paced
    end
    return 1
end

-- One left: from when the next may.
local function spend(interval, id)
    if interval > 0 then
        local paced = after(interval)
        call('HSET', COUNTERS, 'paced', paced, 'paced_by', id)
        return paced
    end
end

-- A message that was to leave does not: the next one has not to wait for it.
local function give_pause_back(id)
    if call('HGET', COUNTERS, 'paced_by') == id then
        call('HDEL', COUNTERS, 'paced', 'paced_by')
    end
end

-- The chat may not be claimed again for `gap` seconds.
local function keep_apart(chat, gap)
    if gap then
        call('ZADD', GAPS, after(gap), chat)
    end
end

-- Sets a chat aside that was ready although its gap is not over; whether it was so.
local function rest(chat)
    local till = call('ZSCORE', GAPS, chat)
    if not till or tonumber(till) <= tonumber(NOW) then
        return false
    end
    call('ZADD', RESTING, till, chat)
    return true
end
