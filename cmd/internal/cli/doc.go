// Package cli is what the commands of tram and tram-hub share: common flags,
// language, output, progress, questions, errors and exit codes.
//
// It promises that
//   - results go to standard output, messages and progress to standard error;
//   - an error is shown as what happened, why, and the next step, with a stable
//     code, in Vietnamese or English, and with --json as JSON;
//   - exit codes are decided here and nowhere else, and the root help lists them;
//   - nothing ever waits for an answer when there is no terminal or --no-input
//     is given.
//
// Commands name their texts by catalogue key; a text that is no key is shown as
// it stands.
package cli
