package web

import "tram/agent/office"

// sealedBy words what a seal stands for, and who made it: "Chữ ký của lãnh
// đạo: Nguyễn Văn A". Empty when the certificate says nothing that is known.
func (v *visit) sealedBy(s *office.Seal) string {
	switch s.Role {
	case "agency", "leader", "copy":
	default:
		return s.Person
	}
	if s.Person == "" {
		return v.t("seal.role." + s.Role)
	}
	return v.t("seal.role."+s.Role) + ": " + s.Person
}
