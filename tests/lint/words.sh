#!/usr/bin/env bash
# words.sh: nothing unfinished and nobody's own machine in the tree.
set -uo pipefail
cd "$(dirname "$0")/../.."

files() {
	find . \( -name .git -o -name build -o -name node_modules -o -name corpus -o -name .cache \) -prune -o \
		-type f "$@" -print0
}

# The brackets keep these patterns from finding themselves.
marks=$(files \( -name '*.[ch]' -o -name '*.def' -o -name '*.sh' -o -name '*.py' -o -name '*.mjs' -o -name '*.txt' \) |
	xargs -0 grep -nIE '\b(T[O]DO|F[I]XME|X[X]X|H[A]CK)\b')
paths=$(files | xargs -0 grep -nIE '(^|[^A-Za-z0-9_.~$}/-])/(h[o]me|r[o]ot|w[o]rk|U[s]ers|tmp/b[u]ild[^ ]*)/[A-Za-z.]')
long=$(files \( -name '*.[ch]' -o -name '*.def' \) | xargs -0 grep -nIP '^(?!SL_|\s*").{121,}$')

[ -z "$marks" ] || printf 'unfinished, by its own word:\n%s\n' "$marks"
[ -z "$paths" ] || printf 'a path of one machine only:\n%s\n' "$paths"
[ -z "$long" ] || printf 'lines over 120 columns:\n%s\n' "$long"
[ -z "$marks$paths$long" ] && echo "words: nothing found"
