// Package house holds the rules of this repository that the compiler does not
// know, as tests: which way imports run, who may import which library, how long
// a file may be, what must be documented, what the commands' table of answers says,
// and where things may stand.
//
// Each rule says its reason when it is broken. An exception stands in the list
// beside the rule, with a reason of its own. The source is parsed inside the
// tests, so that a cached test result can never hide a forbidden import.
package house
