# Read by the scripts that try packages and sticks: a bare Debian over an overlay,
# booted in a container. They set work, a folder of their own, and have unshared mounts
# and network; $1 of a function is what it is about. stop ends everything.
# shellcheck shell=sh

pids=
init=

fail() { echo "✗ $*" >&2; exit 1; }

until_ok() { # seconds, what is waited for, command
	seconds=$1 what=$2 end=$(($(date +%s) + $1))
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -lt $end ] || { tail -n 20 "$work"/*.log >&2; fail "not within $seconds s: $what"; }
		sleep 0.2
	done
}

bare_root() { # folder: a bare root to be written to, with nothing of another in it
	if [ ! -d "$work/space" ]; then
		mkdir "$work/space"
		mount -t tmpfs tmpfs "$work/space"
	fi
	name=$(basename "$1")
	mkdir -p "$1" "$work/space/$name.upper" "$work/space/$name.work"
	mount -t overlay overlay -o "lowerdir=$bare,upperdir=$work/space/$name.upper,workdir=$work/space/$name.work" "$1"
}

boot() { # folder of the root, further arguments of systemd-nspawn
	folder=$1
	shift
	systemd-nspawn --quiet --settings=no --register=no --keep-unit --boot --private-network \
		--machine="tram-try-$$" --directory="$folder" --console=pipe "$@" >"$work/boot.log" 2>&1 </dev/null &
	nspawn=$!
	pids="$nspawn $pids"
	until_ok 60 "the container" grep -q . "/proc/$nspawn/task/$nspawn/children"
	init=$(tr ' ' '\n' <"/proc/$nspawn/task/$nspawn/children" | grep . | tail -n 1)
	until_ok 120 "systemd in the container" within systemctl is-active multi-user.target
}

# pretend makes a root a machine that starts nothing by itself: processes, files and
# network of its own, and a first process that waits.
pretend() { # folder of the root
	mount --bind /dev "$1/dev"
	unshare --mount --uts --ipc --net --pid --cgroup --fork --kill-child --root "$1" \
		sh -c 'mount -t proc proc /proc; mount -t tmpfs tmpfs /run; exec sleep infinity' >"$work/boot.log" 2>&1 </dev/null &
	pids="$! $pids"
	until_ok 10 "the first process" grep -q . "/proc/$!/task/$!/children"
	init=$(tr -d ' \n' <"/proc/$!/task/$!/children")
	until_ok 10 "its files" within test -d /run -a -d /proc/1
	nsenter --target "$init" --net ip link set lo up
}

enter="--mount --uts --ipc --net --pid --cgroup --root --wd"
environment="HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

within() { # command, in the container
	# shellcheck disable=SC2086 # words of flags
	nsenter --target "$init" $enter env -i $environment LANG=C.UTF-8 TERM=linux "$@"
}

stop() {
	[ -z "$init" ] || kill -9 "$init" 2>/dev/null || true # a machine that only pretends does not hear anything else
	for pid in $pids; do
		kill "$pid" 2>/dev/null || continue
		wait "$pid" 2>/dev/null || true
	done
	pids=
	awk -v "work=$work/" 'index($2, work) == 1 {print $2}' /proc/self/mounts | sort -r | xargs -r umount -l
	rm -rf --one-file-system "$work" 2>/dev/null || true
}
