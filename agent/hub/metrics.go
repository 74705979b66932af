package hub

import "tram/agent/metrics"

// Metrics of a hub.
var (
	agentsGauge      = metrics.NewGauge("tram_hub_agents", "", "Boxes by how they stand.", "cluster", "state")
	agentsOnline     = metrics.NewGauge("tram_hub_agents_online", "", "Boxes whose connection stands.", "cluster")
	agentsMissing    = metrics.NewGauge("tram_hub_agents_missing", "", "Boxes out of contact, each by itself, for which something waits or for longer than a day.", "cluster")
	agentsReason     = metrics.NewGauge("tram_hub_agents_reason", "", "Boxes that are late or need repair, by the first reason.", "cluster", "reason")
	agentsCondition  = metrics.NewGauge("tram_hub_agents_condition", "", "Boxes in contact that report a condition.", "cluster", "code")
	agentsSoftware   = metrics.NewGauge("tram_hub_agents_software", "", "Boxes by their software; the rarest together as other.", "software")
	agentsQueue      = metrics.NewGauge("tram_hub_agents_queue_documents", "", "Documents that have not left boxes in contact.", "cluster")
	agentsQueueBytes = metrics.NewGauge("tram_hub_agents_queue_bytes", "bytes", "Their size.", "cluster")
	agentsOldest     = metrics.NewGauge("tram_hub_agents_queue_oldest_seconds", "seconds", "Age of the oldest of them; 0: there is none.", "cluster")
	agentsOverdue    = metrics.NewGauge("tram_hub_agents_overdue", "", "Boxes in contact that hold an urgent document past its limit.", "cluster")
	agentsClock      = metrics.NewGauge("tram_hub_agents_clock_offset_seconds", "seconds", "The largest difference of a clock, either way, of boxes in contact.", "cluster")
	agentsDisk       = metrics.NewGauge("tram_hub_agents_disk_full_seconds", "seconds", "Until the first disk of a box in contact is full; none: not foreseeable.", "cluster")
	agentsCert       = metrics.NewGauge("tram_hub_agents_certificate_expiry_timestamp_seconds", "seconds", "When the first device certificate ends, in seconds since 1970.", "cluster")

	beatsTotal  = metrics.NewCounter("tram_hub_beats_total", "", "Heartbeats that were heard.")
	beatsUnread = metrics.NewCounter("tram_hub_beats_unreadable_total", "", "Heartbeats that could not be read.")

	custodyBundles = metrics.NewGauge("tram_hub_custody_bundles", "", "Bundles of all kinds that a neighbour has not taken over, each once.", "urgency")
	custodyBytes   = metrics.NewGauge("tram_hub_custody_bytes", "bytes", "Their size.", "urgency")
	undelivered    = metrics.NewGauge("tram_hub_undelivered_documents", "", "Documents and dossiers that have not reached a recipient, once for each recipient.", "cluster", "urgency")
	undeliveredAge = metrics.NewGauge("tram_hub_undelivered_oldest_seconds", "seconds", "Since the hub took over the oldest of them.", "cluster", "urgency")
	deliveryTime   = &metrics.Desc{Name: "tram_hub_delivery_seconds", Type: metrics.HistogramType, Unit: "seconds", Labels: []string{"cluster", "urgency"},
		Help: "From the hub taking over a document or dossier to a recipient doing so, once for each recipient."}
	deliveredBytes = metrics.NewCounter("tram_hub_delivered_bytes_total", "bytes", "Size of what recipients took over, of all kinds.", "urgency")
	refusals       = metrics.NewCounter("tram_hub_refusals_total", "", "What was refused: by the broker, or by the checks of what neighbours say.", "part", "action")

	brokerUp       = metrics.NewGauge("tram_hub_broker_up", "", "1 while the hub is connected to its broker.")
	linkSent       = metrics.NewCounter("tram_hub_link_sent_bytes_total", "bytes", "Bytes sent to the broker, TLS included.")
	linkReceived   = metrics.NewCounter("tram_hub_link_received_bytes_total", "bytes", "Bytes received from it.")
	linkDropped    = metrics.NewCounter("tram_hub_link_dropped_total", "", "Frames and heartbeats for which there was no room; they come again.")
	brokerConns    = metrics.NewGauge("tram_hub_broker_connections", "", "Connections to the embedded broker.")
	brokerSessions = metrics.NewGauge("tram_hub_broker_sessions", "", "Offices connected to it, the hub included.")
	brokerTurned   = metrics.NewCounter("tram_hub_broker_turned_away_total", "", "Connections that it closed at once for lack of room.")
	brokerDropped  = metrics.NewCounter("tram_hub_broker_dropped_total", "", "Messages for which a subscriber had no room.")
	brokerMessages = metrics.NewCounter("tram_hub_broker_messages_total", "", "Messages, by direction.", "direction")
	upstreamUp     = metrics.NewGauge("tram_hub_upstream_up", "", "1 while the hub above is there; none: there is no hub above.")

	diskFree     = metrics.NewGauge("tram_hub_disk_free_bytes", "bytes", "Free space for documents, without the reserve.")
	diskReserve  = metrics.NewGauge("tram_hub_disk_reserve_bytes", "bytes", "Free space that is never used.")
	databaseSize = metrics.NewGauge("tram_hub_database_size_bytes", "bytes", "Size of the database.")
	certificate  = metrics.NewGauge("tram_hub_certificate_expiry_timestamp_seconds", "seconds", "End of a certificate of the hub, in seconds since 1970.", "certificate")

	conditionOn   = metrics.NewGauge("tram_hub_condition", "", "1 while something is wrong with the hub itself.", "code")
	findingsGauge = metrics.NewGauge("tram_hub_findings", "", "What a rule finds wrong now, whether people are told or not.", "rule", "severity")
	incidentsOpen = metrics.NewGauge("tram_hub_incidents_open", "", "Incidents that are open.", "rule", "severity")
	alertsTotal   = metrics.NewCounter("tram_hub_alerts_total", "", "Tries to send an alert, by how they ended.", "channel", "result")
	alertsWaiting = metrics.NewGauge("tram_hub_alerts_waiting", "", "Alerts that wait for a channel.", "channel")

	// Metrics are those of a hub, beside metrics.Own.
	Metrics = []*metrics.Desc{
		agentsGauge, agentsOnline, agentsMissing, agentsReason, agentsCondition, agentsSoftware, agentsQueue, agentsQueueBytes, agentsOldest,
		agentsOverdue, agentsClock, agentsDisk, agentsCert, beatsTotal, beatsUnread, custodyBundles, custodyBytes, undelivered, undeliveredAge,
		deliveryTime, deliveredBytes, refusals, brokerUp, linkSent, linkReceived, linkDropped, brokerConns, brokerSessions, brokerTurned,
		brokerDropped, brokerMessages, upstreamUp, diskFree, diskReserve, databaseSize, certificate, conditionOn, findingsGauge, incidentsOpen,
		alertsTotal, alertsWaiting,
	}
)

// deliveryBounds are upper bounds of the time that a delivery takes, in seconds, with
// the limits of the urgencies among them.
var deliveryBounds = []float64{1, 5, 15, 60, 300, 900, 1800, 3600, 7200, 21600, 86400, 259200}
