#!/usr/bin/env bash
# quickstart.sh [--once]: builds Sluice, puts it in front of two simulated
# prefill and two simulated decode engines, asks two things, and shows where
# each went and why. Stays up until Ctrl-C; --once ends with a status.
#
# Needs no GPU. Installs the Debian packages that are missing. Everything it
# starts is ended with it; nothing is left but the build folder.
set -euo pipefail
cd "$(dirname "$0")/.."

once=0
case ${1:-} in
--once) once=1 ;;
"") ;;
*) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' blue=$'\e[34m' plain=$'\e[0m'; else bold='' dim='' blue='' plain=''; fi
say() { printf '%s==>%s %s\n' "$blue$bold" "$plain" "$*"; }
fail() {
	printf 'quickstart: %s\n' "$*" >&2
	[ ! -s "$dir/sluice.log" ] || tail -20 "$dir/sluice.log" >&2
	exit 1
}

dir=$(mktemp -d)
children=() others=()
end() {
	trap - EXIT INT TERM
	[ ${#others[@]} -eq 0 ] || kill "${others[@]}" 2>/dev/null || true
	for ((i = ${#children[@]} - 1; i >= 0; i--)); do
		kill "${children[i]}" 2>/dev/null || true
		wait "${children[i]}" 2>/dev/null || true
	done
	rm -rf "$dir"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "building"
tests/packages.sh gcc libc6-dev cmake ninja-build pkg-config libevent-dev libnghttp2-dev libssl-dev \
	libcjson-dev libxxhash-dev libhiredis-dev curl
cmake --preset release >"$dir/build.log" 2>&1 && cmake --build --preset release >>"$dir/build.log" 2>&1 ||
	{ tail -30 "$dir/build.log" >&2; fail "the build failed"; }
bin=build/release

# $1 ports in a row that nobody listens on.
next=$((20000 + RANDOM % 8000))
ports() {
	local n=$1 k
	while :; do
		for ((k = 0; k < n; k++)); do
			if (exec 3<>"/dev/tcp/127.0.0.1/$((next + k))") 2>/dev/null; then
				next=$((next + k + 1))
				continue 2
			fi
		done
		port=$next
		next=$((next + n))
		return
	done
}

engines() { # ROLE: two of them; sets port
	ports 2
	"$bin/sluice-bench" engine --role "$1" --count 2 --listen "127.0.0.1:$port" --model demo \
		>"$dir/$1.log" 2>&1 </dev/null &
	children+=($!)
}
engines prefill
prefill=$port
engines decode
decode=$port
ports 2
gate=127.0.0.1:$port
admin=127.0.0.1:$((port + 1))

cat >"$dir/sluice.conf" <<END
worker_threads 2;
listen $gate;
admin $admin;
access_log $dir/access.log;

pool prefill {
	role prefill;
	connector nixl;
	server 127.0.0.1:$prefill;
	server 127.0.0.1:$((prefill + 1));
}
pool decode {
	role decode;
	connector nixl;
	server 127.0.0.1:$decode;
	server 127.0.0.1:$((decode + 1));
}
END
"$bin/sluice" -c "$dir/sluice.conf" >"$dir/sluice.log" 2>&1 </dev/null &
gateway=$!
children+=("$gateway")
for ((i = 0; ; i++)); do
	! curl -sf -o /dev/null "http://$admin/readyz" || break
	kill -0 "$gateway" 2>/dev/null || fail "the gateway ended"
	[ "$i" -lt 300 ] || fail "the gateway is not ready after 30 s"
	sleep 0.1
done
say "running: 2 prefill engines, 2 decode engines, and sluice on http://$gate"

# FILE ID: asks, and writes the words as they come.
ask() {
	local line complete=0 words=0
	printf '    '
	while IFS= read -r line; do
		case $line in
		'data: [DONE]'*) complete=1 ;;
		'data: '*)
			if [[ $line =~ \"content\":\"([^\"]*)\" ]] && [ -n "${BASH_REMATCH[1]}" ]; then
				printf '%s' "${BASH_REMATCH[1]}"
				words=$((words + 1))
			fi
			;;
		esac
	done < <(curl -sSN -m 60 "http://$gate/v1/chat/completions" -H 'Content-Type: application/json' \
		-H "X-Request-Id: $2" -d "@$1")
	printf '\n'
	[ "$complete" = 1 ] && [ "$words" -gt 0 ] || fail "the answer is not complete"
}

# ID: what the access log says about it.
where() {
	local line i prefill decode
	for ((i = 0; ; i++)); do
		line=$(grep -s "\"request_id\":\"$1\"" "$dir/access.log" || true)
		[ -z "$line" ] || break
		[ "$i" -lt 100 ] || fail "the access log has no line of the request"
		sleep 0.05
	done
	field() { sed -nE "s/.*\"$1\":(\"([^\"]*)\"|([^,}]*)).*/\2\3/p" <<<"$line"; }
	decode=$(field decode)
	prefill=$(field prefill)
	[ -n "$decode" ] || fail "the access line names no engine: $line"
	printf '    prefilled by  %s\n    decoded by    %s\n    why           %s\n    first token   %s ms\n' \
		"${prefill:-$decode, by itself}" "$decode" "$(field placement): $(field why)" "$(field ttft_ms)"
}

# TIMES TOKENS: a request that repeats its question that many times.
question() {
	local text
	text=$(printf 'What does a sluice do? %.0s' $(seq "$1"))
	printf '{"model":"demo","stream":true,"max_tokens":%s,"messages":[{"role":"user","content":"%s"}]}\n' "$2" "$text"
}
question 1 24 >"$dir/short.json"
question 250 24 >"$dir/long.json"

say "a short question, while nobody else asks"
printf '    %s$ curl -N http://%s/v1/chat/completions -H "Content-Type: application/json" \\\n          -d '"'%s'%s\n" \
	"$dim" "$gate" "$(cat "$dir/short.json")" "$plain"
ask "$dir/short.json" quickstart-1
where quickstart-1

say "a long question, while 24 other answers are being written"
question 2 1000 >"$dir/other.json"
for ((i = 0; i < 24; i++)); do
	curl -sSN -m 60 -o /dev/null "http://$gate/v1/chat/completions" -H 'Content-Type: application/json' \
		-d "@$dir/other.json" 2>/dev/null &
	others+=($!)
done
for ((i = 0; ; i++)); do
	live=$(curl -s "http://$admin/metrics" | sed -n 's/^sluice_requests_live //p')
	[ "${live:-0}" -lt 24 ] || break
	[ "$i" -lt 100 ] || fail "the other requests do not run"
	sleep 0.05
done
ask "$dir/long.json" quickstart-2
where quickstart-2
kill "${others[@]}" 2>/dev/null || true
wait "${others[@]}" 2>/dev/null || true
others=()

say "the fleet"
"$bin/sluicectl" -a "$admin" status | sed 's/^/    /'

[ "$once" = 0 ] || exit 0
say "it is yours until Ctrl-C"
cat <<END
    curl http://$gate/v1/models
    curl http://$gate/v1/chat/completions -H "Content-Type: application/json" \\
         -d '{"model":"demo","max_tokens":16,"messages":[{"role":"user","content":"hello"}]}'
    curl --http2-prior-knowledge -N http://$gate/v1/completions -H "Content-Type: application/json" \\
         -d '{"model":"demo","max_tokens":16,"prompt":"Once upon a time","stream":true}'
    curl http://$admin/metrics
    tail -f $dir/access.log
    $bin/sluicectl -a $admin status
END
wait "$gateway"
