#!/bin/sh
# waiting_agent.sh COMMAND…: one of a raylet's two agents, once somebody opens the dashboard.
#
# Until then it waits at a FIFO of the session's directory and takes no memory. The raylet reads the agent's ports from
# files, so that these are written at once. What is written to the FIFO is the dashboard's port: the agent of the dashboard
# starts that one as well.
for word; do
    value=${word#*=}
    case $word in
    */agent.py) agent=$word ;;
    --session-dir=*) session=$value shared="$shared $word" ;;
    --temp-dir=* | --log-dir=* | --gcs-address=* | --cluster-id-hex=* | --node-ip-address=* | --logging-rotate-*)
        shared="$shared $word" ;;
    --node-id=*) node=$value ;;
    --metrics-export-port=*) ports="$ports metrics_export_port:$value" ;;
    --grpc-port=*) ports="$ports metrics_agent_port:$value" ;;
    --listen-port=*) ports="$ports dashboard_agent_listen_port:$value" name=dashboard_agent ;;
    --runtime-env-agent-port=*) ports="$ports runtime_env_agent_port:$value" name=runtime_env_agent ;;
    esac
done
fifo=$session/$name.waiting
rm -f "$fifo" # a head that goes on has the session of the one before
mkfifo -m 600 "$fifo" || exit 1
for each in $ports; do
    file=$session/${each%:*}_$node
    printf %s "${each#*:}" >"$file.new" && mv "$file.new" "$file" || exit 1
done
read -r port <"$fifo"
rm -f "$fifo"
if [ "$name" = dashboard_agent ]; then
    # shellcheck disable=SC2086 # options of Ray, without spaces
    "$1" "${agent%agent.py}dashboard.py" --host=127.0.0.1 --port="$port" --port-retries=0 --proxy-server-url= $shared \
        >"$session/logs/dashboard.out" 2>&1 &
fi
exec "$@"
