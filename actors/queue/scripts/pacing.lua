-- Spaces a connection's messages, at all and to one chat, by the pauses that `../pacing.py` computes. It is
-- kept here and not in the owner, so that an owner that dies spends nothing twice. Who is paced is
-- not claimed, and what is not claimed is no attempt.
--   counters.paced   from when the connection may claim again
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

-- How many of `room` may leave now, and from when the next may, where none may.
local function pace(room, interval)
    if room <= 0 or interval == 0 then
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
local function spend(interval)
    if interval > 0 then
        local paced = after(interval)
        call('HSET', COUNTERS, 'paced', paced)
        return paced
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
