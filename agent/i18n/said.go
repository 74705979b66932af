package i18n

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Said is a message that is kept, to be said later in the language of whoever
// reads it. In JSON its arguments are texts, numbers and further messages; a
// number keeps the digits with which it was written.
type Said struct {
	Key  string `json:"code"`
	Args Args   `json:"args,omitempty"`
}

// Say makes a Said.
func Say(key string, args ...Args) *Said {
	s := &Said{Key: key}
	for _, a := range args {
		for name, value := range a {
			if s.Args == nil {
				s.Args = Args{}
			}
			s.Args[name] = value
		}
	}
	return s
}

// Text implements [Speaker].
func (s *Said) Text(lang Lang) string {
	if s == nil {
		return ""
	}
	return T(lang, s.Key, s.Args)
}

// maxSaid bounds how deep messages stand in messages: a reason within a reason
// within an event is what there is.
const maxSaid = 8

// UnmarshalJSON reads arguments that are messages as such, and keeps the digits
// of numbers.
func (a *Args) UnmarshalJSON(data []byte) error {
	var raw map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		return fmt.Errorf("read arguments of a message: %w", err)
	}
	*a = readArgs(raw, maxSaid)
	return nil
}

func readArgs(raw map[string]any, deep int) Args {
	if raw == nil {
		return nil
	}
	args := make(Args, len(raw))
	for name, value := range raw {
		args[name] = value
		if inner, ok := value.(map[string]any); ok && deep > 0 {
			if s := readSaid(inner, deep-1); s != nil {
				args[name] = s
			}
		}
	}
	return args
}

// readSaid reads an argument that is a message; nil: it is something else.
func readSaid(raw map[string]any, deep int) *Said {
	code, ok := raw["code"].(string)
	if !ok {
		return nil
	}
	args, has := raw["args"].(map[string]any)
	if fields := len(raw) - 1; has && fields != 1 || !has && fields != 0 {
		return nil
	}
	return &Said{Key: code, Args: readArgs(args, deep)}
}
