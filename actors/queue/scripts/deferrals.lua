-- Defers messages until the end of a WhatsApp limit on the account, and releases them when the limit changes.
-- They are held as those in backoff are, at their place in their lane and with it their chat, but nothing
-- was tried and no attempt counts. `error` is the limit's code.

function transitions.defer(epoch, id, tries, code, until_)
    if not owns(epoch) then
        return 'lost'
    end
    local record = call('HMGET', message(id), 'status', 'chat', 'tries')
    if not in_flight(record, tries) then
        return record[1] or 'dead'
    end
    local ahead = is_ahead(id, record[2])
    step_back(record[2])
    if ahead then
        return 'queued'
    end
    call('HDEL', FLIGHT, record[2])
    call('ZADD', HELD, until_ + set_back(), id)
    call('ZADD', SINCE, until_, record[2])
    take_back(id)
    give_pause_back(id)
    write(id, sequence(), 'status', 'waiting', 'waiting_at', NOW, 'error', code,
        'retry_at', until_)
    -- A process that waits for a claim has to learn when the next one is due.
    wake()
    return 'waiting'
end

-- Those of `...` that wait for the end of one of `codes`, each between blanks, wait until then instead.
-- The number of `...` that are held at all: of one chat at most one is.
function transitions.lift(epoch, codes, until_, ...)
    if not owns(epoch) then
        return 'lost'
    end
    local held = 0
    for _, id in ipairs({...}) do
        if call('ZSCORE', HELD, id) then
            held = held + 1
            local record = call('HMGET', message(id), 'error', 'retry_at', 'chat')
            if record[2] ~= until_ and string.find(codes, ' ' .. (record[1] or '') .. ' ', 1, true) then
                call('ZADD', HELD, until_ + set_back(), id)
                call('ZADD', SINCE, until_, record[3])
                write(id, sequence(), 'retry_at', until_)
                wake()
            end
        end
    end
    return held
end
