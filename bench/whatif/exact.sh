#!/usr/bin/env bash
# exact.sh [FOLDER]: what-if runs are bit-exact. Builds sluice-bench with gcc and
# clang, each for debugging (-O0), for release (-O2, link-time optimisation) and
# for this very processor (with fused multiply-add, where it has it), lets all
# make the same runs, and compares every figure that they print: times, shares,
# the digest of all decisions. Each build also makes each run a second time, on
# one thread. Exit status 1: something differs.
#
# FOLDER keeps the builds for the next time; without it they go to a temporary
# one. GCC and CLANG name other compilers.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
folder=${1:-$out/builds}
mkdir -p "$folder"

clang=${CLANG:-$(command -v clang || command -v clang-14)}
builds=(
	"gcc-debug     ${GCC:-gcc} OFF -O0"
	"gcc-release   ${GCC:-gcc} ON  -O2"
	"gcc-native    ${GCC:-gcc} OFF -O3 -march=native"
	"clang-debug   $clang      OFF -O0"
	"clang-release $clang      ON  -O2"
	"clang-native  $clang      OFF -O3 -march=native"
)

# A name, and what sluice-bench whatif is asked.
runs=(
	"aggregated    --trace synthetic:hot,requests=1500,rate=120 --engines 8"
	"long          --trace synthetic:long,requests=300,rate=40 --engines 8"
	"memory        --trace synthetic:chat,requests=1500,rate=4 --rate-factor 8 --engines 3 --kv-factor 0.04"
	"disaggregated --trace synthetic:hot,requests=1500,rate=120 --engines 8 --prefill 3 --decode 5"
	"mixed         --trace synthetic:chat,requests=1500,rate=4 --rate-factor 30 --engines 8 --prefill 2 --decode 3"
	"slow          --trace synthetic:shared,requests=1500,rate=120 --engines 8 --slow 2x4 --slow 1x0.5"
	"replicas      --trace synthetic:hot,requests=1500,rate=120 --engines 8 --replicas 4 --replica-delay 5ms"
	"cut-off       --trace synthetic:hot,requests=1500,rate=120 --engines 8 --replicas 4 --replica-delay off"
	"outages       --trace synthetic:hot,requests=1500,rate=120 --engines 8 --prefill 3 --decode 5 --fail 0@2s+4s --fail 4@3s+1s --fail 5@4s+30s --join 2@6s"
	"seed          --trace synthetic:hot,requests=1500,rate=120,seed=9 --engines 8 --burst 3x3s@2s --spread 2s --seed 77"
	"fused         --trace synthetic:hot,requests=400,rate=90,seed=6 --engines 6 --seed 6"
	"fused-remote  --trace synthetic:hot,requests=400,rate=90,seed=17 --engines 6 --prefill 2 --decode 4 --replicas 2 --seed 17"
	"knee          --trace synthetic:hot,requests=2000,rate=40 --engines 2 --knee"
)

build() { # NAME COMPILER LTO FLAGS
	local log=$out/$1.log

	cmake -S "$source" -B "$folder/$1" -G Ninja -DCMAKE_C_COMPILER="$2" -DCMAKE_BUILD_TYPE=Release \
		-DCMAKE_C_FLAGS_RELEASE="$4" -DCMAKE_INTERPROCEDURAL_OPTIMIZATION="$3" \
		-DSLUICE_TESTS=OFF >"$log" 2>&1 &&
		ninja -C "$folder/$1" ${JOBS:+-j "$JOBS"} sluice-bench >>"$log" 2>&1 ||
		{ cat "$log" >&2; return 1; }
}

# All that it prints but the date and its own command line, as a digest.
digest() { # BUILD OPTION...
	local build=$1

	shift
	"$folder/$build/sluice-bench" whatif "$@" --policy all --quiet --json - 2>"$out/stderr" |
		sed -E 's/"(date|command)":"[^"]*"//g' | sha256sum | cut -c1-12
}

for b in "${builds[@]}"; do
	read -r name compiler lto flags <<<"$b"
	build "$name" "$compiler" "$lto" "$flags"
done

status=0
printf '%-14s' run
for b in "${builds[@]}"; do printf ' %-14s' "${b%% *}"; done
printf ' %s\n' verdict
for r in "${runs[@]}"; do
	read -r name options <<<"$r"
	first='' verdict=same
	printf '%-14s' "$name"
	for b in "${builds[@]}"; do
		# shellcheck disable=SC2086 # words of a command line
		got=$(digest "${b%% *}" $options)
		# shellcheck disable=SC2086
		again=$(digest "${b%% *}" $options --threads 1)
		[ "$again" = "$got" ] || verdict='DIFFERS by itself'
		[ "${first:=$got}" = "$got" ] || verdict=DIFFERS
		printf ' %-14s' "$got"
	done
	printf ' %s\n' "$verdict"
	[ "$verdict" = same ] || status=1
done
exit "$status"
