#!/usr/bin/env bash
# soak.sh [--minutes M | --seconds S] [--seed N] [--preset asan|release]
#         [--build DIR] [--report FILE] [--clients N]
#
# Mixed traffic, clients that leave and stall, malformed requests, reloads,
# engines that die, freeze and come back, Redis that goes away, all from one
# seed. Every answer's text is checked; at the end nothing may be left over.
# Exit status 0 only if all holds. docs/soak.md says what is done and judged.
#
# Builds what is missing; with --build the programs of that folder are taken as
# they are. Needs no GPU.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release build='' options=()
while [ $# -gt 0 ]; do
	case $1 in
	--preset) preset=${2:?--preset needs a name}; shift 2 ;;
	--build) build=${2:?--build needs a folder}; shift 2 ;;
	-h | --help) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) options+=("$1"); shift ;;
	esac
done
tests/packages.sh gcc libc6-dev cmake ninja-build pkg-config libevent-dev libnghttp2-dev libssl-dev \
	libhiredis-dev libcjson-dev libxxhash-dev redis-server python3 openssl
if [ -z "$build" ]; then
	build=build/$preset
	cmake --preset "$preset" >/dev/null
	cmake --build "$build" --target sluice sluice-bench >/dev/null
fi

# gcc 12's sanitizers need a smaller address space layout than new kernels choose.
fixed=()
! setarch "$(uname -m)" -R true 2>/dev/null || fixed=(setarch "$(uname -m)" -R)
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1:detect_leaks=1}
export PYTHONDONTWRITEBYTECODE=1
exec "${fixed[@]}" python3 bench/soak/main.py --build "$build" "${options[@]}"
