-- Takes, renews, reports to and releases the lease of a connection: the record `teimoso:{connection}:lease`.
--   epoch    rises with every taking, never falls
--   actor, pid, node, started   the owner; counts only while `released` is 0
--   token    names the taking, so that a repeated one is recognised
--   state, cause, since, account   what the owner sees, or the root's verdict
--   retry_at when the owner tries again, where it waits
--   obstacle, until    an obstacle to its login by any owner: outlives this one
--   session, final    how far the owner's session was known to be, as `EPOCH COMMIT`, and whether it
--            was given back at that; kept by a taking, for the next owner goes by it
--   behind   since when the session's backups have failed
--   pairing_step   what linking waits for: qr, code, passkey
--   version_ends_at    when WhatsApp stops accepting the version that the owner announced
--   limited_until, limit_reason    until when WhatsApp lets the account write to nobody new, and why
--   mistaken_at    when WhatsApp took a message for malformed last
--   linked_at      when the account was linked first
--   refused_documents    how many items the state store refuses, set aside in the session
--   refused_sends        how many finished messages the queue keeps for that reason (its scripts write it)
--   refused_full         1 where one more has no room there
--   deferred_files       how many files that arrived wait
--   over_budget_files    how many of those wait for the next day
--   beat     last renewal
--   fell     how the owner ended, where the root saw it
--   restarts takings after an owner that had not released
-- Renewal has three outcomes: kept, lost, missing; a transport error is none of them.

function transitions.take(known, actor, pid, node, token, started)
    if call('HEXISTS', BASE .. ':deleted', 'removed') == 1 then
        return {}
    end
    local old = call('HMGET', LEASE, 'epoch', 'released', 'restarts', 'token', 'fell')
    if old[4] == token then
        return call('HGETALL', LEASE)
    end
    local restarts = tonumber(old[3] or 0)
    if old[1] and old[2] ~= '1' then
        restarts = restarts + 1
    end
    local epoch = math.max(tonumber(old[1] or 0), tonumber(known)) + 1
    call('HSET', LEASE, 'epoch', epoch, 'actor', actor, 'pid', pid, 'node', node,
        'token', token, 'started', started or '', 'released', 0, 'state', 'connecting', 'cause', '', 'since', NOW,
        'beat', NOW, 'restarts', restarts, 'retry_at', '', 'pairing_step', '')
    call('HDEL', LEASE, 'fell')
    call('DEL', QR, PAIRING_CODE, PASSKEY)
    cut_off({epoch = old[1] or 0, how = old[5] or 'unseen'})
    -- An older owner may still block on the token: let it wake and learn that it lost, or it
    -- would swallow the next one, which is for the new owner.
    wake()
    return call('HGETALL', LEASE)
end

function transitions.renew(epoch)
    if call('EXISTS', LEASE) == 0 then
        return 'missing'
    end
    if not owns(epoch) then
        return 'lost'
    end
    call('HSET', LEASE, 'beat', NOW)
    return 'kept'
end

-- Of a socket that is closed there is nothing to scan or to type any more.
local function show(key, state, text, expires_at, left)
    if state ~= 'pairing' or text == '' then
        call('DEL', key)
    else
        call('HSET', key, 'text', text, 'expires_at', expires_at)
        call('PEXPIRE', key, left)
    end
end

-- The step that linking waits for.
local function step(state, qr, code, passkey)
    if state ~= 'pairing' then
        return ''
    end
    return passkey ~= '' and 'passkey' or code ~= '' and 'code' or qr ~= '' and 'qr' or ''
end

function transitions.report(epoch, state, cause, account, qr, expires_at, left, retry_at,
    obstacle, until_, code, code_expires_at, code_left, version_ends_at, passkey, passkey_expires_at,
    passkey_left, limited_until, limit_reason, mistaken_at, refused_documents,
    deferred_files, over_budget_files, refused_full, linked_at)
    if not owns(epoch) then
        return 'lost'
    end
    call('HSET', LEASE, 'state', state, 'cause', cause, 'since', NOW, 'retry_at', retry_at,
        'obstacle', obstacle, 'until', until_, 'version_ends_at', version_ends_at,
        'pairing_step', step(state, qr, code, passkey), 'limited_until', limited_until,
        'limit_reason', limit_reason, 'mistaken_at', mistaken_at, 'refused_documents', refused_documents,
        'deferred_files', deferred_files, 'over_budget_files', over_budget_files,
        'refused_full', refused_full, 'linked_at', linked_at)
    if account ~= '' then
        call('HSET', LEASE, 'account', account)
    end
    show(QR, state, qr, expires_at, left)
    show(PAIRING_CODE, state, code, code_expires_at, code_left)
    show(PASSKEY, state, passkey, passkey_expires_at, passkey_left)
    return 'kept'
end

-- Where nothing is said about the session, what is known of it stays.
function transitions.note_session(epoch, session, final, behind)
    if not owns(epoch) then
        return 'lost'
    end
    if session ~= '' then
        call('HSET', LEASE, 'session', session, 'final', final)
    end
    call('HSET', LEASE, 'behind', behind)
    return 'kept'
end

-- Writes what a connection without an owner is. One that was unlinked has to be linked again.
local function settle(state, cause)
    call('HSET', LEASE, 'state', state, 'cause', cause, 'since', NOW, 'retry_at', '',
        'pairing_step', '')
    if state == 'logged_out' then
        call('HSET', LEASE, 'obstacle', state, 'until', '')
    end
    call('DEL', QR, PAIRING_CODE, PASSKEY)
end

function transitions.release(epoch, state, cause)
    local lease = call('HMGET', LEASE, 'epoch', 'released')
    if lease[1] ~= epoch then
        return 'lost'
    end
    if lease[2] ~= '1' then
        call('HSET', LEASE, 'released', 1)
        settle(state, cause)
        cut_off()
    end
    return 'kept'
end

function transitions.mark(epoch, state, cause)
    if call('HGET', LEASE, 'epoch') ~= epoch then
        return 'lost'
    end
    settle(state, cause)
    call('HSET', LEASE, 'fell', cause)
    return 'kept'
end
