# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A cache of things that are slow to make, and lines that tell how far one is. To be sourced:
#
#	. "$(dirname "$(readlink -f "$0")")/lib/cache.sh"
#
# The cache is the directory ${XDG_CACHE_HOME:-$HOME/.cache}/volt. An entry is a directory whose
# name is its key, NAME-HASH, with the hash made of everything that the entry depends on.
#
#	cache_root
#		Prints the cache's directory, which it makes.
#
#	cache_hash ITEM...
#		Prints 16 hex digits that stand for all items in this order: @FILE counts for
#		the contents of FILE, anything else for itself.
#
#	cache_get KEY BUILD [ARG...]
#		Prints the directory of entry KEY, after building it if there is none. BUILD is
#		a function of the calling script or a program. It is called as
#		"BUILD DIR [ARG...]" with an empty directory DIR to fill, and has to fail if it
#		cannot. It runs in a bash of its own with "set -euo pipefail" in force, which
#		has all functions of the calling script and its *exported* variables: pass the
#		rest as arguments. Its standard input is empty, its output goes to stderr.
#
#	cache_peek KEY
#		Prints the directory of entry KEY if there is one, else fails silently.
#
#	cache_newest NAME
#		Prints the directory of the entry called NAME-anything that was used last, for
#		those who cannot find out the right key just now; fails silently without one.
#
#	note TEXT...		a line on stderr: what happens now
#	die TEXT...		a line on stderr, then exit status 1
#	progress LABEL [TOTAL]	reads lines, and tells on stderr how many of TOTAL came so far
#
# What may be relied on:
# - An entry is complete or absent. It is built under a temporary name, flushed and renamed.
# - Two runs that want one entry at the same time share one build: the builder holds a lock on the
#   key, the other waits for it and says so.
# - A build that dies leaves a temporary directory, which the next build of anything removes.
# - The whole cache may be deleted at any time. A build that loses its directory this way starts
#   again. Who opens files of an entry after that gets "no such file": open early, ask anew.
# - Nobody but the builder writes into an entry: copy what is to be changed.
# - When an entry is published, those of the same NAME go that nobody used for an hour, except the
#   eight used last.

CACHE_LIB="$(readlink -f "${BASH_SOURCE[0]}")"
export CACHE_LIB
CACHE_KEEP=8
CACHE_KEEP_MINUTES=60

note() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die() {
	note "$@"
	exit 1
}

# A terminal gets one line that is rewritten, anything else a line every ten seconds.
progress() {
	local label="$1" total="${2:-0}" count=0 last=-10 text='' _line

	while IFS= read -r _line; do
		count=$((count + 1))
		text="$label: $count"
		if [ "$total" -gt 0 ]; then
			text+=" of about $total"
		fi
		if [ -t 2 ]; then
			printf '\r\033[K%s' "$text" >&2
		elif [ $((SECONDS - last)) -ge 10 ]; then
			note "$text"
			last=$SECONDS
		fi
	done
	if [ -t 2 ] && [ "$count" -gt 0 ]; then
		printf '\r\033[K' >&2
	fi
}

cache_root() {
	local root="${XDG_CACHE_HOME:-}"

	# A relative XDG_CACHE_HOME is to be ignored (XDG Base Directory Specification).
	if [ "${root#/}" = "$root" ]; then
		root="${HOME:?is not set, so there is no place for the cache}/.cache"
	fi
	root+=/volt
	if ! mkdir -p "$root" 2>/dev/null; then
		note "cannot make the cache directory $root; set XDG_CACHE_HOME to a writable place"
		return 1
	fi
	printf '%s\n' "$root"
}

cache_hash() {
	local item sum all=''

	for item; do
		if [ "${item#@}" != "$item" ]; then
			sum=$(sha256sum <"${item#@}") || return
		else
			sum=$(printf '%s' "$item" | sha256sum) || return
		fi
		all+="$sum"
	done
	sum=$(printf '%s' "$all" | sha256sum) || return
	printf '%.16s\n' "$sum"
}

cache_peek() {
	local root entry

	root=$(cache_root) || return
	entry="$root/$1"
	[ -d "$entry" ] || return
	touch -c "$entry" 2>/dev/null || :
	printf '%s\n' "$entry"
}

cache_newest() {
	local root entry newest=''

	root=$(cache_root) || return
	for entry in "$root/$1"-*; do
		if [ -d "$entry" ] && { [ -z "$newest" ] || [ "$entry" -nt "$newest" ]; }; then
			newest="$entry"
		fi
	done
	[ -n "$newest" ] || return
	cache_peek "${newest##*/}"
}

# A temporary directory whose lock can be had belongs to a build that died.
cache_sweep() {
	local root="$1" mine="$2" tmp key fd

	for tmp in "$root"/.tmp.*; do
		[ -d "$tmp" ] || continue
		key="${tmp##*/.tmp.}"
		key="${key%.*}"
		if [ "$key" = "$mine" ]; then
			rm -rf "$tmp"
		elif { exec {fd}<>"$root/.lock.$key"; } 2>/dev/null; then
			if flock --nonblock "$fd"; then
				rm -rf "$tmp"
			fi
			exec {fd}>&-
		fi
	done
}

# Renamed first, so that nobody sees half of an entry.
cache_prune() {
	local root="$1" key="$2" old gone

	find "$root" -mindepth 1 -maxdepth 1 -type d -name "${key%-*}-*" ! -name "$key" \
		-printf '%T@ %f\n' | sort -rn | tail -n "+$CACHE_KEEP" | cut -d ' ' -f 2- |
		while IFS= read -r old; do
		[ -n "$(find "$root/$old" -maxdepth 0 -mmin "+$CACHE_KEEP_MINUTES")" ] || continue
		gone=$(mktemp -d "$root/.tmp.$old.XXXXXX") || continue
		mv -T "$root/$old" "$gone" 2>/dev/null || :
		rm -rf "$gone"
	done
}

# With the lock of $2 held. Dies with its caller, and takes no lock on another's behalf: the
# descriptor stays with the shell that waits here.
cache_build() {
	local root="$1" key="$2" fd="$3" tmp status=0

	shift 3
	cache_sweep "$root" "$key"
	tmp=$(mktemp -d "$root/.tmp.$key.XXXXXX") || return
	chmod 755 "$tmp"
	setpriv --pdeathsig TERM bash -c "$(declare -f); set -euo pipefail; \"\$@\"" \
		"$0" "$1" "$tmp" "${@:2}" </dev/null >&2 {fd}>&- || status=$?
	if [ ! -d "$tmp" ]; then
		return 75
	fi
	if [ "$status" -ne 0 ]; then
		note "could not build $key (exit status $status)"
		rm -rf "$tmp"
		return 1
	fi
	# The entry is found by its name alone, so its contents have to reach the disk first.
	sync -f "$tmp" || :
	mv -T "$tmp" "$root/$key" 2>/dev/null || rm -rf "$tmp"
	if [ ! -d "$root/$key" ]; then
		return 75
	fi
	cache_prune "$root" "$key"
}

cache_get() {
	local root key="$1" fd try status

	shift
	if cache_peek "$key"; then
		return
	fi
	root=$(cache_root) || return
	for try in 1 2 3; do
		mkdir -p "$root"
		if ! { exec {fd}<>"$root/.lock.$key"; } 2>/dev/null; then
			[ -d "$root" ] || continue
			note "cannot write to the cache $root; set XDG_CACHE_HOME to a writable place"
			return 1
		fi
		if ! flock --nonblock "$fd"; then
			note "waiting for another run that builds $key"
			flock "$fd" || return
		fi
		status=0
		if [ ! -d "$root/$key" ]; then
			cache_build "$root" "$key" "$fd" "$@" || status=$?
		fi
		exec {fd}>&-
		if [ "$status" -ne 75 ]; then
			[ "$status" -eq 0 ] || return "$status"
			cache_peek "$key" && return
		fi
		note "the cache was deleted while $key was built, building again ($try)"
	done
	note "the cache $root does not stay; giving up"
	return 1
}
