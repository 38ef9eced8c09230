-- Makes messages due, in the claim or for the QueueActor: those in backoff, deferred, or with a later `send_at`.

-- The number of messages that one script readies or sets aside; the rest is left to the next (`next_due` of the claim).
local PROMOTE = 100

-- The seconds by which the clock was set back, in all. `held` counts on from there: its scores are ahead of the
-- clock by this much, so that a jump moves nothing in it (`follow_clock`).
local function set_back()
    return tonumber(call('HGET', COUNTERS, 'set_back') or 0)
end

-- Readies what is due of what is held back; whether anything may be left.
local function promote()
    if call('EXISTS', HELD, SCHEDULED) == 0 then
        return false
    end
    for _, id in ipairs(call('ZRANGEBYSCORE', HELD, '-inf', NOW + set_back(), 'LIMIT', 0, PROMOTE)) do
        call('ZREM', HELD, id)
        call('HDEL', message(id), 'retry_at')
        write(id, sequence(), 'status', 'queued')
        ready(call('HGET', message(id), 'chat'))
    end
    for _, ticket in ipairs(call('ZRANGEBYSCORE', SCHEDULED, '-inf', NOW, 'LIMIT', 0, PROMOTE)) do
        local id = string.match(ticket, ':(.+)$')
        local record = call('HMGET', message(id), 'chat', 'priority')
        local seq = sequence()
        call('ZREM', SCHEDULED, ticket)
        call('HDEL', message(id), 'ticket')
        local chat = destined(record[1])
        write(id, seq, 'status', 'queued', 'queued_at', NOW, 'chat', chat)
        -- It could leave since its time, however late it is readied.
        call('ZADD', SINCE, 'NX', call('ZSCORE', OPEN, id), chat)
        place(id, chat, record[2], seq)
    end
    return true
end

local function sooner(one, other)
    if one and other then
        return tonumber(one) < tonumber(other) and one or other
    end
    return one or other
end

local function next_due()
    local next = call('ZRANGE', HELD, 0, 0, 'WITHSCORES')[2]
    next = next and string.format('%.6f', next - set_back())
    for _, key in ipairs({SCHEDULED, RESTING}) do
        local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
        -- A chat that rests for an unlimited time is not due.
        if first ~= 'inf' then
            next = sooner(next, first)
        end
    end
    return next
end
