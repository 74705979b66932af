// Package config holds the settings of tram and tram-hub: one struct per
// program, its defaults, and the one strict way to load it.
//
// A setting comes from a flag, else from the environment (TRAM_… or
// TRAM_HUB_…), else from the file in the data folder, else from its default.
// Settings are read once at start; nothing is re-read while a program runs, so
// the structs may be shared freely as long as nobody writes to them.
//
// It promises that
//   - an unknown key, in the file or in the environment, is an error that names
//     the nearest known key, so that a typing mistake never passes silently;
//   - all faults are reported at once, each with key, value, allowed range and
//     where the value came from;
//   - no setting is a secret: keys and passwords live in files of their own, so
//     every value may be shown by "config show" and put into a support bundle.
//
// It is the only importer of viper.
package config
