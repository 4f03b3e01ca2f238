#!/usr/bin/env bash
# format.sh [--fix]: every C file is as clang-format 14 would write it.
# Exits with 77 (skipped) where that version is not installed: others differ.
set -euo pipefail
cd "$(dirname "$0")/../.."

tool=$(command -v clang-format-14 || true)
if [ -z "$tool" ]; then
	echo "skipped: clang-format-14 is not installed"
	exit 77
fi
mapfile -d '' files < <(find include routing probes gateway bench tests \
	-name corpus -prune -o \( -name '*.c' -o -name '*.h' \) -print0 | sort -z)
if [ "${1:-}" = --fix ]; then
	"$tool" -i "${files[@]}"
	exit 0
fi
if found=$("$tool" --dry-run -Werror --ferror-limit=1 "${files[@]}" 2>&1); then
	echo "format: ${#files[@]} files as they should be"
	exit 0
fi
grep 'error:' <<<"$found"
echo "run tests/lint/format.sh --fix"
exit 1
