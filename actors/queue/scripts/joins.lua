-- Joins of two lanes, for the transition (`renames.lua`) and for the end of an owner. Until a join is done
-- both chats rest for an unlimited time (in `gaps` and `resting`, by infinity), so that nothing of either is
-- claimed.
--   joining      hash: the old chat -> the new one, and the end of the gap by the pacing of both

local FOREVER = '+inf'

-- The joins that are not done: pairs of the new chat and the end of the gap, by the old chat.
local function unfinished()
    local found, joins = call('HGETALL', JOINING), {}
    for i = 1, #found, 2 do
        local new, gap = string.match(found[i + 1], '^(%S+) (%S+)$')
        joins[found[i]] = {new, tonumber(gap)}
    end
    return joins
end

-- An unfinished join, as it is kept.
local function joined_by(new, gap)
    return string.format('%s %.6f', new, gap)
end

-- The end of the chat's gap by the pacing; 0 where there is none.
local function gap_of(chat)
    local till = call('ZSCORE', GAPS, chat)
    return till and till ~= 'inf' and tonumber(till) or 0
end

-- Has a chat rest until `release`; one without a lane rests once it has one.
local function hold_back(chat)
    call('ZADD', GAPS, FOREVER, chat)
    if call('ZREM', READY, chat) == 1 or call('ZSCORE', RESTING, chat) then
        call('ZADD', RESTING, FOREVER, chat)
    end
end

-- Ends the rest of a chat, or has it go on until its gap is over.
local function release(chat, gap)
    call('ZREM', GAPS, chat)
    if gap > tonumber(NOW) then
        call('ZADD', GAPS, string.format('%.6f', gap), chat)
    end
    if call('ZREM', RESTING, chat) == 1 then
        ready(chat)
    end
end

-- Ends all joins with their owner, so that no chat waits for them: the next owner begins them anew.
local function end_joins()
    for old, join in pairs(unfinished()) do
        for _, chat in ipairs({old, join[1]}) do
            if call('ZSCORE', GAPS, chat) == 'inf' then
                release(chat, join[2])
            end
        end
    end
    call('DEL', JOINING)
end
