#!/usr/bin/env bash
# install_ollama.sh DIR: Ollama v0.17.4 with its runner for the CPU, into DIR/ollama.
#
# Twenty minutes on one core; OLLAMA=PROGRAM takes that one.
# Exits with 3 and a reason where it cannot be had.
#
# A Go module's archive leaves out folders named vendor, where Ollama keeps a few
# header-only libraries; the tree of llama.cpp has the same ones.
set -euo pipefail

dir=${1:?usage: install_ollama.sh DIR}
version=v0.17.4
. "$(dirname "$0")/recipe.sh"

if [ -n "${OLLAMA:-}" ]; then
	echo "$OLLAMA"
	exit 0
fi
if [ ! -x ollama ]; then
	command -v go >/dev/null || skip "go is not installed"
	need_disk 4000
	get_llama_tree
	headers=$dir/$llama_tree/vendor
	export GOMODCACHE=$dir/go-modules GOCACHE=$dir/go-cache GOBIN=$dir/go-bin GOFLAGS=-modcacherw
	export CGO_CFLAGS=-O1 CGO_CXXFLAGS=-O1
	export CGO_CPPFLAGS="-I$headers -I$headers/stb -I$headers/miniaudio -I$headers/nlohmann"
	nice -n 19 go install -p "${BUILD_JOBS:-1}" "github.com/ollama/ollama@$version" 2> ollama-build.log || {
		tail -3 ollama-build.log >&2
		skip "Ollama $version cannot be built"
	}
	mv go-bin/ollama ollama
	rm -rf go-cache go-modules go-bin
fi
echo "Ollama $version in $dir/ollama"
