// Package hotfolder is the connector for software that only knows files: a
// folder tree that it shares with the office, often over the network.
//
// What is dropped into the first folder is sent, see [Kind] for the layout;
// what arrives is written beside it, as edXML. It promises:
//
//   - A file is taken once (P2), however it was written and whenever the machine
//     stops: it is claimed by a rename into a folder whose name is the key under
//     which the office takes it, and moved on only when the office has it
//     durably (P1). Which step a crash came at shows where the file lies.
//   - A file is taken whole: when size, time and content did not change for the
//     time "settle", nobody holds a lock on it, and its end is there; what the
//     office takes in is checked against the content that was seen before. Times
//     of files are compared with each other, never with a clock.
//   - What cannot be sent is set aside with the reason beside it, in Vietnamese
//     and English. Nothing is deleted, unless "keep" says so and every recipient
//     has receipted.
//   - A file appears in the folders for arrivals and statuses whole, under its
//     last name, once, also when the other software has taken it away before a
//     crash.
//   - A share that is not there is an error and never an empty folder: the tree
//     is known by a mark in it.
//   - Links, devices and folders are not followed, and no name leads out of the
//     tree.
package hotfolder
