#!/bin/sh
# A citizens' portal: hands a request over in pieces, then asks how it stands, and
# downloads nothing that has not changed. Prints what it saw as JSON.
#
#   sh portal.sh OFFICE SUBJECT FILE
set -eu
office=$1 subject=$2 file=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
printf 'header = "Authorization: Bearer %s"\n' "$TRAM_KEY" >"$tmp/curlrc" # a key in a command line is seen by others

call() { # arguments of curl; prints the answer
	curl --silent --show-error --fail-with-body --config "$tmp/curlrc" "$@" || {
		echo >&2
		echo "portal: the call failed: $*" >&2
		exit 1
	}
}

# Upload, in two pieces (tus 1.0).
size=$(wc -c <"$file")
half=$((size / 2))
upload=$(call --request POST --header 'Tus-Resumable: 1.0.0' --header "Upload-Length: $size" \
	--header "Upload-Metadata: filename $(printf %s "$(basename "$file")" | base64 -w 0)" "$TRAM_URL/uploads" | jq -r .id)
append() { # offset
	call --request PATCH --header 'Tus-Resumable: 1.0.0' --header "Upload-Offset: $1" \
		--header 'Content-Type: application/offset+octet-stream' --data-binary @"$tmp/piece" "$TRAM_URL/uploads/$upload"
}
head -c "$half" "$file" >"$tmp/piece"
append 0
offset=$(call --head --header 'Tus-Resumable: 1.0.0' "$TRAM_URL/uploads/$upload" | tr -d '\r' | sed -n 's/^[Uu]pload-[Oo]ffset: //p')
tail -c "+$((offset + 1))" "$file" >"$tmp/piece"
append "$offset"

jq -n --arg to "$office" --arg subject "$subject" --arg upload "$upload" \
	'{to: [$to], subject: $subject, files: [{upload: $upload}]}' >"$tmp/draft"
id=$(call --header 'Content-Type: application/json' --header "Idempotency-Key: portal-$upload" --data @"$tmp/draft" "$TRAM_URL/documents" | jq -r .id)

# Ask until it is decided; the entity tag spares the content while nothing changes.
etag= unchanged=0 state= states=
for _ in $(seq 600); do
	code=$(call --dump-header "$tmp/headers" --output "$tmp/document" --write-out '%{http_code}' \
		${etag:+--header "If-None-Match: $etag"} "$TRAM_URL/documents/$id")
	case $code in
	304) unchanged=$((unchanged + 1)) ;;
	200)
		etag=$(tr -d '\r' <"$tmp/headers" | sed -n 's/^[Ee][Tt]ag: //p')
		state=$(jq -r .state "$tmp/document")
		states="$states $state"
		;;
	esac
	case $state in accepted | returned | failed)
		[ "$unchanged" -gt 0 ] && break # a decided one is asked once more at least
		;;
	esac
	sleep 0.2
done
jq -n --arg id "$id" --arg states "$states" --argjson unchanged "$unchanged" '{id: $id, states: ($states | split(" ") | map(select(. != ""))), unchanged: $unchanged}'
