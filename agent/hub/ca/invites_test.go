package ca

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tram/agent/enroll/invite"
	"tram/agent/hub/registry"
	"tram/agent/problem"
	"tram/storage/sqlite"
)

func TestCreateInvitesAgainGivesTheSameFiles(t *testing.T) {
	h := newHub(t)
	first := h.invite(t, InviteOptions{}, "H40.01", "H40.02")
	h.now = h.now.Add(48 * time.Hour)
	second := h.invite(t, InviteOptions{}, "H40.01", "H40.02")
	for i := range first {
		if first[i].State != InviteCreated || second[i].State != InviteOpen {
			t.Errorf("states %s, %s", first[i].State, second[i].State)
		}
		if !bytes.Equal(first[i].Raw, second[i].Raw) {
			t.Errorf("%s: another file", first[i].Office.Code)
		}
	}
	replaced := h.invite(t, InviteOptions{New: true}, "H40.01")
	if replaced[0].State != InviteCreated || replaced[0].ID == first[0].ID {
		t.Error("new was asked, the old one came")
	}
	_, err := h.redeem(t, request(t, first[0], newKeys(t)))
	wantProblem(t, err, problem.BadInvite, "invite.revoked")

	h.now = h.now.Add(DefaultInviteLife)
	late := h.invite(t, InviteOptions{}, "H40.02")
	if late[0].State != InviteCreated || late[0].ID == first[1].ID {
		t.Error("an expired invite came again")
	}
	if got := h.actions(t); got[actionInvited] != 4 || got[actionRevoked] < 1 {
		t.Errorf("audit %v", got)
	}
}

func TestCreateInvitesAnnouncesOffices(t *testing.T) {
	h := newHub(t)
	h.invite(t, InviteOptions{}, "H40.01")
	c, err := h.reg.Lookup("h40.01")
	if err != nil || c.Enrolled() || c.Name != "UBND xã H40.01" || c.Parent != "H40" {
		t.Fatalf("%+v, %v", c, err)
	}
	// A corrected name makes a new invite and a new card.
	h.update(t, func(tx *sqlite.Tx) error {
		made, err := h.CreateInvites(tx, h.reg, []Office{{Code: "H40.01", Name: "UBND xã Mới", Parent: "H40", Kind: "xa"}}, InviteOptions{})
		if err == nil && made[0].State != InviteCreated {
			t.Errorf("state %s", made[0].State)
		}
		return err
	})
	if c, err := h.reg.Lookup("h40.01"); err != nil || c.Name != "UBND xã Mới" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestCreateInvitesLeavesEnrolledOfficesAlone(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01")
	k := newKeys(t)
	if _, err := h.redeem(t, request(t, made[0], k)); err != nil {
		t.Fatal(err)
	}
	if again := h.invite(t, InviteOptions{}, "H40.01"); again[0].State != InviteUsed || again[0].Raw != nil {
		t.Errorf("state %s", again[0].State)
	}
	// A replacement is asked for with Replace; the new keys then count.
	replacement := h.invite(t, InviteOptions{Replace: true}, "H40.01")
	k2 := newKeys(t)
	if _, err := h.redeem(t, request(t, replacement[0], k2)); err != nil {
		t.Fatal(err)
	}
	c, err := h.reg.Lookup("H40.01")
	if err != nil || c.Recipient != k2.recipient {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = h.redeem(t, request(t, made[0], k)) // the old box asks again
	wantProblem(t, err, problem.BadInvite, "enroll.key-revoked")
}

func TestCreateInvitesRefuses(t *testing.T) {
	h := newHub(t)
	create := func(o Office, opt InviteOptions) error {
		return h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
			_, err := h.CreateInvites(tx, h.reg, []Office{o}, opt)
			return err
		})
	}
	good := Office{Code: "H40.01", Name: "x"}
	wantProblem(t, create(Office{Code: "h40", Name: "x"}, InviteOptions{}), problem.Usage, "office.is-hub")
	wantProblem(t, create(good, InviteOptions{TTL: -time.Hour}), problem.Usage, "invite.ttl")
	wantProblem(t, create(good, InviteOptions{TTL: 2 * MaxInviteLife}), problem.Usage, "invite.ttl")
	h.now = time.Unix(1000, 0)
	wantProblem(t, create(good, InviteOptions{}), problem.BadClock, "clock.dead")
	h.now = start
	h.Enroll = nil
	wantProblem(t, create(good, InviteOptions{}), problem.Usage, "hub.no-endpoint")
}

func TestRedeemBurnsTheInviteAndRepeatsForTheSameKeys(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01")
	k := newKeys(t)
	first, err := h.redeem(t, request(t, made[0], k))
	if err != nil {
		t.Fatal(err)
	}
	issued := h.actions(t)[actionCertificate]
	h.now = h.now.Add(2 * DefaultInviteLife) // even after it has run out
	again, err := h.redeem(t, request(t, made[0], k))
	if err != nil {
		t.Fatal(err)
	}
	if !again.Again || !again.Device.Equal(first.Device) || !again.Seal.Equal(first.Seal) || !bytes.Equal(again.Card, first.Card) {
		t.Error("the repeated answer differs")
	}
	got := h.actions(t)
	if got[actionCertificate] != issued || got[actionRedeemed] != 1 {
		t.Errorf("the repetition issued something: %v", got)
	}
	for name, other := range map[string]keys{
		"all new": newKeys(t), "device": {newKey(t), k.seal, k.recipient}, "seal": {k.device, newKey(t), k.recipient},
		"recipient": {k.device, k.seal, newKeys(t).recipient},
	} {
		t.Run(name, func(t *testing.T) {
			now := h.now
			defer func() { h.now = now }()
			_, err := h.redeem(t, request(t, made[0], other))
			wantProblem(t, err, problem.BadInvite, "invite.used") // long after its end
			h.now = start
			r, err := h.redeem(t, request(t, made[0], other))
			if err != nil || r.Waiting == nil || r.Waiting.Code != "waiting.used" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	c, err := registry.ParseCard(first.Card, h.Authority.Key.Public())
	if err != nil || c.Recipient != k.recipient || !c.Expires.Equal(first.Device.NotAfter) {
		t.Errorf("card %+v, %v", c, err)
	}
}

func TestRedeemRefuses(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{Batch: "b1"}, "H40.01", "H40.02")
	k := newKeys(t)
	req := request(t, made[0], k)

	for name, change := range map[string]func(*invite.Request){
		"code": func(r *invite.Request) { r.Code = "H40.02" }, "recipient": func(r *invite.Request) { r.Recipient = newKeys(t).recipient },
		"time": func(r *invite.Request) { r.Time = r.Time.Add(time.Second) }, "device": func(r *invite.Request) { r.DeviceCSR = r.SealCSR },
		"seal": func(r *invite.Request) { r.SealCSR = r.DeviceCSR }, "proof": func(r *invite.Request) { r.Proof = make([]byte, sha256.Size) },
		"no proof": func(r *invite.Request) { r.Proof = nil }, "invite": func(r *invite.Request) { r.Invite = made[1].ID },
	} {
		t.Run("changed "+name, func(t *testing.T) {
			bad := *req
			change(&bad)
			_, err := h.redeem(t, &bad)
			wantProblem(t, err, problem.BadInvite, "invite.proof")
		})
	}
	otherCA := request(t, made[0], k)
	if err := otherCA.Prove(h.secret(made[0].ID), [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	_, err := h.redeem(t, otherCA)
	wantProblem(t, err, problem.BadInvite, "invite.proof")

	_, err = h.redeem(t, request(t, made[0], k, func(r *invite.Request) { r.Code = "H40.02" }))
	wantProblem(t, err, problem.BadInvite, "invite.other-office")

	h.now = start.AddDate(-1, 0, 0) // the hub's clock is wrong
	_, err = h.redeem(t, req)
	wantProblem(t, err, problem.BadClock, "invite.not-yet")
	h.now = start.Add(DefaultInviteLife + invite.Late + time.Second)
	_, err = h.redeem(t, req)
	wantProblem(t, err, problem.BadInvite, "invite.expired")
	h.now = start

	var n int
	h.update(t, func(tx *sqlite.Tx) (err error) {
		n, err = RevokeBatch(tx, "b1", "it")
		return err
	})
	if n != 2 {
		t.Errorf("revoked %d", n)
	}
	_, err = h.redeem(t, req)
	wantProblem(t, err, problem.BadInvite, "invite.revoked")

	h.openStore(t) // a restored hub has a new store
	_, err = h.redeem(t, req)
	wantProblem(t, err, problem.BadInvite, "invite.unknown")
	if got := h.actions(t); got[actionRedeemed] != 0 {
		t.Errorf("audit %v", got)
	}
}

func TestFailedRedeemLeavesTheInvite(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01")
	req := request(t, made[0], newKeys(t))
	crash := errors.New("later step failed")
	err := h.db.Update(t.Context(), func(tx *sqlite.Tx) error {
		if _, err := h.Redeem(tx, h.reg, req, "test"); err != nil {
			return err
		}
		return crash
	})
	if !errors.Is(err, crash) {
		t.Fatal(err)
	}
	if r, err := h.redeem(t, request(t, made[0], newKeys(t))); err != nil || r.Again {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestListInvites(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{TTL: time.Hour}, "H40.01", "H40.02")
	if _, err := h.redeem(t, request(t, made[0], newKeys(t))); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(time.Minute)
	h.invite(t, InviteOptions{New: true, TTL: time.Hour}, "H40.02")
	list, err := ListInvites(t.Context(), h.db, h.now.Add(2*time.Hour), 0)
	if err != nil {
		t.Fatal(err)
	}
	var states []InviteState
	for _, i := range list {
		states = append(states, i.State)
	}
	if want := []InviteState{InviteExpired, InviteUsed, InviteRevoked}; !slices.Equal(states, want) {
		t.Errorf("got %v, want %v", states, want)
	}
}

func TestWriteInvites(t *testing.T) {
	h := newHub(t)
	made := h.invite(t, InviteOptions{}, "H40.01", "con", "CS:GOV")
	dir := filepath.Join(t.TempDir(), "a", "b")
	for range 2 {
		if err := WriteInvites(dir, made); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := invite.Parse(data); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
	}
	if want := []string{"CS_GOV.moi", "H40.01.moi", "_con.moi"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestReadOffices(t *testing.T) {
	want := []Office{{"H40.01", "UBND xã Kỳ Sơn", "H40", "xa", 2}, {"H40.02", "Sở Kế hoạch, Đầu tư", "", "so", 4}}
	tests := map[string]string{
		"plain":         "code,name,parent,kind\nH40.01,UBND xã Kỳ Sơn,H40,xa\n\nH40.02,\"Sở Kế hoạch, Đầu tư\",,so\n",
		"BOM and CRLF":  "\ufeffcode,name,parent,kind\r\nH40.01,UBND xã Kỳ Sơn,H40,xa\r\n,,,\r\nH40.02,\"Sở Kế hoạch, Đầu tư\",,so\r\n",
		"semicolons":    "code;name;parent;kind\nH40.01;UBND xã Kỳ Sơn;H40;xa\n;;;\nH40.02;Sở Kế hoạch, Đầu tư;;so",
		"other columns": "STT, Kind ,NAME,note,parent,code\n1,xa,UBND xã Kỳ Sơn,x,H40,H40.01\n\n2,so,\"Sở Kế hoạch, Đầu tư\",x,, H40.02 \n",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ReadOffices(strings.NewReader(text))
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestReadOfficesReportsEveryBadLine(t *testing.T) {
	text := strings.Join([]string{
		"code,name,parent,kind",
		"H40.01,Xã Một,H40,xa",
		"H40_02,Xã Hai,H40,xa",
		"h40.01,Xã Ba,H40,xa",
		"H40.04,,H40,xa",
		"H40.05,Xã Năm,H/40,xa",
		"H40.06,Xã Sáu,H40.06,xa",
		"H40.07,\"Xã\nBảy\",H40," + strings.Repeat("x", 40),
		"H40.08,Xã \"Tám\",H40,xa",
		",Xã Chín,H40,xa",
	}, "\n")
	_, err := ReadOffices(strings.NewReader(text))
	var list problem.List
	if !errors.As(err, &list) {
		t.Fatal(err)
	}
	type at struct {
		line        any
		code, field string
	}
	var got []at
	for _, p := range list {
		got = append(got, at{p.Args["line"], p.Code, p.Field})
		if strings.ContainsAny(p.Message("vi"), "{}") {
			t.Errorf("unfilled: %s", p.Message("vi"))
		}
	}
	want := []at{{3, "csv.code", "code"}, {4, "csv.duplicate", "code"}, {5, "csv.name", "name"}, {6, "csv.parent", "parent"},
		{7, "csv.parent", "parent"}, {8, "csv.name", "name"}, {8, "csv.kind", "kind"}, {10, "csv.syntax", "csv"}, {11, "csv.code", "code"}}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestReadOfficesRefusesWholeFiles(t *testing.T) {
	header := "code,name,parent,kind\n"
	tests := []struct{ name, text, code string }{
		{"empty", "", "csv.empty"},
		{"header only", header, "csv.empty"},
		{"Windows code page", header + "H40.01,X\xe3 K\xfd,H40,xa\n", "csv.encoding"},
		{"UTF-16", "\xff\xfec\x00o\x00", "csv.encoding"},
		{"too many", header + strings.Repeat("x\n", MaxCSV/2), "csv.large"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadOffices(strings.NewReader(tt.text))
			wantProblem(t, err, problem.Usage, tt.code)
		})
	}
	_, err := ReadOffices(strings.NewReader("code,name,parnet\nH40.01,x,y\n"))
	var list problem.List
	if !errors.As(err, &list) || len(list) != 2 || list[0].Field != "parent" || list[1].Field != "kind" {
		t.Errorf("missing columns: %v", err)
	}
	many := header + strings.Repeat("bad code,x,,\n", 500)
	if _, err := ReadOffices(strings.NewReader(many)); !errors.As(err, &list) || len(list) > registry.MaxCSVProblems {
		t.Errorf("%d problems reported", len(list))
	}
}

func FuzzReadOffices(f *testing.F) {
	f.Add([]byte("code,name,parent,kind\nH40.01,x,H40,xa\n"))
	f.Add([]byte("\ufeffcode;name;parent;kind\r\n\"a\";\"b\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		offices, err := ReadOffices(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, o := range offices {
			if registry.CheckCode(o.Code) != nil || registry.CheckName(o.Name) != nil {
				t.Fatalf("accepted %+v", o)
			}
		}
	})
}
