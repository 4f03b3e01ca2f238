#!/usr/bin/env bash
# packages.sh NAME...: installs the Debian packages that are missing, and only
# then asks for root or sudo. Prints nothing when there is nothing to do.
set -euo pipefail

missing=()
for package in "$@"; do
	state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
	[ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "missing Debian packages, and neither root nor sudo: ${missing[*]}" >&2
		exit 1
	fi
	root=(sudo)
fi
install() {
	"${root[@]}" env DEBIAN_FRONTEND=noninteractive \
		apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null
}

echo "installing ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The package lists may be empty or old: they are fetched only when that shows.
if ! install >"$log" 2>&1; then
	if ! { "${root[@]}" apt-get update -qq </dev/null && install; } >"$log" 2>&1; then
		cat "$log" >&2
		exit 1
	fi
fi
