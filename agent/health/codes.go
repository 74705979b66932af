package health

import (
	"slices"

	"tram/agent/identity"
)

// Codes are the codes of all conditions.
var Codes = slices.Concat([]string{
	DiskLow, ClockUntrusted, ClockDiffers,
	CertificateExpiring, CertificateEnding, CertificateExpired, CertificateRevoked, CertificateReplaced, CertificateTooOld, CertificateRefused,
	BrokerRefuses, OlderCopy, BudgetUsedUp, BudgetForecast, BundlesParked, RegistryRegressed, LogChanged, PagesEnding, PagesExpired,
	ConnectorFailing, ConnectorDead, ConnectorFull, MessagesAside, CatalogueRefused, HeldByHub, SupportAsked, UpdateTakenBack, UpdateRefused, UpdateStuck,
	BackupOld, BackupNone, BackupFailed,
	SealExpiring, SealExpired, SealCannotSign, SealWaitsForPIN, SealTokenMissing, SealPINLocked,
}, serverCodes())

func serverCodes() (list []string) {
	for _, fault := range []identity.ServerFault{
		identity.ServerSelfSigned, identity.ServerUnknownCA, identity.ServerBrokenChain, identity.ServerExpired, identity.ServerNotYet,
		identity.ServerName, identity.ServerUsage,
	} {
		list = append(list, ServerUntrusted+string(fault))
	}
	return list
}
