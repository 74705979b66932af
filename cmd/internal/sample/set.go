package sample

import (
	"fmt"
	"time"
)

// File is one attachment.
type File struct {
	Name string
	Data []byte
}

// Document is a sample document between two offices.
type Document struct {
	Back    bool // from the second office to the first
	Subject string
	Type    string // abbreviation, "" for công văn
	Urgency uint8
	Files   []File
	Answer  string // what the receiver does: "accept", "return" or nothing yet
}

// Set makes a handful of documents between two offices, as a morning brings
// them: letters of some hundred kilobytes, one scan of several megabytes, and
// an edXML message.
func Set(codeA, nameA, codeB, nameB string) ([]Document, error) {
	date := time.Now()
	line := fmt.Sprintf("ngày %02d tháng %d năm %d", date.Day(), int(date.Month()), date.Year())
	letter := func(office, number, subject string, size int64, seed uint64, body ...string) (File, error) {
		data, err := PDF(Letter{
			Office: office, Number: number, Place: "Minh Sơn", Date: line, Subject: subject, Body: body, Signer: "Nguyễn Văn An",
		}, size, seed)
		return File{Name: "Công văn " + subject[len("V/v "):] + ".pdf", Data: data}, err
	}
	flood, err1 := letter(nameA, "15/UBND-NN", "V/v ứng phó mưa lũ đêm nay", 0, 1,
		"Kính gửi: "+nameB+".",
		"Theo bản tin dự báo thời tiết lúc 16 giờ 00, từ đêm nay trên địa bàn có mưa to đến rất to, nguy cơ lũ quét và sạt lở đất.",
		"Đề nghị quý cơ quan bố trí lực lượng trực 24/24 giờ, sẵn sàng sơ tán các hộ dân ven suối và báo cáo tình hình trước 20 giờ 00.")
	census, err2 := letter(nameA, "16/UBND-VX", "V/v rà soát hộ nghèo năm 2026", 300<<10, 2,
		"Kính gửi: "+nameB+".", "Đề nghị quý cơ quan phối hợp rà soát danh sách hộ nghèo, hộ cận nghèo theo biểu mẫu gửi kèm.")
	land, err3 := letter(nameA, "17/UBND-ĐC", "V/v bản đồ địa chính khu vực giáp ranh", 4<<20, 3,
		"Kính gửi: "+nameB+".", "Gửi kèm bản quét bản đồ địa chính khu vực giáp ranh giữa hai đơn vị để đối chiếu.")
	invite, err4 := letter(nameB, "09/GM-UBND", "V/v mời họp giao ban quý IV", 0, 4,
		"Kính gửi: "+nameA+".", "Trân trọng kính mời đại diện lãnh đạo tham dự họp giao ban quý IV năm 2026.")
	report, err5 := letter(nameB, "10/UBND-TC", "V/v quyết toán ngân sách", 200<<10, 5,
		"Kính gửi: "+nameA+".", "Gửi báo cáo quyết toán ngân sách 9 tháng đầu năm 2026.")
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return nil, err
		}
	}
	message := File{Name: "van-ban-mau.edxml", Data: EdXML(codeB, nameB, codeA, nameA, date)}
	return []Document{
		{Subject: "V/v rà soát hộ nghèo năm 2026", Files: []File{census}, Answer: "accept"},
		{Subject: "V/v bản đồ địa chính khu vực giáp ranh", Files: []File{land}},
		{Subject: "V/v ứng phó mưa lũ đêm nay", Urgency: 3, Files: []File{flood}},
		{Back: true, Subject: "Giấy mời họp giao ban quý IV", Type: "GM", Urgency: 1, Files: []File{invite}},
		{Back: true, Subject: "V/v quyết toán ngân sách", Files: []File{report}, Answer: "return"},
		{Back: true, Subject: "V/v gửi văn bản theo chuẩn edXML", Files: []File{message}},
	}, nil
}

// EdXML makes a small national message of QCVN 102:2016 without attachments.
func EdXML(from, fromName, to, toName string, at time.Time) []byte {
	day := at.Format("2006/01/02")
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016">
  <edXML:edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016">
    <edXML:edXMLHeader>
      <edXML:MessageHeader>
        <edXML:From><edXML:OrganId>%s</edXML:OrganId><edXML:OrganName>%s</edXML:OrganName></edXML:From>
        <edXML:To><edXML:OrganId>%s</edXML:OrganId><edXML:OrganName>%s</edXML:OrganName></edXML:To>
        <edXML:DocumentId>%[1]s,%[5]s,11/UBND-VP</edXML:DocumentId>
        <edXML:Code><edXML:CodeNumber>11</edXML:CodeNumber><edXML:CodeNotation>UBND-VP</edXML:CodeNotation></edXML:Code>
        <edXML:PromulgationInfo><edXML:Place>Minh Sơn</edXML:Place><edXML:PromulgationDate>%[5]s</edXML:PromulgationDate></edXML:PromulgationInfo>
        <edXML:DocumentType><edXML:Type>18</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
        <edXML:Subject>V/v thử nghiệm liên thông</edXML:Subject>
        <edXML:Content>V/v thử nghiệm liên thông</edXML:Content>
        <edXML:SignerInfo><edXML:FullName>Nguyễn Văn An</edXML:FullName></edXML:SignerInfo>
        <edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo>
        <edXML:SteeringType>1</edXML:SteeringType>
      </edXML:MessageHeader>
    </edXML:edXMLHeader>
  </edXML:edXMLEnvelope>
</edXML>
`, from, fromName, to, toName, day)
}
