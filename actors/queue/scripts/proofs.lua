-- Records proofs that WhatsApp has a message, its ack or a receipt, and counts how long the message took.

local PROOF = {sent = 1, delivered = 2, read = 3}

-- Bounds in seconds of the counts of how long messages took from when they could leave first until
-- they were sent: `../records.py` has the same. That is after the end of a limit that held their chat
-- (`since`), and where messages are paced with the first claim.
local TOOK = {0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800}

local function took(seconds)
    seconds = math.max(0, seconds)
    local bucket = 1
    while TOOK[bucket] and seconds > TOOK[bucket] do
        bucket = bucket + 1
    end
    add('took:' .. bucket, 1)
    add('took:ms', math.floor(seconds * 1000 + 0.5))
end

-- The message leaves the queue, in whatever state it is: WhatsApp has had it since `at`.
local function arrived(id, record, at)
    count('sent')
    if record[1] == 'dead' or record[1] == 'cancelled' then
        count('revived')
    end
    local open = record[1] ~= 'dead' and record[1] ~= 'cancelled'
    local since = open and call('ZSCORE', SINCE, record[2]) or 0
    took(at - math.max(record[7] or at, record[8] or 0, record[9] or 0, record[15] or 0, since))
    leave(id, record[2], record[1] == 'dead')
    if record[10] or record[11] or record[12] or record[13] or record[14] then
        call('HDEL', message(id), 'uncertain', 'error', 'retry_at', 'ticket', 'expired_at')
    end
end

-- An acknowledgement or receipt proves a message sent in whatever state it is; `proofs` are pairs
-- of a status and its time, and what they change is written at once. Monotone, also in its times:
-- WhatsApp's are whole seconds, so that within one, and never after now, our clock says it better;
-- and none may lie before the step that it follows. Whether there is a record.
local function prove(id, proofs)
    local record = call('HMGET', message(id), 'status', 'chat', 'sent_at', 'delivered_at',
        'read_at', 'sending_at', 'accepted_at', 'send_at', 'redriven_at', 'uncertain', 'error',
        'retry_at', 'ticket', 'expired_at', 'paced_at')
    if not record[1] then
        return false
    end
    local times = {sent = record[3], delivered = record[4], read = record[5]}
    local known, fields = PROOF[record[1]] or 0, {}
    local function set(field, value)
        table.insert(fields, field)
        table.insert(fields, value)
    end
    local function note(status, at)
        times[status] = at
        set(status .. '_at', at)
    end
    for i = 1, #proofs, 2 do
        local status, at = proofs[i], proofs[i + 1]
        if known == 0 or not times[status] then
            if tonumber(NOW) - tonumber(at) < 1 then
                at = NOW
            end
            for _, before in pairs({times.sent, times.delivered, record[6]}) do
                if before and tonumber(before) > tonumber(at) then
                    at = before
                end
            end
            if known == 0 then
                arrived(id, record, at)
            end
            note(status, at)
            if not times.sent then
                note('sent', at)
            end
            if status ~= 'sent' and known < 2 then
                count('delivered')
            end
            if status == 'read' and known < 3 then
                count('read')
            end
            if PROOF[status] > known then
                known = PROOF[status]
                set('status', status)
            end
        end
    end
    if fields[1] then
        write(id, sequence(), unpack(fields))
    end
    return true
end
