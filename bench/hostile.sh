#!/usr/bin/env bash
# hostile.sh [--seconds N] [--only NAME]...: an honest client's p99 and the
# gateway's memory under each of the attacks of bench/hostile/attacks.py.
#
# Each attack meets a fresh gateway (release build, 2 workers) with engines of
# its own; the honest client asks for another model at 80 requests a second.
# The attacker is one process at nice 19, so that on a small machine what is
# measured is the gateway's work for it and not the attacker's own. Prints a
# Markdown table and ends with 1 if a goal was missed. SLUICE_BUILD: a build
# folder to take instead of build/release.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1:-} in
-h | --help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
build=${SLUICE_BUILD:-build/release}
if [ -z "${SLUICE_BUILD:-}" ]; then
	cmake --preset release >/dev/null
	cmake --build --preset release >/dev/null
fi
SLUICE_BUILD=$build exec python3 bench/hostile/hostile.py "$@"
