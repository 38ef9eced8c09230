-- Removes finished messages before their time, where their connection has little room left (`../early_expiry.py`).

-- Milliseconds for which a record stays in any case: the day of an Idempotency-Key, and the rest of an hour.
local PROMISED = 25 * HOUR
-- Seconds within which the same key and body give the same id (`derive` in `../records.py`).
local WEEK = 7 * 24 * 3600

-- Removes those of `...` that the state store has whole and that would expire in the hour `last` or before. Of one
-- whose id a key could give once more, the bytes of that key alone leave the count: it has expired.
function transitions.expire_early(last, ...)
    last = math.min(tonumber(last), math.floor((milliseconds() + RETENTION - PROMISED) / HOUR))
    local week = math.floor((tonumber(NOW) - HOUR / 1000) / WEEK)
    for _, id in ipairs({...}) do
        local record = call('HMGET', message(id), 'status', 'stored', 'bytes', 'leaves', 'keyed', 'accepted_at')
        local leaves, stored = tonumber(record[4] or last + 1), PROOF[record[1]] and record[2] == '1'
        if stored and leaves <= last and not call('ZSCORE', CHANGED, id) then
            local weight = 0
            if record[5] and math.floor(record[6] / WEEK) >= week then
                weight = math.min(record[3], bare())
                call('HSET', message(id), 'bytes', weight, 'keyed', '0')
            else
                call('DEL', message(id))
            end
            add('bytes', weight - record[3])
            count_end(leaves, weight - record[3])
        end
    end
    note_ends()
    return 'kept'
end
