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
    local record = call('HMGET', message(id), 'refused_at', 'bytes', 'keyed', 'stored')
    if record[1] then
        let_go(id)
        local weight, last = bare(record[3]), last_hour()
        shed(id, weight, last)
        call('PEXPIRE', message(id), RETENTION)
        add('bytes', weight - record[2])
        count_end(last, weight)
        note_ends()
    end
    return (record[1] or record[4] == '1') and 1 or 0
end
