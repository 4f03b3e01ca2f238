#!/usr/bin/env bash
# run.sh [--seconds N] [TARGET...]: fuzzes every parser, or those named, for N
# seconds each (default 600), as many at a time as there are processors, with
# libFuzzer, ASan and UBSan. Builds first. Ends with a line per target; status 1
# if there was a finding, whose input is then kept in build/fuzz/findings/.
#
# What the runs learn is kept in build/fuzz/corpus/ and used by the next run; the
# corpus in tests/fuzz/corpus/ is replayed by every test run.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=600
targets=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=${2:?--seconds needs a number}; shift 2 ;;
	-h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "run.sh: unknown option $1" >&2; exit 2 ;;
	*) targets+=("$1"); shift ;;
	esac
done
if [ ${#targets[@]} -eq 0 ]; then
	for source in tests/fuzz/*_fuzz.c; do
		name=$(basename "$source" _fuzz.c)
		targets+=("$name")
	done
fi

tests/packages.sh clang gcc libc6-dev cmake ninja-build pkg-config libevent-dev libnghttp2-dev \
	libssl-dev libhiredis-dev libcjson-dev libxxhash-dev libcmocka-dev python3
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "$(nproc)" --target "${targets[@]/#/fuzz-}"

out=build/fuzz
mkdir -p $out/corpus $out/findings $out/logs
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
# See tests/run.sh about the address space.
fixed=()
! setarch "$(uname -m)" -R true 2>/dev/null || fixed=(setarch "$(uname -m)" -R)

fuzz() {
	local name=$1
	mkdir -p "$out/corpus/$name"
	"${fixed[@]}" "$out/tests/fuzz-$name" -max_total_time="$seconds" -max_len=65536 -timeout=25 \
		-rss_limit_mb=4096 -print_final_stats=1 -artifact_prefix="$out/findings/$name-" \
		"$out/corpus/$name" "tests/fuzz/corpus/$name" >"$out/logs/$name" 2>&1
}

status=0
declare -A running=()
finish_one() {
	local pid name runs
	wait -n -p pid "${!running[@]}" && ok=0 || ok=$?
	name=${running[$pid]}
	unset "running[$pid]"
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/logs/$name")
	if [ "$ok" = 0 ]; then
		printf '%-12s %12s runs, no finding\n' "$name" "${runs:-?}"
	else
		printf '%-12s FINDING, see %s\n' "$name" "$out/logs/$name"
		status=1
	fi
}
for name in "${targets[@]}"; do
	while [ ${#running[@]} -ge "$(nproc)" ]; do finish_one; done
	fuzz "$name" &
	running[$!]=$name
done
while [ ${#running[@]} -gt 0 ]; do finish_one; done
exit $status
