package config

import (
	"bytes"
	"fmt"
	"strings"

	"tram/agent/i18n"
)

// example writes every field commented out, with its meaning and range.
// Dotted keys keep each line free to be uncommented alone.
func example(b *bytes.Buffer, fields []field) {
	for _, f := range fields {
		fmt.Fprintf(b, "# %s (%s)\n#%s = %s\n\n", i18n.T(i18n.English, "config."+f.key), f.allowed, f.key, literal(f.toml()))
	}
}

// literal writes v as TOML.
func literal(v any) string {
	switch v := v.(type) {
	case []string:
		quoted := make([]string, len(v))
		for i, s := range v {
			quoted[i] = literal(s)
		}
		return "[" + strings.Join(quoted, ", ") + "]"
	case string:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
	}
	return fmt.Sprint(v)
}
