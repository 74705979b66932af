#!/bin/sh
# Makes the three faces of this folder from Liberation Serif:
#
#	sh subset.sh FOLDER-WITH-LiberationSerif-*.ttf
#
# Needs pyftsubset and ttx (fonttools). The names change because the licence
# reserves "Liberation" for unmodified fonts.
set -eu
from=$1
runes='U+0020-007E,U+00A0-0180,U+01A0,U+01A1,U+01AF,U+01B0,U+0300-0303,U+0306,U+0309,U+031B,U+0323,U+1EA0-1EF9'
runes="$runes,U+2010-2015,U+2018-201E,U+2020-2022,U+2026,U+2030,U+2032,U+2033,U+20AB,U+20AC,U+2116,U+2190-2193,U+2212,U+2264,U+2265,U+25A0,U+25A1"
export SOURCE_DATE_EPOCH=1
for face in Regular Bold Italic; do
	pyftsubset "$from/LiberationSerif-$face.ttf" --unicodes="$runes" --no-hinting --layout-features='' --legacy-cmap \
		--drop-tables+=DSIG,kern,GPOS,GSUB,GDEF,FFTM,PCLT,gasp --name-IDs=0,1,2,4,6,13 --output-file="$face.cut"
	ttx -q -t name -o "$face.ttx" "$face.cut"
	sed -i 's/LiberationSerif/TramSerif/; s/Liberation Serif/Tram Serif/' "$face.ttx"
	ttx -q --no-recalc-timestamp -f -m "$face.cut" -o "TramSerif-$face.ttf" "$face.ttx"
	rm "$face.cut" "$face.ttx"
done
