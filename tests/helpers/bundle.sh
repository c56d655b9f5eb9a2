#!/usr/bin/env bash
# Programs of this host, made to run in any rootfs, as a tar stream on standard output. Each comes with its loader and
# libraries in a private folder, and a wrapper that names them, so a rootfs with another libc does not matter.
# usage: tests/helpers/bundle.sh BINDIR LIBDIR PROGRAM… | ssh … tar -x -C /
set -euo pipefail

[ $# -ge 3 ] || {
	echo "usage: bundle.sh BINDIR LIBDIR PROGRAM…" >&2
	exit 2
}
bin=$1 lib=$2
shift 2

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
mkdir -p "$stage$bin" "$stage$lib"

for program in "$@"; do
	file=$(realpath "$(command -v "$program")")
	name=${program##*/}
	loader=
	while read -r library; do
		cp -Lu "$library" "$stage$lib/"
		case ${library##*/} in ld-*) loader=${library##*/} ;; esac
	done < <(ldd "$file" | grep -o '/[^ )]*')
	cp "$file" "$stage$lib/$name"
	printf '#!/bin/sh\nexec %s/%s --library-path %s %s/%s "$@"\n' "$lib" "$loader" "$lib" "$lib" "$name" >"$stage$bin/$name"
	chmod 755 "$stage$bin/$name" "$stage$lib/$name"
done
tar -C "$stage" --owner=0 --group=0 -c "${bin#/}" "${lib#/}"
