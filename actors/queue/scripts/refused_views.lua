-- Decides on finished messages whose view the state store refuses: tries it again, or forgets what they said.
--   refused   zset: the message -> its place, in the order in which the store refused them; `bytes.lua` adds

-- The mirror tries again, and holds it once more where the store refuses it once more.
function transitions.retry_refused(id)
    local record = call('HMGET', message(id), 'refused_at', 'revision')
    if record[1] then
        let_go(id)
        call('ZADD', CHANGED, record[2], id)
    end
    return call('ZSCORE', CHANGED, id) and 1 or 0
end

function transitions.discard_refused(id)
    local record = call('HMGET', message(id), 'refused_at', 'stored')
    if record[1] then
        let_go(id)
        shed(id)
        call('ZADD', FINISHED, uptime(), id)
    end
    return (record[1] or record[2] == '1') and 1 or 0
end
