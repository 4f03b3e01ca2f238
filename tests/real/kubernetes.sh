#!/usr/bin/env bash
# kubernetes.sh URL [--token FILE] [--ca FILE] [--denied FILE] [--compact CMD]
# [--kill CMD --start CMD] [--build DIR]: the gateway against a real API server.
#
# A step of its own: in a namespace that it makes and takes away it writes some
# 600 pods that no node will ever run, changes and deletes them, and after every
# change, cut and failure compares /fleet with what the server itself lists. The
# token must be allowed to create namespaces, and pods and EndpointSlices with
# their status. --denied holds the token of somebody who may list nothing. The
# CMDs are run by a shell: --compact drops etcd's history, --kill ends the API
# server at once, --start starts it again; what needs one that is not given is
# left out, and said to be. Without a URL nothing is done, and that is no failure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ $# = 0 ]; then
	sed -n '2,13s/^# \{0,1\}//p' "$0"
	echo "skipped: no API server was named"
	exit 0
fi
url=$1
shift
build=$here/../../build/release
options=()
while [ $# -gt 0 ]; do
	case $1 in
	--build) build=${2:?--build needs a folder}; shift 2 ;;
	--token | --ca | --denied | --compact | --kill | --start)
		options+=("$1" "${2:?$1 needs a value}"); shift 2 ;;
	*) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
done
SLUICE_BUILD=$build exec python3 "$here/kubernetes.py" "$url" "${options[@]}"
