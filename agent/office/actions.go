package office

// Actions in the audit log. They are stable: programs search for them.
const (
	actionSend       = "document.send"
	actionEnter      = "document.enter" // a paper document stands in its register
	actionFile       = "document.file"
	actionReject     = "document.reject"
	actionAccept     = "document.accept"
	actionReturn     = "document.return"
	actionReport     = "document.report" // status 04, 05 or 06 of an accepted document
	actionCheck      = "document.check"  // a verdict on an attachment's signatures
	actionFreeze     = "document.freeze" // the verdicts that stood at the acceptance
	actionCustody    = "document.custody"
	actionRefused    = "document.refused"
	actionWithdraw   = "document.withdraw"
	actionRecall     = "document.recall" // recipients are asked to cancel a document
	actionCancel     = "document.cancel" // an incoming document, on its sender's order
	actionGrant      = "request.grant"   // status 15
	actionRefuse     = "request.refuse"  // status 16
	actionRequest    = "request.receive" // a recall, or an update that waits for an answer
	actionForeign    = "request.foreign" // a recall by an office that did not issue the document
	actionRelate     = "document.relate" // a document updates or replaces another one
	actionExpire     = "document.expire"
	actionHanded     = "document.handed"    // to the system behind a connector
	actionUnreached  = "document.unreached" // that system will not bring it to its recipients
	actionAside      = "message.set-aside"  // a message from outside of Trạm was refused
	actionAgain      = "message.taken-again"
	actionDiscard    = "message.discard"
	actionStatus     = "status.receive"
	actionNotice     = "notice.receive"
	actionSoftware   = "software.receive"
	actionEvidence   = "evidence.receive"
	actionCards      = "registry.merge"
	actionOlderCards = "refused.registry"
	actionDrop       = "bundle.reject"  // of a kind without a record, such as a forged status
	actionOldBundle  = "bundle.expire"  // a status of ours reached the end of its life
	actionBadBundle  = "bundle.refused" // the hub will not take a status of ours
	actionMail       = "mail.send"      // a message of another part of the office
	actionMailFile   = "mail.file"
	actionMailReject = "mail.reject"
	actionMailTold   = "mail.told" // what became of one of ours
	declaredNoSecret = "no state secret"
)
