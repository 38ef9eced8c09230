-- The bytes that a connection's messages take in Redis, and how they become fewer: a message that WhatsApp has
-- loses its words once the state store has them, and the record of a finished one expires after it is mirrored.
--   counters.bytes   the sum of `bytes` of all records; `accept` adds, and refuses what is beyond the budget
--   leaving          hash: an hour (since the epoch, by Redis' clock) -> the sum of the records that expire in it,
--                    so that nobody has to see each of them go

-- Records of finished messages, in milliseconds: seven days, longer than a spool may last.
local RETENTION = 7 * 24 * 3600 * 1000
local HOUR = 3600 * 1000
-- Bytes of a record without words, with its key and its expiry: an upper bound, measured (`make bench`).
local BARE = 520
-- Those of one that is open, beside its words: `accept.lua` has the same.
local WEIGHT = 1000

local function milliseconds()
    local time = call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- Counts a record by `bytes` where it counted by `before`; `leaves` is the hour of its end, if it has one.
local function recount(id, bytes, before, leaves)
    local more = bytes - (before or 0)
    if more ~= 0 then
        add('bytes', more)
        call('HSET', message(id), 'bytes', bytes)
        if leaves then
            call('HINCRBY', LEAVING, leaves, more)
        end
    end
end

-- Has a record expire in so many milliseconds.
local function expire(id, within, bytes)
    local leaves = math.floor((milliseconds() + within) / HOUR)
    call('HSET', message(id), 'leaves', leaves)
    call('HINCRBY', LEAVING, leaves, bytes)
    call('PEXPIRE', message(id), within)
end

-- Drops the words. The record is made anew: Redis stores a hash compactly only if none of its values ever was a
-- long one.
local function shed(id)
    local record, kept = call('HGETALL', message(id)), {'text', '', 'stored', '1'}
    for i = 1, #record, 2 do
        if record[i] ~= 'text' and record[i] ~= 'content' then
            table.insert(kept, record[i])
            table.insert(kept, record[i + 1])
        end
    end
    local left = call('PTTL', message(id))
    call('DEL', message(id))
    call('HSET', message(id), unpack(kept))
    if left > 0 then
        call('PEXPIRE', message(id), left)
    end
end

-- `...` are stored elsewhere: each three are an id, the revision that is stored, and 1 where it is stored with
-- its words. A record that changed since stays marked.
function transitions.mirrored(...)
    local given = {...}
    for i = 1, #given, 3 do
        local id, revision, words = given[i], given[i + 1], given[i + 2]
        if call('ZSCORE', CHANGED, id) == revision then
            call('ZREM', CHANGED, id)
            local record = call('HMGET', message(id), 'status', 'expired_at', 'stored', 'bytes', 'leaves')
            local proven = PROOF[record[1]]
            if proven and words == '1' and record[3] ~= '1' then
                shed(id)
                recount(id, BARE, record[4], record[5])
                record[4] = BARE
            end
            if not record[5] and (proven or record[1] == 'cancelled' or record[2]) then
                expire(id, RETENTION, record[4] or 0)
            end
        end
    end
    return 'kept'
end

-- Counts what has expired no longer; the number of bytes that are left.
function transitions.expired()
    local now, left = math.floor(milliseconds() / HOUR), call('HGETALL', LEAVING)
    for i = 1, #left, 2 do
        if tonumber(left[i]) < now then
            add('bytes', -left[i + 1])
            call('HDEL', LEAVING, left[i])
        end
    end
    return (call('HGET', COUNTERS, 'bytes') or 0) + (added.bytes or 0)
end

-- Counts those of `...` that count for nothing: an older release accepted them. After the `last` all records count.
function transitions.weigh(last, ...)
    for _, id in ipairs({...}) do
        local record = call('HMGET', message(id), 'status', 'bytes', 'leaves', 'stored')
        if record[1] and not record[2] then
            local words = call('HSTRLEN', message(id), 'text') + call('HSTRLEN', message(id), 'content')
            recount(id, record[4] == '1' and BARE or WEIGHT + words, 0, record[3])
            local left = call('PTTL', message(id))
            if left > 0 and not record[3] then
                expire(id, left, call('HGET', message(id), 'bytes'))
            end
        end
    end
    if last == '1' then
        call('HSET', COUNTERS, 'weighed', 1)
    end
    return 'kept'
end
