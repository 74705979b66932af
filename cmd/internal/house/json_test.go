package house

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"strings"
	"testing"
)

// unsaid are fields of a printed type that its command leaves out, with the
// reason.
var unsaid = map[string]map[string]string{
	"tram user list": {"password": "the type is also that of the call which sets one; it is never answered"},
}

// printed finds what each command prints as JSON: the first argument of
// Console.Print.
func printed(t *testing.T) map[string]*shape {
	t.Helper()
	found, used := map[string]*shape{}, map[string]bool{}
	for _, c := range check(t, "cmd/tram", "cmd/tram-hub", "cmd/internal/cli") {
		for _, f := range c.files {
			for _, decl := range f.Decls {
				fn, ok := decl.(*ast.FuncDecl)
				if !ok {
					continue
				}
				for i, value := range c.prints(fn) {
					name := c.dir + "." + fn.Name.Name
					if numbered := fmt.Sprintf("%s %d", name, i+1); answers[numbered] != nil {
						name = numbered
					}
					if used[name] = true; answers[name] == nil {
						t.Errorf("%s: it prints JSON, and no command is named for it in answers", name)
					}
					for _, command := range answers[name] {
						found[command] = found[command].and(c.shapeIn(value))
					}
				}
			}
		}
	}
	for name := range answers {
		if !used[name] {
			t.Errorf("%s prints nothing: drop it from answers", name)
		}
	}
	for command, fields := range unsaid {
		for field := range fields {
			delete(found[command].fields, field)
		}
	}
	return found
}

// prints lists what a function hands to Console.Print.
func (c checked) prints(fn *ast.FuncDecl) (values []ast.Expr) {
	ast.Inspect(fn, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if ok && sel.Sel.Name == "Print" && len(call.Args) == 2 && strings.HasSuffix(fmt.Sprint(c.info.TypeOf(sel.X)), "cli.Console") {
			values = append(values, call.Args[0])
		}
		return true
	})
	return values
}

// and joins the shapes of a command that prints the one or the other.
func (s *shape) and(other *shape) *shape {
	if s == nil {
		return other
	}
	joined := &shape{list: s.list || other.list, fields: maps.Clone(s.fields)}
	maps.Copy(joined.fields, other.fields)
	return joined
}

// TestTheTableOfAnswersIsWhatTheProgramsPrint compares cmd/README.md with the
// source, field by field.
func TestTheTableOfAnswersIsWhatTheProgramsPrint(t *testing.T) {
	real, told := printed(t), answersTold(t)
	for command := range real {
		if told[command] == nil {
			t.Errorf("cmd/README.md does not say what %s prints", command)
		}
	}
	for command, says := range told {
		is := real[command]
		if is == nil {
			t.Errorf("cmd/README.md says what %s prints, which prints nothing", command)
			continue
		}
		if is.list != says.list {
			t.Errorf("%s: a list in one and not in the other", command)
		}
		for _, fault := range says.faults(is, "") {
			t.Errorf("%s: %s", command, fault)
		}
	}
}

// faults compares what the table says with what is printed.
func (s *said) faults(is *shape, at string) (list []string) {
	for name, field := range is.fields {
		told := s.fields[name]
		switch {
		case told == nil:
			list = append(list, fmt.Sprintf("the table lacks `%s%s`", at, name))
		case len(told.fields) == 0 && len(field.fields) == 0 || told.elsewhere:
		case len(told.fields) == 0:
			list = append(list, fmt.Sprintf("the table names no fields of `%s%s`", at, name))
		case told.list != field.list:
			list = append(list, fmt.Sprintf("`%s%s` is a list in one and not in the other", at, name))
		default:
			list = append(list, told.faults(field, at+name+".")...)
		}
	}
	for name := range s.fields {
		if is.fields[name] == nil {
			list = append(list, fmt.Sprintf("nobody prints `%s%s`", at, name))
		}
	}
	slices.Sort(list)
	return list
}

// answers says which commands print what a function prints; a number counts the
// places where it does, when they are of different commands. What is printed is
// read from the source, so that only who prints it stands here.
var answers = map[string][]string{
	"cmd/tram.sayMade":           {"tram backup"},
	"cmd/tram.listBackups":       {"tram backup list"},
	"cmd/tram.verifyBackup":      {"tram backup verify"},
	"cmd/tram.backupCodeCommand": {"tram backup code"},
	"cmd/tram.restore":           {"tram restore"},
	"cmd/tram.sendCommand":       {"tram send"},
	"cmd/tram.enterOne":          {"tram enter in", "tram enter out"},
	"cmd/tram.numbersCommand":    {"tram numbers"},
	"cmd/tram.handKey":           {"tram app create", "tram app rotate"},
	"cmd/tram.appListCommand":    {"tram app list"},
	"cmd/tram.appRevokeCommand":  {"tram app revoke"},
	"cmd/tram.appStatesCommand":  {"tram app states"},
	"cmd/tram.importCommand":     {"tram import"},
	"cmd/tram.documentsCommand":  {"tram documents"},
	"cmd/tram.showCommand":       {"tram show"},
	"cmd/tram.acceptCommand":     {"tram accept"},
	"cmd/tram.returnCommand":     {"tram return"},
	"cmd/tram.withdrawCommand":   {"tram withdraw"},
	"cmd/tram.recallCommand":     {"tram recall"},
	"cmd/tram.grantCommand":      {"tram grant"},
	"cmd/tram.refuseCommand":     {"tram refuse"},
	"cmd/tram.queueCommand":      {"tram queue first"},
	"cmd/tram.bring":             {"tram queue first"},
	"cmd/tram.queueListCommand":  {"tram queue list"},
	"cmd/tram.getCommand":        {"tram get"},
	"cmd/tram.exportCommand":     {"tram export"},
	"cmd/tram.verifyCommand":     {"tram verify"},
	"cmd/tram.tellReport":        {"tram check"},
	"cmd/tram.caCommand":         {"tram ca"},
	"cmd/tram.statusCommand":     {"tram status"},

	"cmd/tram.bundleCommand":   {"tram bundle"},
	"cmd/tram.doctorCommand":   {"tram doctor"},
	"cmd/tram.linkTestCommand": {"tram link test"},
	"cmd/tram.commandsCommand": {"tram commands"},
	"cmd/tram.decideCommand":   {"tram commands allow", "tram commands refuse"},

	"cmd/tram.sealListCommand":        {"tram seal list"},
	"cmd/tram.sealAddCommand":         {"tram seal add"},
	"cmd/tram.sealCertificateCommand": {"tram seal certificate"},
	"cmd/tram.sealUseCommand":         {"tram seal use"},
	"cmd/tram.sealRemoveCommand":      {"tram seal remove"},
	"cmd/tram.sealUnlockCommand":      {"tram seal unlock"},
	"cmd/tram.sealTestCommand":        {"tram seal test"},
	"cmd/tram.sealTokensCommand":      {"tram seal tokens"},

	"cmd/tram.enrollCommand":     {"tram enroll"},
	"cmd/tram.writeRequest":      {"tram enroll"},
	"cmd/tram.takeResponse":      {"tram enroll"},
	"cmd/tram.printCertificates": {"tram cert show", "tram cert renew"},
	"cmd/tram.lanShowCommand":    {"tram lan show"},
	"cmd/tram.lanInstallCommand": {"tram lan install"},
	"cmd/tram.hand":              {"tram lan request", "tram lan ca"},
	"cmd/tram.userListCommand":   {"tram user list"},
	"cmd/tram.accountCommand":    {"tram user add", "tram user password"},
	"cmd/tram.userChangeCommand": {"tram user unlock", "tram user sign-out", "tram user close", "tram user open"},

	"cmd/tram.searchCommand":           {"tram search"},
	"cmd/tram.bookListCommand":         {"tram book list"},
	"cmd/tram.tellBook":                {"tram book print"},
	"cmd/tram.workCommand":             {"tram work"},
	"cmd/tram.dossierListCommand":      {"tram dossier list"},
	"cmd/tram.dossierShowCommand":      {"tram dossier show"},
	"cmd/tram.dossierEraseCommand":     {"tram dossier erase"},
	"cmd/tram.dossierLookUpCommand":    {"tram dossier lookup"},
	"cmd/tram.dossierStatsCommand":     {"tram dossier stats"},
	"cmd/tram.dossierCatalogueCommand": {"tram dossier catalogue"},
	"cmd/tram.dossierCalendarCommand":  {"tram dossier calendar"},
	"cmd/tram.connectorKindsCommand":   {"tram connector kinds"},
	"cmd/tram.printConnector":          {"tram connector add", "tram connector pause", "tram connector resume"},
	"cmd/tram.connectorListCommand":    {"tram connector list"},
	"cmd/tram.connectorShowCommand":    {"tram connector show"},
	"cmd/tram.connectorLettersCommand": {"tram connector replay", "tram connector drop"},
	"cmd/tram.connectorRemoveCommand":  {"tram connector remove"},
	"cmd/tram.connectorRefusedCommand": {"tram connector refused"},
	"cmd/tram.connectorSaveCommand":    {"tram connector save"},
	"cmd/tram.printSettled":            {"tram connector take", "tram connector discard"},
	"cmd/tram.connectorTestCommand":    {"tram connector test"},

	"cmd/internal/cli.exported":       {"tram usb export", "tram-hub usb export"},
	"cmd/internal/cli.usbImport":      {"tram usb import", "tram-hub usb import"},
	"cmd/internal/cli.AuditCommand":   {"tram audit verify", "tram-hub audit verify"},
	"cmd/internal/cli.configList":     {"tram config show", "tram config diff", "tram-hub config show", "tram-hub config diff"},
	"cmd/internal/cli.configGet":      {"tram config get", "tram-hub config get"},
	"cmd/internal/cli.VersionCommand": {"tram version", "tram-hub version"},
	"cmd/internal/cli.printService": {
		"tram install", "tram uninstall", "tram start", "tram stop", "tram restart",
		"tram-hub install", "tram-hub uninstall", "tram-hub start", "tram-hub stop", "tram-hub restart",
	},

	"cmd/tram-hub.initCommand":         {"tram-hub init"},
	"cmd/tram-hub.inviteCommand":       {"tram-hub invite create"},
	"cmd/tram-hub.inviteListCommand":   {"tram-hub invite list"},
	"cmd/tram-hub.inviteRevokeCommand": {"tram-hub invite revoke"},
	"cmd/tram-hub.inviteSignCommand":   {"tram-hub invite sign"},
	"cmd/tram-hub.certCommand 1":       {"tram-hub cert list"},
	"cmd/tram-hub.certCommand 2":       {"tram-hub cert revoke"},
	"cmd/tram-hub.waitingCommand":      {"tram-hub waiting list"},
	"cmd/tram-hub.ssoCommand":          {"tram-hub sso check"},
	"cmd/tram-hub.userListCommand":     {"tram-hub user list"},
	"cmd/tram-hub.printNamed":          {"tram-hub user add", "tram-hub user password", "tram-hub user role", "tram-hub user disable", "tram-hub user enable", "tram-hub user unlock", "tram-hub user sign-out"},
	"cmd/tram-hub.decideCommand":       {"tram-hub waiting admit", "tram-hub waiting refuse"},
	"cmd/tram-hub.sealCommand":         {"tram-hub seal issue"},
	"cmd/tram-hub.brokerCommand":       {"tram-hub broker config"},
	"cmd/tram-hub.backupCommand":       {"tram-hub ca backup"},
	"cmd/tram-hub.restoreCommand":      {"tram-hub ca restore"},
	"cmd/tram-hub.wholeBackupCommand":  {"tram-hub backup"},
	"cmd/tram-hub.verifyCommand":       {"tram-hub verify"},
	"cmd/tram-hub.wholeRestoreCommand": {"tram-hub restore"},
	"cmd/tram-hub.rotateCommand":       {"tram-hub ca rotate"},
	"cmd/tram-hub.statusCommand":       {"tram-hub status"},
	"cmd/tram-hub.upstreamCommand":     {"tram-hub upstream enroll"},
	"cmd/tram-hub.agentsCommand":       {"tram-hub agents"},
	"cmd/tram-hub.showAgentCommand":    {"tram-hub agents show"},
	"cmd/tram-hub.changeAgent":         {"tram-hub agents pause", "tram-hub agents resume", "tram-hub agents site", "tram-hub agents hours"},
	"cmd/tram-hub.incidentsCommand":    {"tram-hub incidents"},
	"cmd/tram-hub.incidentShowCommand": {"tram-hub incidents show"},
	"cmd/tram-hub.actOnIncident":       {"tram-hub incidents ack", "tram-hub incidents snooze", "tram-hub incidents note"},
	"cmd/tram-hub.urgentCommand":       {"tram-hub urgent"},
	"cmd/tram-hub.calledCommand":       {"tram-hub urgent called"},
	"cmd/tram-hub.alertsCommand":       {"tram-hub alerts"},
	"cmd/tram-hub.testAlerts":          {"tram-hub alerts test"},
	"cmd/tram-hub.contactCommand":      {"tram-hub offices contact"},
	"cmd/tram-hub.tellOrder":           {"tram-hub command send", "tram-hub command show", "tram-hub command withdraw"},
	"cmd/tram-hub.listOrdersCommand":   {"tram-hub command list"},
	"cmd/tram-hub.releaseCommand":      {"tram-hub release"},
	"cmd/tram-hub.showOffices":         {"tram-hub offices list", "tram-hub offices search"},
	"cmd/tram-hub.changeOffice":        {"tram-hub offices move", "tram-hub offices rename", "tram-hub offices merge", "tram-hub offices allow"},
	"cmd/tram-hub.importCommand":       {"tram-hub offices import"},
	"cmd/tram-hub.printPut":            {"tram-hub procedures put", "tram-hub calendar put"},
	"cmd/tram-hub.printProcedures":     {"tram-hub procedures list", "tram-hub procedures show"},
	"cmd/tram-hub.calendarCommand":     {"tram-hub calendar list"},
	"cmd/tram-hub.dossiersCommand":     {"tram-hub dossiers"},
	"cmd/tram-hub.reportCommand":       {"tram-hub report"},
	"cmd/tram.printSoftware":           {"tram update status", "tram update from"},
	"cmd/tram-hub.softwareListCommand": {"tram-hub software list"},
	"cmd/tram-hub.printRelease":        {"tram-hub software show", "tram-hub software add", "tram-hub software stage", "tram-hub software pause", "tram-hub software resume", "tram-hub software withdraw"},

	"cmd/tram-hub.softwareOfficesCommand": {"tram-hub software offices"},
	"cmd/tram-hub.softwareExportCommand":  {"tram-hub software export"},
	"cmd/tram-hub.softwareSignCommand":    {"tram-hub software sign"},
	"cmd/tram-hub.softwareGuideCommand":   {"tram-hub software guide"},
	"cmd/tram.updateVerifyCommand":        {"tram update verify"},
	"cmd/tram.qrCommand":                  {"tram qr"},
}
