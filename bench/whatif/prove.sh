#!/bin/bash
# prove.sh: every figure that docs/routing.md and bench/results/ claim of routing
# policies, one command each: a what-if run of one configuration.
#
#   bench/whatif/prove.sh TRACES [CASE...]
#
# TRACES is a folder with conversation_trace.jsonl and synthetic_trace.jsonl
# (github.com/kvcache-ai/Mooncake, FAST25-release/traces) and
# AzureLLMInferenceTrace_conv.csv and _code.csv (github.com/Azure/AzurePublicDataset,
# data). A case whose trace is not there is skipped, and says so. Results go to
# bench/results/whatif/CASE.txt and .json, the summary to bench/results/whatif.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
traces=${1:?usage: bench/whatif/prove.sh TRACES [CASE...]}
shift
wanted=" $* "
program=$(realpath "${SLUICE_BENCH:-build/release/sluice-bench}")
out=bench/results/whatif
commit=$(git rev-parse --short HEAD)
mkdir -p "$out"

if [ ! -x "$program" ]; then
	cmake --preset release >/dev/null
	cmake --build --preset release --target sluice-bench
fi

# NAME TRACE OPTION...
run_case() {
	local name=$1 trace=$2
	shift 2
	if [ "$wanted" != "  " ] && [[ $wanted != *" $name "* ]]; then
		return
	fi
	case $trace in
	synthetic:*) ;;
	*)
		if [ ! -f "$traces/$trace" ]; then
			echo "skipped: $name, $traces/$trace is not there" >&2
			return
		fi
		;;
	esac
	echo "$name" >&2
	# From its folder, so that the report names the trace and no path.
	(cd "$traces" && "$program" whatif --quiet --commit "$commit" --trace "$trace" --seed 1 "$@" \
		--json -) >"$out/$name.json" 2>"$out/$name.txt"
}

conversation=conversation_trace.jsonl
synthetic=synthetic_trace.jsonl
azure_conv=AzureLLMInferenceTrace_conv.csv
azure_code=AzureLLMInferenceTrace_code.csv
big="--profile llama3-70b-h100-tp4"
# Without roles always-remote is not possible, and the two deciders are the
# policies that they belong to.
all="--knee --policy sluice,round-robin,random,least-request,power-of-two,sglang-cache-aware"
all+=",sglang-smallest-tree,kubeai-chwbl,aibrix-prefix-cache,llm-d,llm-d-50ms,llm-d-sticky,preble-e2"
all+=",mooncake,dynamo-linear,dynamo-lmetric,lmetric,oracle"

# The goodput knee: the configurations of the study...
run_case knee-conversation-16x8b $conversation --rate-factor 7 $all
run_case knee-conversation-16x8b-4kv $conversation --rate-factor 7 --kv-factor 4 $all
run_case knee-conversation-64x8b $conversation --rate-factor 28 --engines 64 $all
run_case knee-conversation-8x70b $conversation --rate-factor 0.8 --engines 8 $big $all
run_case knee-synthetic-8x70b-4kv $synthetic --rate-factor 1.2 --engines 8 --kv-factor 4 $big $all
run_case knee-synthetic-16x8b-4kv $synthetic --rate-factor 9 --kv-factor 4 $all
run_case knee-azure-conv-16x8b $azure_conv --rate-factor 55 $all
# ...and those it did not try: other sizes, mixed speeds, other splits, short
# prompts, bursts, a cold fleet, less memory, conversations.
run_case knee-conversation-32x8b $conversation --rate-factor 14 --engines 32 $all
run_case knee-conversation-mixed-speeds $conversation --rate-factor 5 --slow 4x1.5 --slow 4x2 $all
run_case knee-conversation-4p12d $conversation --rate-factor 7 --prefill 4 --decode 12 --policy all --knee
run_case knee-synthetic-6p10d-4kv $synthetic --rate-factor 8 --kv-factor 4 --prefill 6 --decode 10 --policy all --knee
run_case knee-synthetic-16x8b $synthetic --rate-factor 7 $all
run_case knee-conversation-5p11d $conversation --rate-factor 7 --prefill 5 --decode 11 --policy all --knee
run_case knee-conversation-8p8d $conversation --rate-factor 7 --prefill 8 --decode 8 --policy all --knee
run_case knee-short-16x8b synthetic:short,requests=60000 --rate-factor 120 \
	--slo-ttft 500 --slo-tpot 25 $all
run_case knee-chat-16x8b synthetic:chat,requests=60000 --rate-factor 18 $all
run_case knee-conversation-burst $conversation --rate-factor 5 --burst 4x30s@120s $all
run_case knee-conversation-cold $conversation --limit 1500 --rate-factor 7 $all

# Disaggregated, the same traffic on every split.
for split in 5:11 6:10 7:9 8:8 9:7; do
	run_case "split-${split/:/p}d" $conversation --rate-factor 7 \
		--prefill "${split%:*}" --decode "${split#*:}" --policy all
done

# Two of 16 engines four times slower, and a healthy fleet of the same capacity:
# 16 engines instead of 14.5, at 16 / 14.5 of the rate.
few="--policy sluice,mooncake,lmetric,dynamo-linear,llm-d,round-robin"
run_case slow-2x4 $conversation --rate-factor 6 --slow 2x4 $few
run_case slow-healthy $conversation --rate-factor 6.6207 $few

# Every request shares its first 8 KiB.
run_case shared-8k synthetic:shared --rate-factor 4 --policy all

# Four gateways that hear each other, and that are cut off.
for delay in 5ms 50ms 200ms off; do
	run_case "replicas-4-$delay" $conversation --rate-factor 6 --replicas 4 --replica-delay $delay
done
run_case replicas-1 $conversation --rate-factor 6
run_case replicas-16-5ms $conversation --rate-factor 6 --replicas 16 --replica-delay 5ms
run_case replicas-16-off $conversation --rate-factor 6 --replicas 16 --replica-delay off

# An engine that was away and has returned, and one that has joined: the knee
# afterwards, with few hot prefixes and with the conversations.
known="--policy sluice,sglang-cache-aware,lmetric --knee --warmup 30s"
run_case return-hot-before synthetic:hot,requests=50000 --rate-factor 8 $known
run_case return-hot-after synthetic:hot,requests=50000 --rate-factor 8 $known --fail 3@10s+10s
run_case return-conversation-before $conversation --rate-factor 7 $known
run_case return-conversation-after $conversation --rate-factor 7 $known --fail 3@10s+10s
run_case join-hot-after synthetic:hot,requests=50000 --rate-factor 8 --engines 15 --join 1@20s $known

python3 bench/whatif/prove.py "$out" >bench/results/whatif.md
echo "bench/results/whatif.md" >&2
