#!/usr/bin/env bash
# probes.sh scale|faults|slow [OPTION...]: what probing costs and what it finds,
# measured against simulated engines on this machine.
#
#   scale   CPU of the gateway that probes 1,000 engines every 500 ms, pages of
#           150 kB, and 100 engines every second; p99 of requests with and without
#   faults  for each fault of an engine, a GPU or an exporter: the time until it
#           gets no new requests, and what clients noticed
#   slow    TPOT with two of 16 engines four times slower, against a healthy fleet
#
# Each prints a Markdown table; --report FILE also writes it, --help lists the
# rest. SLUICE_BUILD: a build folder to take instead of build/release.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

what=${1:-}
case $what in
scale | faults | slow) shift ;;
*) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
if [ -z "${SLUICE_BUILD:-}" ]; then
	cmake -S "$root" --preset release >/dev/null
	cmake --build "$root/build/release" --target sluice sluice-bench >/dev/null
	export SLUICE_BUILD=$root/build/release
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$root/bench/probes/$what.py" "$@"
