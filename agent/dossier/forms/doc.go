// Package forms makes the forms of the one-stop desk (circular 03/2025/TT-VPCP):
// the receipt with the date of return, the requests and notices that a dossier
// may bring, the control sheet of its hand-overs, and the book of a year.
//
// It is pure: a dossier, a heading and a template give pages. It promises that
//
//   - a form made again from the same state is the same to the byte, whenever and
//     wherever it is made: its dates are those of what happened, never of printing;
//   - nothing of the history is left out or written over: the control sheet has a
//     row for each hand-over, with what each side signed or that it did not;
//   - every line of the book stands on exactly one page, and a book of any length
//     is written in the memory of a page;
//   - titles, labels, columns and their order are data: templates.json, with a
//     version and the day from which it holds for each form. A correction of the
//     law's layout is a new entry there. Each form names the version that it was
//     made under.
//
// # What the templates rest on
//
// Numbers and names of the seven forms are those that Phụ lục I of circular
// 03/2025/TT-VPCP is quoted with in public documents, and that it takes the place
// of circular 01/2018/TT-VPCP; the text of the annex itself could not be had. So
// these are NOT verified against it: layouts, order and wording of the lines, the
// columns of the book, the day from which the forms hold (the day on which the
// circular was signed is taken).
//
// The list of the six forms of 2018 was read in a reprint of circular
// 01/2018/TT-VPCP (trangtinphapluat.com, "biểu mẫu trong quy trình giải quyết thủ
// tục hành chính"): the same without the stop notice, and made for A5 but for the
// book, for A4. All of ours are A4. Lines and columns of forms 01, 02, 03, 04 and
// 06 follow what one-stop software in use prints (OpenCPS; the desks of Thanh Hóa
// and Đồng Nai), form 05 what must be in it, form 07 the columns that are known of
// the form of 2018 second hand.
package forms
