-- Appends the messages that the gateway accepts to the tails of the queue's lanes: `transitions.accept`.
-- A script of its own, as short as may be: each run of one defines anew all that is in it.

-- `room` is how many bytes all messages of the connection may have (`counters.bytes`); '' is no limit.
function transitions.accept(
    id, key, fingerprint, chat, kind, text, priority, send_at, content, room)
    -- One command in place of three, where none of these keys is there.
    local quiet = call('EXISTS', BASE .. ':deleted', message(id), HELD, SCHEDULED) == 0
    if not quiet and call('EXISTS', BASE .. ':deleted') == 1 then
        return {'deleted'}
    end
    if key ~= '' then
        local first = call('GET', idempotency(key))
        if first then
            local accepted, print = string.match(first, '^(%S+) (%S+)$')
            if print ~= fingerprint then
                return {'conflict'}
            end
            return {'known', accepted, call('HGETALL', message(accepted))}
        end
    end
    if not quiet and call('EXISTS', message(id)) == 1 then
        return {'known', id, call('HGETALL', message(id))}
    end
    local bytes = WEIGHT + 2 * NAMED + #text + #content + (key ~= '' and KEY_BYTES + NAMED or 0)
    -- The first write: at `maxmemory` it fails, and nothing of the transition is done.
    local all = call('HINCRBY', COUNTERS, 'bytes', bytes)
    if room ~= '' and all > tonumber(room) then
        call('HINCRBY', COUNTERS, 'bytes', -bytes)
        return {'full', all}
    end
    if key ~= '' then
        call('SET', idempotency(key), id .. ' ' .. fingerprint)
    end
    -- Messages that were due before this was accepted go before it.
    if not quiet then
        promote()
    end
    chat = destined(chat)
    count('queued')
    local seq = sequence()
    local record = {'chat', chat, 'type', kind, 'text', text, 'priority', priority,
        'attempts', 0, 'accepted_at', NOW, 'bytes', bytes}
    if content ~= '' then
        table.insert(record, 'content')
        table.insert(record, content)
    end
    if key ~= '' then
        table.insert(record, 'key')
        table.insert(record, key)
    end
    if send_at ~= '' and tonumber(send_at) > tonumber(NOW) then
        call('ZADD', OPEN, send_at, id)
        -- Equal times are due in the order of acceptance: members of one score sort by name.
        local ticket = string.format('%016d:%s', seq, id)
        call('ZADD', SCHEDULED, send_at, ticket)
        write(id, seq, 'status', 'waiting', 'waiting_at', NOW, 'send_at', send_at,
            'ticket', ticket, unpack(record))
        wake()
        return {'accepted', id, seq, 'waiting', chat}
    end
    call('ZADD', OPEN, NOW, id)
    if send_at ~= '' then
        table.insert(record, 'send_at')
        table.insert(record, send_at)
    end
    write(id, seq, 'status', 'queued', 'queued_at', NOW, unpack(record))
    place(id, chat, priority, seq)
    return {'accepted', id, seq, 'queued', chat}
end
