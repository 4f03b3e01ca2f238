#!/usr/bin/env bash
# cpu.sh [--rounds N] [--requests N] [--sizes 1024,8192,65536] [--json FILE]
#        [--baseline SLUICE]: CPU per request of sluice and of nghttpx, HAProxy
# and nginx, side by side; with --baseline also of another sluice, as it was
# before a change.
#
# One worker each, the same 16 engines behind each, an HTTP/2 client without
# TLS (h2load, 32 connections of 8 streams), valid chat bodies. The rounds are
# interleaved (A B C D, A B C D, ...) because a machine's speed drifts: compare
# the ratios, not the microseconds. sluice routes (it reads every body, keeps
# its prefix index and prices every engine); the others take turns.
#
# Installs the Debian packages of the peers if they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1:-} in
-h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
tests/packages.sh gcc libc6-dev cmake ninja-build pkg-config libevent-dev libnghttp2-dev libssl-dev \
	libcjson-dev libxxhash-dev libhiredis-dev python3 nghttp2-client nghttp2-proxy haproxy nginx-light
build=${SLUICE_BUILD:-build/release}
if [ -z "${SLUICE_BUILD:-}" ]; then
	cmake --preset release >/dev/null
	cmake --build --preset release >/dev/null
fi
SLUICE_BUILD=$build exec python3 bench/peers/cpu.py "$@"
