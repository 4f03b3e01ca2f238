#!/usr/bin/env bash
# lint.sh: all that is checked without running the programs, and clang-tidy
# where it is installed (BUILD: a build folder with compile_commands.json). Of
# its checks those that find more than there is are left out: what they say of
# va_list, of pointers to pointers and of text without a final zero is wrong here.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

status=0
for check in includes.py sizes.py links.py shown.py words.sh format.sh; do
	"$here/$check"
	code=$?
	[ "$code" = 0 ] || [ "$code" = 77 ] || status=1
done

tidy=$(command -v clang-tidy-14 || command -v clang-tidy || true)
build=${BUILD:-build/dev}
if [ -z "$tidy" ]; then
	echo "skipped: clang-tidy is not installed"
elif [ ! -f "$build/compile_commands.json" ]; then
	echo "skipped: clang-tidy needs $build/compile_commands.json"
else
	find routing probes gateway bench -name '*.c' -print0 | sort -z |
		xargs -0 "$tidy" -p "$build" --quiet --warnings-as-errors='*' \
			--checks='-*,bugprone-*,-bugprone-easily-swappable-parameters,-bugprone-assignment-in-if-condition,-bugprone-branch-clone,-bugprone-narrowing-conversions,-bugprone-reserved-identifier,-bugprone-implicit-widening-of-multiplication-result,-bugprone-sizeof-expression,-bugprone-not-null-terminated-result' ||
		status=1
fi
exit "$status"
