package typeset

// MaxSet is how many characters of a value are set at all: a whole sheet of
// small type holds fewer.
const MaxSet = 4_000

// Fit breaks text at the largest of sizes at which it takes at most lines
// lines; at the smallest, the rest is cut.
func Fit(text string, f Face, sizes []Length, room Length, lines int) ([]string, Length) {
	text = Printable(Clean(text))
	if runes := []rune(text); len(runes) > MaxSet {
		text = string(runes[:MaxSet])
	}
	for i, size := range sizes {
		broken := Wrap(text, f, size, room)
		if len(broken) <= lines && Widest(broken, f, size) <= room {
			return broken, size
		}
		if i == len(sizes)-1 {
			if len(broken) > lines {
				broken = append(broken[:lines-1], shorten(broken[lines-1], f, size, room))
			}
			return broken, size
		}
	}
	return nil, 0
}

// shorten ends a line with Omission.
func shorten(line string, f Face, size, room Length) string {
	runes := []rune(line)
	for len(runes) > 0 && Width(string(runes)+" "+Omission, f, size) > room {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + " " + Omission
}

// Widest is the width of the widest line.
func Widest(lines []string, f Face, size Length) Length {
	most := Length(0)
	for _, line := range lines {
		most = max(most, Width(line, f, size))
	}
	return most
}
