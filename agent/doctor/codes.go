package doctor

import "tram/agent/probe"

// Codes of what only an examination finds. Never rename one: people's scripts know
// them. What the running service finds by itself has those of package health, and
// what is wrong with the line those of package probe.
const (
	MemoryLow       = "memory-low"
	TempUnwritable  = "temp-unwritable"
	ClockChip       = "clock-chip"   // the machine's clock chip says another time
	ClockJumped     = "clock-jumped" // far ahead of the last time that was known
	SettingsBad     = "settings-bad"
	DataMissing     = "data-missing"
	DataOpen        = "data-open"   // others may look into it
	DataForeign     = "data-owner"  // it belongs to another user than the service's
	DataTwice       = "data-shared" // two services are set up on it
	FileForeign     = "file-owner"
	KeyOpen         = "key-open"
	Leftovers       = "leftovers"
	DiskReadOnly    = "disk-read-only"
	DiskFull        = "disk-full" // no more than the reserve is left
	DiskInodes      = "disk-inodes"
	DiskKind        = "disk-kind" // a file system that does not keep its word
	DiskWrite       = "disk-write"
	DatabaseMissing = "database-missing"
	DatabaseDamaged = "database-damaged"
	DatabaseNewer   = "database-newer"
	DatabaseForeign = "database-foreign"
	DatabaseOld     = "database-outdated"
	DatabaseClosed  = "database-unreadable"
	WALLarge        = "wal-large"
	ContentMissing  = "content-missing"
	ContentDamaged  = "content-damaged"
	NotEnrolled     = "not-enrolled"
	InvitePending   = "invite-pending"
	InviteWaiting   = "invite-waiting"
	KeyMissing      = "key-missing"
	KeyMismatch     = "key-mismatch" // key and certificate do not belong together
	CAMismatch      = "ca-mismatch"  // the certificate is not of the hub's CA
	IdentityDamaged = "identity-damaged"
	NotYetValid     = "certificate-not-yet"
	StampAuthority  = "stamp-authority" // the file that says whom to believe
	StampSilent     = "stamp-silent"
	PagesPair       = "pages-certificate-bad"
	PortTaken       = "port-taken"
	FolderMissing   = "folder-missing"
	ServiceMissing  = "service-missing"
	ServiceStopped  = "service-stopped"
	ServiceFailed   = "service-failed"
	ServiceDisabled = "service-disabled"
	ServiceLooping  = "service-looping"
	ServiceDeaf     = "service-deaf" // it has the data folder and does not answer
	ServiceOther    = "service-other-version"
	SocketStale     = "socket-stale"
	UpdateTrial     = "update-trial"
	UpdateRestoring = "update-restoring"
)

// Unseen codes say why something could not be looked at.
const (
	unseenDenied = "unseen-denied" // no right
	unseenTime   = "unseen-time"   // no time
)

// Codes are all of them, with those of the line.
var Codes = append([]string{
	MemoryLow, TempUnwritable, ClockChip, ClockJumped, SettingsBad, DataMissing, DataOpen, DataForeign, DataTwice, FileForeign, KeyOpen, Leftovers,
	DiskReadOnly, DiskFull, DiskInodes, DiskKind, DiskWrite, DatabaseMissing, DatabaseDamaged, DatabaseNewer, DatabaseForeign, DatabaseOld,
	DatabaseClosed, WALLarge, ContentMissing, ContentDamaged, NotEnrolled, InvitePending, InviteWaiting, KeyMissing, KeyMismatch, CAMismatch,
	IdentityDamaged, NotYetValid, StampAuthority, StampSilent, PagesPair, PortTaken, FolderMissing, ServiceMissing, ServiceStopped, ServiceFailed,
	ServiceDisabled, ServiceLooping, ServiceDeaf, ServiceOther, SocketStale, UpdateTrial, UpdateRestoring,
}, probe.Codes...)
