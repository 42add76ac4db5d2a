# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# lib.sh - what every static check shares
#
# A check is a script that sources this file, defines three functions and
# ends with "static_main "$@"":
#
#	check DIR	looks at the tree in DIR (the current directory),
#			prints findings as "file:line: text" and returns 1, or
#			returns 0; "skip REASON" when a tool is missing
#	good DIR	writes a small tree into DIR that must pass
#	bad DIR N	changes that tree so that it must fail; N is 1, and goes
#			up to $bads if the check sets that
#
# usage of every check: NAME.sh [DIR]	check DIR, default: this repository
#			NAME.sh --selftest	prove that it can pass and fail

set -euo pipefail

static_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
static_top=$(cd "$static_dir/../.." && pwd)
if [[ -z ${XEN_VIRTIO_CACHE:-} ]]; then
	XEN_VIRTIO_CACHE=/var/cache/xen-virtio
	if ((EUID != 0)) && [[ ! -w $XEN_VIRTIO_CACHE ]]; then
		XEN_VIRTIO_CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/xen-virtio
	fi
fi
static_tmp=
static_jobs=$(nproc)

skip() {
	echo "skipped: $*"
	exit 4
}

need() { # COMMAND...
	local tool

	for tool; do
		command -v "$tool" >/dev/null || skip "no $tool here"
	done
}

# A directory that goes away with the check.
scratch() { # NAME: prints the path
	mkdir -p "$static_tmp/$1"
	echo "$static_tmp/$1"
}

# The files of the tree below the current directory: what git knows or would
# add, else everything.
tree_files() { # PATTERN...: shell patterns for the whole path
	local file pattern

	if [[ -e .git ]]; then
		git -c safe.directory='*' ls-files -co --exclude-standard
	else
		find . -type f -printf '%P\n'
	fi | sort | while read -r file; do
		[[ -f $file ]] || continue
		for pattern; do
			# shellcheck disable=SC2053 # a pattern on purpose
			[[ $file == $pattern ]] || continue
			echo "$file"
			break
		done
	done
}

shell_files() {
	local file

	tree_files '*' | while read -r file; do
		case $file in
		*.sh) echo "$file" ;;
		*.*) ;;
		*)
			head -c 80 "$file" | head -n 1 |
				grep -qaE '^#!.*\<(ba)?sh\>' && echo "$file"
			;;
		esac
	done || true
}

# A check that builds works on a copy, so that it neither leaves products in
# the tree nor finds stale ones there.
copy_tree() { # DESTINATION
	tree_files '*' | tar -c -T - | tar -x -C "$1"
}

# checkpatch and kernel-doc are in no binary package: they are taken out of the
# kernel source package once.  Prints the directory that they are in.
kernel_scripts() {
	local dir=$XEN_VIRTIO_CACHE/kernel-scripts
	local name=linux-source-6.12 file wanted=()

	for file in checkpatch.pl const_structs.checkpatch kernel-doc \
		spelling.txt; do
		wanted+=("$name/scripts/$file")
	done
	mkdir -p "$dir"
	(
		flock 9
		[[ ! -e $dir/complete ]] || exit 0
		fetch_package "$dir" "$name"
		# tar stops when it has the files; dpkg-deb then complains.
		dpkg-deb --fsys-tarfile "$dir"/$name*.deb 2>/dev/null |
			tar -xO "./usr/src/$name.tar.xz" 2>/dev/null |
			tar -xJ -C "$dir" --strip-components=2 --occurrence=1 \
				"${wanted[@]}" || true
		for file in "${wanted[@]}"; do
			[[ -s $dir/${file##*/} ]]
		done
		rm -f "$dir"/$name*.deb
		touch "$dir/complete"
	) 9>"$dir/lock" >&2 || skip "no kernel scripts from $name"
	echo "$dir"
}

fetch_package() { # DIR PACKAGE
	cd "$1"
	rm -f "$2"_*.deb
	apt-get -qq download "$2" && return
	((EUID)) || apt-get -qq update
	apt-get -qq download "$2"
}

compile_good() { # DIR
	mkdir "$1/tools"
	cat >"$1/tools/Makefile" <<-'EOF'
		CFLAGS := -Wall -Wextra
		all: sample.o
	EOF
	echo 'int sample; /* nothing */' >"$1/tools/sample.c"
}

compile_bad() { # DIR
	echo 'static int sample;' >"$1/tools/sample.c"
}

# Prints "directory<TAB>command" for each user-space C file: the commands that
# make would run in tools/ and tests/unit, and plain ones for other tests.
compile_lines() {
	local flags="-std=gnu11 -O2 -Wall -Wextra" file gnu

	flags+=" -Itools -Iinclude -Itests/unit"
	make_lines tools all
	make_lines tests/unit check-plain
	tree_files 'tests/*.c' | while read -r file; do
		! grep -q '^#include <linux/module.h>' "$file" || continue
		gnu=-D_GNU_SOURCE
		! grep -q '^#define _GNU_SOURCE' "$file" || gnu=
		printf '%s\tstatic-cc %s -c %s\n' "$PWD" "$flags $gnu" "$file"
	done
}

make_lines() { # DIR TARGET
	local log

	[[ -e $1/Makefile ]] || return 0
	log=$(scratch make)/log
	make -C "$1" -nB CC=static-cc V=1 O=. "$2" >"$log" 2>&1 || {
		cat "$log" >&2
		return 1
	}
	# Commands that go over several lines become one.
	sed -e ':more' -e '/\\$/N; s/\\\n//; t more' "$log" |
		grep -oE '\<static-cc .*' | sed "s|^|$PWD/$1\t|"
}

# Compiles it all with COMPILER, and warnings are errors.
compile_user() { # COMPILER
	local lines

	need "$1" make pkg-config python3
	lines=$(scratch lines)/lines
	compile_lines >"$lines"
	python3 "$static_dir/compdb.py" "$1" <"$lines" | tr '\n' '\0' |
		xargs -0 -r -n 1 -P "$static_jobs" sh -c
}

# For the tools that want compile_commands.json.
compile_commands() { # DIR
	compile_lines >"$1/lines"
	python3 "$static_dir/compdb.py" <"$1/lines" \
		>"$1/compile_commands.json"
}

static_cleanup() {
	[[ -z $static_tmp ]] || rm -rf "$static_tmp"
}

# Runs the check in a directory and turns its status into 0, 1 or 4.
static_run() { # DIR
	local status

	# Not "( ... ) || status=$?", nor a caller that does so: it would
	# switch off -e inside check().
	set +e
	(
		set -e
		cd "$1"
		check "$1"
	)
	status=$?
	set -e
	case $status in
	0 | 4) return $status ;;
	*) return 1 ;;
	esac
}

# One sample that must pass, then each of the bad ones, which must fail and
# name the sample.
static_selftest() {
	local name dir status=0 i

	name=$(basename "$0" .sh)
	dir=$(scratch sample)
	good "$dir"
	"$0" "$dir" >"$static_tmp/out" 2>&1 || status=$?
	if ((status == 4)); then
		cat "$static_tmp/out"
		return 4
	fi
	if ((status)); then
		echo "$name: fails on a good sample:"
		cat "$static_tmp/out"
		return 1
	fi
	for ((i = 1; i <= ${bads:-1}; i++)); do
		rm -rf "$dir"
		mkdir "$dir"
		good "$dir"
		bad "$dir" "$i"
		status=0
		"$0" "$dir" >"$static_tmp/out" 2>&1 || status=$?
		if ((status != 1)) || ! grep -q sample "$static_tmp/out"; then
			echo "$name: does not fail as it should on sample $i:"
			cat "$static_tmp/out"
			return 1
		fi
		echo "$name: fails as it should on sample $i:"
		cat "$static_tmp/out"
	done
}

static_main() {
	mkdir -p "$XEN_VIRTIO_CACHE/tmp"
	static_tmp=$(mktemp -d "$XEN_VIRTIO_CACHE/tmp/static.XXXXXX")
	trap static_cleanup EXIT
	case ${1:-} in
	--selftest) static_selftest ;;
	*) static_run "$(cd "${1:-$static_top}" && pwd)" ;;
	esac
}
