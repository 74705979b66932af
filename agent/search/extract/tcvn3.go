package extract

import (
	"strings"
)

// isTCVN3 tells the fonts of TCVN 5712:1993 by their names.
func isTCVN3(name string) bool { return len(name) > 3 && strings.EqualFold(name[:3], ".Vn") }

// tcvn3 are the Latin letters that such a font draws as Vietnamese ones, in pairs.
var tcvn3 = strings.NewReplacer(strings.Split(
	"µ à ¸ á ¶ ả · ã ¹ ạ ¨ ă » ằ ¾ ắ ¼ ẳ ½ ẵ Æ ặ © â Ç ầ Ê ấ È ẩ É ẫ Ë ậ ® đ "+
		"Ì è Ð é Î ẻ Ï ẽ Ñ ẹ ª ê Ò ề Õ ế Ó ể Ô ễ Ö ệ × ì Ý í Ø ỉ Ü ĩ Þ ị "+
		"ß ò ã ó á ỏ â õ ä ọ « ô å ồ è ố æ ổ ç ỗ é ộ ¬ ơ ê ờ í ớ ë ở ì ỡ î ợ "+
		"ï ù ó ú ñ ủ ò ũ ô ụ \u00ad ư õ ừ ø ứ ö ử ÷ ữ ù ự ú ỳ ý ý û ỷ ü ỹ þ ỵ "+
		"¡ Ă ¢ Â § Đ £ Ê ¤ Ô ¥ Ơ ¦ Ư", " ")...)

// fromTCVN3 gives the letters that are seen.
func fromTCVN3(text string) string { return tcvn3.Replace(text) }
