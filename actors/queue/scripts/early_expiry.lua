-- Removes finished messages before their time, where their connection has little room left (`../early_expiry.py`).

-- Milliseconds for which a record stays in any case: the day of its Idempotency-Key, and the rest of an hour.
local PROMISED = 25 * HOUR

-- Removes those of `...` that the state store has whole and that would expire in the hour `last` or before.
function transitions.expire_early(last, ...)
    last = math.min(tonumber(last), math.floor((milliseconds() + RETENTION - PROMISED) / HOUR))
    for _, id in ipairs({...}) do
        local record = call('HMGET', message(id), 'status', 'stored', 'bytes', 'leaves')
        local leaves, stored = tonumber(record[4] or last + 1), PROOF[record[1]] and record[2] == '1'
        if stored and leaves <= last and not call('ZSCORE', CHANGED, id) then
            call('DEL', message(id))
            add('bytes', -record[3])
            count_end(leaves, -record[3])
        end
    end
    note_ends()
    return 'kept'
end
