-- Queues dead letters again, and deletes them after their retention. They are listed
-- in `dead` by the order of their deaths (`died`), each at most once.
--   redriven_at  when it was sent again: names a redrive, so that a repeated one is recognised
--   expired_at   when it left the list for good; its record follows

local function redrive(id, chat, priority)
    local seq = sequence()
    chat = destined(chat)
    call('ZREM', DEAD, id)
    call('ZADD', OPEN, NOW, id)
    call('ZREM', FINISHED, id)
    persist(id)
    call('HDEL', message(id), 'error', 'cut', 'crashes', 'crash_log', 'expired_at')
    write(id, seq, 'status', 'queued', 'attempts', 0, 'queued_at', NOW, 'redriven_at', NOW, 'chat', chat)
    place(id, chat, priority, seq)
    count('redriven')
end

local function deleted()
    return call('EXISTS', BASE .. ':deleted') == 1
end

function transitions.retry(id)
    if deleted() then
        return {'missing'}
    end
    local record = call('HMGET', message(id), 'status', 'chat', 'priority', 'redriven_at')
    if not record[1] then
        return {'missing'}
    end
    if record[1] == 'dead' then
        redrive(id, record[2], record[3])
    elseif record[4] ~= NOW then
        return {'refused', record[1]}
    end
    return {'done', call('HGETALL', message(id))}
end

-- Redrives those of `...` that are dead letters and meant ('' means any), `limit` at most; how many,
-- and how many of `...` it looked at. `left_alone` are codes of which none is meant, each between blanks.
function transitions.redrive(limit, chat, code, since, before, left_alone, ...)
    local count, ids = 0, {...}
    if deleted() then
        return {0, #ids}
    end
    chat = named(chat)
    for looked, id in ipairs(ids) do
        local record = call('HMGET', message(id), 'status', 'chat', 'priority', 'redriven_at',
            'error', 'dead_at')
        if record[1] == 'dead' then
            if (chat == '' or named(record[2]) == chat) and (code == '' or record[5] == code)
                and (since == '' or tonumber(record[6]) >= tonumber(since))
                and (before == '' or tonumber(record[6]) < tonumber(before))
                and not string.find(left_alone, ' ' .. (record[5] or '') .. ' ', 1, true) then
                redrive(id, record[2], record[3])
                count = count + 1
            end
        elseif record[4] == NOW then
            count = count + 1
        end
        if count >= tonumber(limit) then
            return {count, looked}
        end
    end
    return {count, #ids}
end

-- Takes up to `limit` letters that died before `before` off the list, the oldest first; how many.
-- The record stays until its end is mirrored, and then as long as any other that is finished.
function transitions.prune(before, limit)
    local count = 0
    for _, id in ipairs(call('ZRANGE', DEAD, 0, limit - 1)) do
        local died = call('HGET', message(id), 'dead_at')
        if died and tonumber(died) >= tonumber(before) then
            break
        end
        call('ZREM', DEAD, id)
        if died then
            write(id, sequence(), 'expired_at', NOW)
        end
        count = count + 1
    end
    return count
end
