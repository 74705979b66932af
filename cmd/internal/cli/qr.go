package cli

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// quiet is the light margin of a QR code, in modules.
const quiet = 4

// QR writes text as a QR code of half blocks, and below it as it is. Light is
// drawn and dark left out, as terminals are dark; with --plain only the text is
// written.
func (c *Console) QR(text string) error {
	out := unfolded(c.Out) // blocks are in every font of a terminal
	if !c.Plain {
		code, err := qr.Encode(text, qr.L)
		if err != nil {
			return fmt.Errorf("make QR code: %w", err)
		}
		if _, err := fmt.Fprint(out, blocks(code)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

// blocks draws two rows of a code in each line.
func blocks(code *qr.Code) string {
	var b strings.Builder
	light := func(x, y int) bool { return y < code.Size+quiet && !code.Black(x, y) }
	for y := -quiet; y < code.Size+quiet; y += 2 {
		for x := -quiet; x < code.Size+quiet; x++ {
			switch upper, lower := light(x, y), light(x, y+1); {
			case upper && lower:
				b.WriteRune('█')
			case upper:
				b.WriteRune('▀')
			case lower:
				b.WriteRune('▄')
			default:
				b.WriteByte(' ')
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
