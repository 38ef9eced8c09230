-- Puts a command before the owner of a connection, unless as many wait as may.
--
-- KEYS  the list of ids, and the key of the command
-- ARGV  how many may wait, the id, the command, the milliseconds for which it waits
-- Returns 1, or 0 where nothing was put.

if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[1]) then
    return 0
end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
