#!/usr/bin/env bash
# install_kserve.sh DIR: KServe's model server 0.21.0, into DIR/vllm-0.24.0.
#
# Its OpenAI routes take their types from vLLM, at the version it pins. Exits with
# 3 and a reason where it cannot be had.
set -euo pipefail

dir=${1:?usage: install_kserve.sh DIR}
version=0.21.0
vllm=0.24.0
. "$(dirname "$0")/recipe.sh"

"$here/install.sh" "$dir" "$vllm" >&2
if [ ! -f "vllm-$vllm/.kserve" ]; then
	tools/bin/uv pip install -q --python "vllm-$vllm/bin/python" --override "vllm-$vllm.override" \
		"kserve==$version" || skip "KServe $version cannot be installed from the package index"
	touch "vllm-$vllm/.kserve"
fi
echo "KServe $version in $dir/vllm-$vllm"
