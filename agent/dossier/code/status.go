package code

import (
	"strconv"
	"strings"

	"tram/agent/i18n"
	"tram/agent/problem"
)

// Status is a status of a dossier at the national portal (TrangThaiHoSo). The
// zero Status is none.
type Status int

// The statuses. Their numbers are those of the portal.
const (
	Registered     Status = 1 + iota // mới đăng ký
	Received                         // được tiếp nhận
	Refused                          // không được tiếp nhận
	Processing                       // đang xử lý
	Supplement                       // yêu cầu bổ sung giấy tờ
	Payment                          // yêu cầu thực hiện nghĩa vụ tài chính
	WithdrawalWish                   // công dân yêu cầu rút hồ sơ
	Stopped                          // dừng xử lý
	Done                             // đã xử lý xong
	Returned                         // đã trả kết quả
)

// Statuses lists all of them in their order.
func Statuses() []Status {
	return []Status{Registered, Received, Refused, Processing, Supplement, Payment, WithdrawalWish, Stopped, Done, Returned}
}

// Valid reports whether s is one of them.
func (s Status) Valid() bool { return s >= Registered && s <= Returned }

// ParseStatus reads the number of a status.
func ParseStatus(text string) (Status, error) {
	text = strings.TrimSpace(text)
	n, err := strconv.ParseUint(text, 10, 8)
	if err != nil || !Status(n).Valid() {
		return 0, problem.New(problem.Usage, "dossier-code.status", "status", i18n.Args{"status": shown(text), "least": int(Registered), "most": int(Returned)})
	}
	return Status(n), nil
}

// String is the number, "" for none.
func (s Status) String() string {
	if s == 0 {
		return ""
	}
	return strconv.Itoa(int(s))
}

// Text implements [i18n.Speaker]: the name of the status, its number when it is
// none of them.
func (s Status) Text(lang i18n.Lang) string {
	if !s.Valid() {
		return s.String()
	}
	return i18n.T(lang, "dossier-status."+s.String())
}
