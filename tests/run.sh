#!/usr/bin/env bash
# run.sh [--preset NAME] [-R FILTER] [CTEST OPTION...]: everything from a clean
# clone to ctest's summary, which is the end of the output.
#
#   --preset NAME   a preset of CMakePresets.json: asan (default), dev, tsan, fuzz
#   -R FILTER       only the tests whose name matches
#   JOBS=N          tests at a time (default 2)
#
# Installs the Debian packages that are missing (as root, or through sudo).
set -euo pipefail
cd "$(dirname "$0")/.."

preset=asan
options=()
while [ $# -gt 0 ]; do
	case $1 in
	--preset) preset=${2:?--preset needs a name}; shift 2 ;;
	--preset=*) preset=${1#*=}; shift ;;
	-h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) options+=("$1"); shift ;;
	esac
done

packages=(gcc libc6-dev cmake ninja-build pkg-config libevent-dev libnghttp2-dev libssl-dev
	libcjson-dev libxxhash-dev libhiredis-dev libcmocka-dev python3 openssl curl nghttp2-client
	redis-server clang-format-14)
[ "$preset" != fuzz ] || packages+=(clang)
tests/packages.sh "${packages[@]}"

cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" -j "$(nproc)"

# gcc 12's sanitizers need a smaller address space layout than new kernels
# choose; where that cannot be asked for, they mostly work all the same.
fixed=()
! setarch "$(uname -m)" -R true 2>/dev/null || fixed=(setarch "$(uname -m)" -R)
# An allocation that is too large must fail as malloc fails, not end the program.
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-second_deadlock_stack=1}
exec "${fixed[@]}" ctest --test-dir "build/$preset" -j "${JOBS:-2}" --output-on-failure \
	"${options[@]}" </dev/null
