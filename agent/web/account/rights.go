package account

import "slices"

// Right is one thing that an account may be allowed to do.
type Right string

// Rights.
const (
	Lists    Right = "lists"    // see lists, states and tracks of documents, without their content
	Content  Right = "content"  // open attachments and take the signed document away
	Handed   Right = "handed"   // the same of documents that were handed over to them, and of the answers to these
	Handle   Right = "handle"   // note progress on, hand on and finish what they have
	Direct   Right = "direct"   // submit, instruct, hand over, reassign, extend, withdraw, reopen
	Answer   Right = "answer"   // accept, return, have signatures checked again
	Send     Right = "send"     // write and send documents, change their order
	Accounts Right = "accounts" // see accounts; make, open, close and unlock them; set passwords; at a hub those of roles that Role.Over allows
	Admin    Right = "admin"    // see how the box stands and change how it works: seals, connectors, applications
	Stick    Right = "stick"    // carry packages out and in by stick

	ReadBooks Right = "books"      // see register books, reports and work files, export them
	KeepBooks Right = "keep-books" // print and correct them, write in them, make work files

	Dossiers      Right = "dossiers"       // see one-stop dossiers with their personal data, their lists and figures
	DossierDesk   Right = "dossier-desk"   // take them in, ask applicants, give results back
	DossierWork   Right = "dossier-work"   // work on them: begin, ask for papers, finish
	DossierDecide Right = "dossier-decide" // sign for them: apologise and extend, stop, reopen
)

// Rights of a hub's accounts.
const (
	Fleet   Right = "fleet"   // see how the boxes stand, and the figures of one-stop dossiers; an Officer those in its scope
	Trust   Right = "trust"   // see invites, the waiting room, certificates and the directory
	Invite  Right = "invite"  // make and withdraw invites, download them
	Admit   Right = "admit"   // decide on boxes that wait
	Duty    Right = "duty"    // take incidents, write down calls
	Pause   Right = "pause"   // stop and resume watching boxes
	Revoke  Right = "revoke"  // revoke keys, and invite another box in a box's place
	Offices Right = "offices" // change the directory of offices

	Order    Right = "order"    // order boxes to do something; what, command.Role says
	Releases Right = "releases" // see the releases of the office's program, and pause one
	Stage    Right = "stage"    // have a release go to a ring, go on, and withdraw it
)

// Rights lists every right.
var Rights = []Right{Lists, Content, Handed, Handle, Direct, Answer, Send, Accounts, Admin, Stick, ReadBooks, KeepBooks, Dossiers, DossierDesk, DossierWork, DossierDecide,
	Fleet, Duty, Trust, Invite, Admit, Pause, Revoke, Offices, Order, Releases, Stage}

// grants is the whole table of who may do what; agent/README.md explains it.
// What a role is not granted it may not do.
var grants = map[Role][]Right{
	Clerk:   {Lists, Content, Handed, Handle, Direct, Answer, Send, Stick, ReadBooks, KeepBooks, Dossiers, DossierDesk, DossierWork},
	Leader:  {Lists, Content, Handed, Handle, Direct, ReadBooks, Dossiers, DossierWork, DossierDecide},
	Staff:   {Lists, Handed, Handle, ReadBooks, Dossiers, DossierWork},
	OneStop: {Lists, Handed, Handle, Dossiers, DossierDesk, DossierWork},
	IT:      {Lists, Accounts, Admin, Stick},

	Operator: {Fleet, Duty, Trust, Invite, Pause, Offices, Order, Releases, Stage, Accounts},
	Security: {Fleet, Duty, Trust, Invite, Admit, Pause, Revoke, Order, Releases, Accounts},
	Officer:  {Fleet, Order},
}

// May reports whether the role has the right. An unknown role has none.
func (r Role) May(what Right) bool { return slices.Contains(grants[r], what) }
