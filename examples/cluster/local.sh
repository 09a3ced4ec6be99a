#!/usr/bin/env bash
# Several workers on this machine: bash local.sh NUMBER FLAGS OF train.py
#
#     bash examples/cluster/local.sh 2 --dataset=planted-100k --run_dir=runs/two
#
# Each is a process with the same TF_CONFIG but for its index; worker 0 prints.
set -u
number=$1
shift
train="$(cd "$(dirname "$0")/../.." && pwd)/train.py"
first_port=${FIRST_PORT:-12300}

cluster=""
for ((index = 0; index < number; index++)); do
    cluster+="${cluster:+, }\"localhost:$((first_port + index))\""
done

workers=()
for ((index = 0; index < number; index++)); do
    TF_CONFIG="{\"cluster\": {\"worker\": [$cluster]}, \"task\": {\"type\": \"worker\", \"index\": $index}}" \
        "${PYTHON:-python}" "$train" --distribution=multi_worker "$@" &
    workers+=($!)
done

# one signal stops them all: they stop together, and the best weights are kept
trap 'kill -TERM "${workers[0]}"' INT TERM
code=0
for worker in "${workers[@]}"; do
    while kill -0 "$worker" 2>/dev/null; do wait "$worker"; last=$?; done
    [ "${last:-0}" -gt "$code" ] && code=$last
done
exit "$code"
