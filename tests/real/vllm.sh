#!/usr/bin/env bash
# vllm.sh [--build DIR] [--report FILE]: the gateway in front of real vLLM
# engines on the CPU: a prefill/decode pair that moves KV blocks over NIXL, and
# an ordinary engine whose text is the yardstick.
#
# A step of its own: it installs vLLM into ${SLUICE_REAL_DIR} (6 GB, default
# ~/.cache/sluice-real) and needs 12 GB of memory and some ten minutes on two
# cores. Where that cannot be had it says why and ends with 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/release
report=$here/../../docs/real-vllm.md
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=${2:?--build needs a folder}; shift 2 ;;
	--report) report=${2:?--report needs a file}; shift 2 ;;
	*) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
root=${SLUICE_REAL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice-real}

free_mb=$(awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
if [ "$free_mb" -lt 11000 ]; then
	echo "skipped: 11000 MB of memory are needed, $free_mb MB are free"
	exit 0
fi
status=0
"$here/install.sh" "$root" || status=$?
[ "$status" != 3 ] || exit 0
[ "$status" = 0 ] || exit "$status"
SLUICE_BUILD=$build exec python3 "$here/vllm_checks.py" "$root" "$report"
