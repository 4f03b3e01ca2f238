#!/usr/bin/env bash
# engines.sh [--build DIR] [--report FILE] [ENGINE...]: one gateway in front of
# real engines of several kinds on the CPU: vllm-0.32.0, vllm-0.19.1, kserve,
# llama-server, ollama; all of them unless some are named.
#
# A step of its own: it installs what is missing into ${SLUICE_REAL_DIR} (default
# ~/.cache/sluice-real; 20 GB with everything) and builds llama-server and Ollama
# there, half an hour on one core; LLAMA_SERVER and OLLAMA may name programs that
# are there already. It needs 10 GB of memory and some fifteen minutes. An engine
# that cannot be had is left out and it says why; without any it ends with 0.
# KServe's server listens on every address of the machine while it runs.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/release
report=$here/../../docs/real-engines.md
wanted=()
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=${2:?--build needs a folder}; shift 2 ;;
	--report) report=${2:?--report needs a file}; shift 2 ;;
	vllm-0.32.0 | vllm-0.19.1 | kserve | llama-server | ollama) wanted+=("$1"); shift ;;
	*) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
[ "${#wanted[@]}" -gt 0 ] || wanted=(vllm-0.32.0 vllm-0.19.1 kserve llama-server ollama)
root=$(realpath -m "${SLUICE_REAL_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice-real}")
build=$(realpath "$build")
report=$(realpath -m "$report")

# What each takes while it runs, in MB, from what is free at the start.
free_mb=$(awk '/MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
enough_memory() {
	local need_mb
	case $1 in
	vllm-*) need_mb=4500 ;;
	kserve) need_mb=1200 ;;
	*) need_mb=300 ;;
	esac
	if [ "$free_mb" -lt "$need_mb" ]; then
		echo "skipped: $need_mb MB of memory are needed, $free_mb MB are left" >&2
		return 3
	fi
	free_mb=$((free_mb - need_mb))
}

install() {
	case $1 in
	vllm-*) "$here/install.sh" "$root" "${1#vllm-}" ;;
	kserve) "$here/install_kserve.sh" "$root" ;;
	llama-server) "$here/install_llama.sh" "$root" ;;
	ollama) "$here/install_ollama.sh" "$root" ;;
	esac
}

had=() # ENGINE, or ENGINE=why it is not there
for engine in "${wanted[@]}"; do
	status=0
	why=$({ enough_memory "$engine" && install "$engine" >&2; } 2>&1) || status=$?
	case $status in
	0) had+=("$engine"); enough_memory "$engine" ;;
	3) echo "$engine: $why"; had+=("$engine=$(tail -1 <<<"$why")") ;;
	*) echo "$engine: $why"; exit "$status" ;;
	esac
done
cd / # an engine started with `python -m` would find the step's own programs
SLUICE_BUILD=$build exec python3 "$here/engines.py" "$root" "$report" "${had[@]}"
