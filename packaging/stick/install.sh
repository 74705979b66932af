#!/bin/sh
# Installs Trạm from this stick, without a network:
#   sudo sh /media/usb/tram/install.sh
# then, as it says at the end:
#   sudo tram enroll /media/usb/tram/invites
set -eu
stick=$(cd "$(dirname "$0")" && pwd)

say() { printf '%s\n' "$@" >&2; }

if [ "$(id -u)" != 0 ]; then
	say "✗ Cần quyền quản trị. Chạy lại: sudo sh $0" "  Administrator rights are needed: sudo sh $0"
	exit 1
fi
case $(uname -m) in
x86_64 | amd64) arch=amd64 ;;
i?86) arch=386 ;;
aarch64 | arm64) arch=arm64 ;;
armv7* | armv8*) arch=arm ;;
*)
	say "✗ Không có chương trình cho loại máy này ($(uname -m))." "  There is no program for this kind of machine ($(uname -m))."
	exit 1
	;;
esac
program=$stick/tram-linux-$arch
if [ ! -f "$program" ]; then
	say "✗ USB này không có $program." "  Chép lại USB từ bản gốc. / This stick lacks the program: copy it anew from the original."
	exit 2
fi

# Sticks are often mounted so that nothing on them can be started.
size=$(($(wc -c <"$program") / 1024 + 1024))
for folder in "${TMPDIR:-/tmp}" /var/tmp /opt; do
	[ -d "$folder" ] && [ -w "$folder" ] || continue
	[ "$(df -Pk "$folder" | awk 'NR == 2 {print $4}')" -gt $size ] || continue
	temp=$(mktemp -d "$folder/tram.XXXXXX")
	trap 'rm -rf "$temp"' EXIT
	trap 'exit 130' INT TERM
	cp "$program" "$temp/tram"
	chmod 0700 "$temp/tram"
	if "$temp/tram" version >/dev/null 2>&1; then
		status=0
		"$temp/tram" install --from "$stick" "$@" || status=$?
		exit $status
	fi
	rm -rf "$temp"
done
say "✗ Không đủ chỗ để chép chương trình: cần $((size / 1024)) MB trong /tmp, /var/tmp hoặc /opt, nơi chạy được chương trình." \
	"  There is no room for the program: $((size / 1024)) MB are needed in /tmp, /var/tmp or /opt, where programs may be started."
exit 15
