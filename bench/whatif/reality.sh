#!/usr/bin/env bash
# reality.sh TRACE [--requests N] [--engines N] [--prefill P --decode D]
#            [--rate-factor X] [--speed S] [--seed N] [--repeat N] [--report FILE]
#
# The same trace twice: through the real gateway to simulated engines, as fast
# as it was recorded, and through `sluice-bench whatif`. Prints TTFT and TPOT
# of both as a Markdown table, real ones as medians of --repeat runs, and ends
# with 1 if a median is off by more than 10 %.
#
# --engines, --prefill and --decode are what-if's: without the latter two all
# engines do both. --speed S makes engines and traffic S times faster than
# real; times are shown at speed 1. On a machine with too little processor
# engines fall behind and the comparison says nothing: watch the schedule lag.
# SLUICE_BUILD: a build folder to take instead of build/release.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)

case ${1:-} in
-h | --help | "") sed -n '2,15s/^# \{0,1\}//p' "$0"; exit $(($# == 0 ? 2 : 0)) ;;
esac
if [ -z "${SLUICE_BUILD:-}" ]; then
	cmake -S "$root" --preset release >/dev/null
	cmake --build "$root/build/release" --target sluice sluice-bench >/dev/null
	export SLUICE_BUILD=$root/build/release
fi
export PYTHONDONTWRITEBYTECODE=1
exec python3 "$root/bench/whatif/reality.py" "$@"
