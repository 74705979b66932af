// Package typeset sets Vietnamese text, rules and tables on pages, and writes
// pages as PDF and SVG and tables as spreadsheets.
//
// It is pure, and promises that
//
//   - the same pages give the same bytes, and lines break at the same place on
//     every machine: lengths are whole numbers, fonts are embedded;
//   - text in a PDF is text: it can be selected, searched and read back whole;
//   - text from outside stays text: no control characters, no formulas;
//   - what does not fit is cut visibly ([Omission]), never dropped;
//   - [PDF] and [Spreadsheet] write as they go: a file of a thousand pages takes
//     the memory of one.
//
// What stands on the pages is decided above: by register and dossier/forms.
package typeset
