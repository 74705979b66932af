package update

import "errors"

// childOnly says that a program cannot become another one.
const childOnly = true

func become(string, []string, []string) error { return errors.ErrUnsupported }
