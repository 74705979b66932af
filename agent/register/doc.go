// Package register is what the register books of Nghị định 30/2020/NĐ-CP look
// like: their columns, numbers and dates, how their lines are laid out on
// sheets, and the files made of them: PDF, xlsx, docx, stamp label and slips.
//
// It is pure: who keeps the entries and gives the numbers hands lines in and
// gets sheets and bytes back. It promises that
//
//   - every form has the columns of the decree (Phụ lục IV and V), in order,
//     with their numbers, also where a page is shown in English;
//   - a line never splits over two sheets, and the same lines give the same
//     sheets and the same bytes on every machine: lengths are whole numbers;
//   - a printed sheet is complete. New lines begin a new one ([Paginate]), and
//     [Reprint] gives a printed sheet again as it was or says that a line of it
//     was changed since;
//   - text from outside stays text: no control characters, no formulas;
//   - what does not fit is cut visibly ([Omission]), never dropped.
package register
