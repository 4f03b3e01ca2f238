#!/usr/bin/env bash
# openai.sh [--build DIR]: the official `openai` package for Node against a
# gateway with simulated engines, over HTTP/1.1 and over HTTP/2 with TLS.
#
# A step of its own, because it needs npm and a registry: where either is
# missing it says so and ends with 0. Ends with "N passed, N failed".
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/asan
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=${2:?--build needs a folder}; shift 2 ;;
	*) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done

# HTTP/2 needs a fetch of its own: Node's built-in one speaks HTTP/1.1 only.
openai=6.49.0
undici=6.29.1
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/openai-$openai-$undici

skip() {
	echo "skipped: $*"
	exit 0
}
command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
[ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ] || skip "Node 18 or later is needed"
if [ ! -d "$cache/node_modules/openai" ]; then
	mkdir -p "$cache"
	log=$cache/install.log
	timeout 180 npm install --prefix "$cache" --no-fund --no-audit --ignore-scripts --no-save \
		"openai@$openai" "undici@$undici" >"$log" 2>&1 </dev/null ||
		skip "npm cannot install openai $openai: $(grep -m1 -iE 'err' "$log" || tail -1 "$log")"
fi
# An .mjs finds packages beside itself only.
cp "$here/openai.mjs" "$cache/openai.mjs"
SLUICE_BUILD=$build exec python3 "$here/openai.py" "$cache/openai.mjs"
