-- The acceptance of a message, a script of its own: nothing runs more often. What was due before it
-- goes before it, so that is readied here.

-- How many one script readies or sets aside; the rest is left to the next (claim says so).
local PROMOTE = 100

-- How far the clock was set back, in all. `held` counts on from there: its scores are ahead of the
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
        write(id, seq, 'status', 'queued', 'queued_at', NOW)
        place(id, record[1], record[2], seq)
    end
    return true
end

function transitions.accept(
    id, spare, key, fingerprint, keep, chat, kind, text, priority, send_at, content)
    if key ~= '' then
        local first = call('GET', BASE .. ':idempotency:' .. key)
        if first then
            local known, print = string.match(first, '^(%S+) (%S+)$')
            if print ~= fingerprint then
                return {'conflict'}
            end
            return {'replayed', known, call('HGETALL', message(known))}
        end
        if spare ~= '' and call('EXISTS', message(id)) == 1 then
            -- The key is used anew after its time: its first message stays what it is.
            id = spare
        end
    end
    if call('EXISTS', message(id)) == 1 then
        return {'replayed', id, call('HGETALL', message(id))}
    end
    if key ~= '' then
        call('SET', BASE .. ':idempotency:' .. key, id .. ' ' .. fingerprint, 'PX', keep)
    end
    -- What was due before this was accepted goes before it.
    promote()
    count('queued')
    local seq = sequence()
    local record = {'chat', chat, 'type', kind, 'text', text, 'priority', priority,
        'attempts', 0, 'accepted_at', NOW}
    if content ~= '' then
        table.insert(record, 'content')
        table.insert(record, content)
    end
    if send_at ~= '' and tonumber(send_at) > tonumber(NOW) then
        call('ZADD', OPEN, send_at, id)
        -- Equal times are due in the order of acceptance: members of one score sort by name.
        local ticket = string.format('%016d:%s', seq, id)
        call('ZADD', SCHEDULED, send_at, ticket)
        write(id, seq, 'status', 'waiting', 'waiting_at', NOW, 'send_at', send_at,
            'ticket', ticket, unpack(record))
        wake()
        return {'accepted', id, seq, 'waiting'}
    end
    call('ZADD', OPEN, NOW, id)
    if send_at ~= '' then
        table.insert(record, 'send_at')
        table.insert(record, send_at)
    end
    write(id, seq, 'status', 'queued', 'queued_at', NOW, unpack(record))
    place(id, chat, priority, seq)
    return {'accepted', id, seq, 'queued'}
end
