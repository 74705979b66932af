package edxml

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Kind is a type of administrative document of NĐ 30/2020.
type Kind struct {
	Abbr string // of Phụ lục III; for công văn and thư công, which have none, a key of ours
	Name string
	// Number is edXML's Type in group B of the amendment of 2022. Its published
	// list is incomplete: 10 to 17 and from 27 on follow the order of the older
	// list, "0" where that has none. Readers go by Name.
	Number string
}

// Keys of the two types that have no abbreviation. They never stand in a
// document's notation.
const (
	KindCongVan = "CV"
	KindThuCong = "ThC"
)

// kinds is in the order of the decree.
var kinds = []Kind{
	{"NQ", "Nghị quyết", "1"}, {"QĐ", "Quyết định", "2"}, {"CT", "Chỉ thị", "3"},
	{"QC", "Quy chế", "4"}, {"QyĐ", "Quy định", "5"}, {"TC", "Thông cáo", "6"},
	{"TB", "Thông báo", "7"}, {"HD", "Hướng dẫn", "8"}, {"CTr", "Chương trình", "9"},
	{"KH", "Kế hoạch", "10"}, {"PA", "Phương án", "11"}, {"ĐA", "Đề án", "12"},
	{"DA", "Dự án", "13"}, {"BC", "Báo cáo", "14"}, {"BB", "Biên bản", "15"},
	{"TTr", "Tờ trình", "16"}, {"HĐ", "Hợp đồng", "17"}, {KindCongVan, "Công văn", "18"},
	{"CĐ", "Công điện", "19"}, {"BGN", "Bản ghi nhớ", "20"}, {"BTT", "Bản thỏa thuận", "22"},
	{"GUQ", "Giấy ủy quyền", "24"}, {"GM", "Giấy mời", "25"}, {"GGT", "Giấy giới thiệu", "26"},
	{"GNP", "Giấy nghỉ phép", "27"}, {"PG", "Phiếu gửi", "30"}, {"PC", "Phiếu chuyển", "31"},
	{"PB", "Phiếu báo", "0"}, {KindThuCong, "Thư công", "32"},
}

// Kinds lists the 29 types in the order of the decree.
func Kinds() []Kind { return slices.Clone(kinds) }

// KindByAbbr finds a type by its abbreviation. Capitals do not matter; marks
// do, because QC and QyĐ, DA and ĐA differ by them, except that an unmarked
// spelling is taken when only one type fits it.
func KindByAbbr(abbr string) (Kind, bool) {
	abbr = norm.NFC.String(strings.TrimSpace(abbr))
	for _, k := range kinds {
		if strings.EqualFold(k.Abbr, abbr) {
			return k, true
		}
	}
	var found []Kind
	for _, k := range kinds {
		if strings.EqualFold(strings.ReplaceAll(k.Abbr, "Đ", "D"), abbr) {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		return Kind{}, false
	}
	return found[0], true
}

// KindByName finds a type by its name as a message gives it, regardless of
// capitals and of a bracketed addition such as "(cá biệt)".
func KindByName(name string) (Kind, bool) {
	name, _, _ = strings.Cut(norm.NFC.String(name), "(")
	name = strings.TrimSpace(name)
	for _, k := range kinds {
		if strings.EqualFold(k.Name, name) {
			return k, true
		}
	}
	return Kind{}, false
}
