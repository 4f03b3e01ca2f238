#!/usr/bin/env bash
# h2spec.sh [--build DIR] [--verbose]: h2spec 2.2.1, strict, against the real
# gateway on three ports: TLS, h2c only, and one that also serves HTTP/1.1.
#
# A step of its own, because h2spec is a Go program: it is taken from $H2SPEC,
# from the PATH, or built by `go` into the user's cache; where none of these
# can be had it says so and ends with 77. Ends with one line a port.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/asan
verbose=
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=${2:?--build needs a folder}; shift 2 ;;
	--verbose) verbose=--verbose; shift ;;
	*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done

version=2.2.1
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/h2spec-$version

skip() {
	echo "skipped: $*"
	exit 77
}

h2spec=${H2SPEC:-$(command -v h2spec || true)}
if [ -z "$h2spec" ]; then
	h2spec=$cache/h2spec
	if [ ! -x "$h2spec" ]; then
		go=$(command -v go || ls /usr/local/go/bin/go 2>/dev/null || true)
		[ -n "$go" ] || skip "h2spec is not on the PATH, H2SPEC is not set, and there is no go to build it"
		mkdir -p "$cache"
		GOBIN=$cache timeout 300 "$go" install \
			"github.com/summerwind/h2spec/cmd/h2spec@v$version+incompatible" >"$cache/build.log" 2>&1 ||
			skip "go cannot build h2spec $version: $(tail -1 "$cache/build.log")"
	fi
fi
[ -x "$h2spec" ] || skip "$h2spec is no program"
SLUICE_BUILD=$build exec python3 "$here/h2spec.py" "$h2spec" $verbose
