// Package code holds the codes and statuses of one-stop dossiers (hồ sơ một
// cửa), and how they stand in the words of other systems: [Dossier],
// [Procedure] and [Field] codes, [Status] 1 to 10, their exchange with the
// StatusCode of edXML ([ToEdXML], [FromEdXML]) and with the statuses of other
// makers' one-stop systems ([Mapping]).
//
// It is pure. It promises:
//
//   - A code that is read is written with the same characters; [Dossier.Key]
//     compares two spellings of one.
//   - Whatever is refused is refused with a *problem.Problem that shows the form
//     that is right.
//   - An unknown foreign status is never guessed: the problem names it and the
//     ones that are known.
package code
