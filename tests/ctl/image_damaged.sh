# shellcheck shell=bash
# carrelctl image import of what is no archive, or not whole, or too much, or no image.

# shellcheck source=tests/lib/images.sh
. "$lib/images.sh"

setup() {
	prepare_images
}

test_not_an_archive() {
	head -c 20000 /dev/zero | tr '\0' x >"$tar"
	refused 'not a tar archive'
	: >"$tar"
	refused ''
	head -c 20000 /dev/zero | gzip -c >"$tar"
	refused 'no /bin/sh'
	head -c 5000 "$B/carrelctl" >"$tar"
	refused 'not a tar archive'
	tar=$work/missing.tar
	refused 'cannot open'
	tar=$work
	refused 'not a regular file'
	mkfifo "$work/fifo"
	tar=$work/fifo
	refused 'not a regular file' # and does not wait for a writer
}

test_cut_off() {
	local whole size

	archive <<-'END'
		file large zeros=50000
		file zeros zeros=512
	END
	size=$(stat -c %s "$tar")
	cp "$tar" "$work/whole.tar"
	head -c $((size - 30000)) "$work/whole.tar" >"$tar"
	refused '[Tt]runcated'
	head -c $((size - 1024)) "$work/whole.tar" >"$tar" # all entries, and no end
	refused 'was cut off'
	gzip -c "$tar" >"$tar.gz"
	mv "$tar.gz" "$tar"
	refused 'was cut off'
	head -c $((size - 512)) "$work/whole.tar" >"$tar" # one of two blocks of zeros is enough
	accepted
	head -c 700 "$work/whole.tar" >"$tar"
	refused ''
	head -c 100000 "$TEST_IMAGE" >"$tar"
	refused '[Tt]runcated'
	gzip -c "$work/whole.tar" >"$work/whole.tar.gz"
	whole=$(stat -c %s "$work/whole.tar.gz")
	head -c $((whole / 2)) "$work/whole.tar.gz" >"$tar"
	refused ''
}

# Names are bytes, as for the kernel; only where the archive says that they are UTF-8 must they be.
test_names_that_are_not_utf8() {
	local latin=$'\xe9t\xe9'

	{
		shell_entries
		entry dir "$latin"
		entry symlink "$latin/link" to="$latin"
		entry hardlink "$latin/hard" to="$latin/link"
		entry file x pax=hdrcharset:BINARY pax="path:$latin/binary" data=x
		entry end
	} >"$tar"
	accepted
	expect_eq "binary hard link" "$(ls "$rootfs/$latin" | paste -sd' ')"
	expect_eq "$latin" "$(readlink "$rootfs/$latin/hard")"
	carrelctl image verify evil
	drop evil
	{ shell_entries && entry file x pax="path:$latin" data=x && entry end; } >"$tar"
	refused "Pathname can't be converted from UTF-8"
	{ shell_entries && entry symlink x to=y pax="linkpath:$latin" && entry end; } >"$tar"
	refused "Linkname can't be converted from UTF-8"
}

test_damaged_header() {
	archive <<<'file x data=y'
	printf 'X' | dd of="$tar" bs=1 seek=1600 conv=notrunc status=none # in the header of x
	refused '[Dd]amaged'
}

test_no_shell() {
	{ entry file etc/os-release data=x && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry dir bin/sh && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry file bin/sh mode=644 && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	# One that the host has and the image has not.
	{ entry symlink bin/sh to=/usr/bin/env && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry symlink bin/sh to=../../../../../../usr/bin/env && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry symlink bin/sh to=sh && entry end; } >"$tar"
	refused 'no /bin/sh in the image'
	{ entry symlink bin/sh to=/busy && entry file busy && entry end; } >"$tar"
	accepted
	drop evil
}

test_os_release_that_is_not_one() {
	archive <<-END
		dir etc
		symlink etc/os-release to=$watched/secret
	END
	accepted
	expect_eq 1 "$(grep -cx 'os=' "$images/evil/manifest")"
	archive <<<'fifo etc/os-release mode=666'
	accepted # and does not wait for a writer
	{
		shell_entries
		entry file etc/os-release data=$'ID=x\nPRETTY_NAME="Evil\e[2J \\"Linux\\""\n'
		entry end
	} >"$tar"
	accepted
	expect_eq 'os=Evil\x1b[2J "Linux"' "$(grep '^os=' "$images/evil/manifest")"
	drop evil
}

# --- a digest that is given ---

# One bit of a file in an archive that is stored, not deflated: nothing but a checksum can tell.
flip_a_bit() { # FROM TO
	python3 - "$@" <<-'END'
		import sys, zlib
		packer = zlib.compressobj(0, zlib.DEFLATED, 31)
		data = bytearray(packer.compress(open(sys.argv[1], "rb").read()) + packer.flush())
		data[data.index(b"precious")] ^= 1
		open(sys.argv[2], "wb").write(data)
	END
}

test_sha512() {
	local sum short zeros

	zeros=$(printf '%0128d' 0)
	archive <<<'file x data=precious'
	cp "$tar" "$work/whole.tar"
	sum=$(sha512sum <"$tar")
	sum=${sum%% *}
	expect_status 0 carrelctl image import --sha512 "$sum" good "$tar"
	expect_match "\"digest\": \"sha512:$sum\"" "$(carrelctl image list --json)"
	drop good
	expect_status 0 carrelctl image import good "$tar" --no-sftp --sha512 "${sum^^}"
	drop good
	expect_status 1 carrelctl image import --sha512 "$zeros" evil "$tar"
	expect_match "cannot import '$tar': its SHA-512 begins with ${sum:0:16}, and should with 0{16}$" "$errors"
	no_images
	for short in "${sum:1}" "${sum}0" "${sum:1}g" ''; do
		expect_status 2 carrelctl image import --sha512 "$short" evil "$tar"
		expect_match 'is not a SHA-512 digest: 128 hexadecimal digits' "$errors"
	done
	expect_status 2 carrelctl image import --sha512 "$sum" evil "oci:$work"
	expect_match "'--sha512' is for an archive" "$errors"
	flip_a_bit "$work/whole.tar" "$tar"
	fails gzip -t <"$tar"
	gzip -c "$work/whole.tar" >"$work/whole.tar.gz"
	sum=$(sha512sum <"$work/whole.tar.gz")
	expect_status 1 carrelctl image import --sha512 "${sum%% *}" evil "$tar"
	expect_match 'its SHA-512 begins with' "$errors"
	no_images
}

# --- too much of something ---

test_too_long_and_too_deep() {
	archive <<<"file x pax=path:$(printf 'd/%.0s' {1..300})x"
	refused 'too long or too deep'
	archive <<<"dir x pax=path:$(printf 'n%.0s' {1..256})"
	refused 'too long or too deep'
	archive <<<"hardlink x to=bin/sh pax=linkpath:$(printf 'n%.0s' {1..256})"
	refused 'too long or too deep'
	archive <<<"dir x pax=path:$(printf 'd/%.0s' {1..200})x"
	accepted
	drop evil
}

test_too_large() {
	archive <<<'file x pax=size:70000000000 data=x'
	refused 'larger than 64 GiB'
	# A hole of the size of a continent.
	archive <<<'file x pax=GNU.sparse.major:1 pax=GNU.sparse.minor:0 pax=GNU.sparse.realsize:1152921504606846976 data=0'
	refused ''
}
