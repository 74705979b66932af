"""A one-stop system: takes dossiers in, reports how they go, and sends results
back. Prints what it did as JSON."""

import base64
import hashlib
import json
import os
import sys
from datetime import datetime, timezone
from xml.sax.saxutils import escape

import tram_api


def main(arrivals, recalls, result):
    config = tram_api.Configuration(host=os.environ["TRAM_URL"])
    config.access_token = os.environ["TRAM_KEY"]
    with tram_api.ApiClient(config) as client:
        desk = Desk(client, result)
        done, cancelled, after = [], [], {}
        while len(done) < arrivals or len(cancelled) < recalls:
            page = tram_api.EventsApi(client).list_events(wait=20, **after)
            for event in page.events:
                if event.type == "document.arrived":
                    done.append(desk.take(event.document_id))
                elif event.box == tram_api.Box.IN:
                    cancelled += desk.cancel(event.document_id)
            after = {"after": page.next}
    json.dump({"taken": done, "cancelled": cancelled}, sys.stdout)


class Desk:
    def __init__(self, client, result):
        self.documents = tram_api.DocumentsApi(client)
        self.contents = tram_api.ContentsApi(client)
        self.decisions = tram_api.DecisionsApi(client)
        self.office = tram_api.AccountApi(client).get_me().office
        self.result = result

    def take(self, id):
        document = self.documents.get_document(id)
        done = {"id": id, "subject": document.subject, "from": document._from.code, "sha256": self.read(document)}
        if document.subject.startswith("Hồ sơ thiếu"):
            why = tram_api.ReturnRequest(reason="Thiếu bản sao giấy khai sinh")
            done["state"] = self.decisions.return_document(id, why).state
            return done
        done["state"] = self.decisions.accept_document(id, tram_api.AcceptRequest()).state
        if document.subject.startswith("Hồ sơ"):
            for code in ("04", "05", "06"):
                self.decisions.report_document(id, tram_api.ReportRequest(status_code=code, text="Bước " + code))
        if document.subject.endswith("chờ kết quả"):
            done["answer"] = self.answer(self.documents.get_document(id))
        return done

    def cancel(self, id):
        """Agrees when the sender asks for a document to be cancelled."""
        request = self.documents.get_document(id).request
        if request is None or request.state != "pending":
            return []
        state = self.decisions.grant_request(id, {}).state
        return [{"id": id, "reason": request.reason, "state": state}]

    def read(self, document):
        """Downloads the first file and holds it against what was announced."""
        path = self.contents.download_attachment(document.id, 0)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if digest != document.attachments[0].sha256:
            raise ValueError("content of %s is not what was announced" % document.id)
        return digest

    def answer(self, document):
        """Hands the result over as edXML, as an answer to the dossier."""
        with open(self.result, "rb") as file:
            content = base64.b64encode(file.read()).decode()
        today = datetime.now(timezone.utc)
        number = "%d/KQ-MC" % (document.arrival_number or 1)
        message = EDXML.format(
            office=self.office.code,
            name=escape(self.office.name),
            to=document._from.code,
            about=escape(document.edxml_id),
            subject=escape("Kết quả: " + document.subject),
            number=number.partition("/")[0],
            id=today.strftime(self.office.code + ",%Y/%m/%d," + number),
            date=today.strftime("%d/%m/%Y"),
            time=today.strftime("%Y/%m/%d %H:%M:%S"),
            content=content,
        )
        return self.documents.import_edxml(message.encode(), idempotency_key="result-" + document.id).document_id


# A message of QCVN 102:2016/BTTTT with one file.
EDXML = """<?xml version="1.0" encoding="UTF-8"?>
<edXML xmlns="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXMLEnvelope><edXMLHeader><MessageHeader>
<From><OrganId>{office}</OrganId><OrganName>{name}</OrganName></From><To><OrganId>{to}</OrganId></To>
<ResponseFor><OrganId>{to}</OrganId><DocumentId>{about}</DocumentId></ResponseFor>
<DocumentId>{id}</DocumentId><Code><CodeNumber>{number}</CodeNumber><CodeNotation>KQ-MC</CodeNotation></Code>
<PromulgationInfo><Place>Tân Lập</Place><PromulgationDate>{date}</PromulgationDate></PromulgationInfo>
<DocumentType><Type>2</Type><TypeName>Thông báo</TypeName></DocumentType>
<Subject>{subject}</Subject><Content>Kết quả giải quyết hồ sơ</Content>
<SignerInfo><FullName>Lê Văn Mẫu</FullName></SignerInfo>
</MessageHeader><TraceHeaderList><TraceHeader><OrganId>{office}</OrganId><Timestamp>{time}</Timestamp></TraceHeader>
<Bussiness><BussinessDocType>0</BussinessDocType></Bussiness></TraceHeaderList></edXMLHeader>
<edXMLBody><edXMLManifest version="1.0"><Reference><ContentId>cid:ket-qua</ContentId><ContentType>application/pdf</ContentType>
<AttachmentName>Kết quả.pdf</AttachmentName></Reference></edXMLManifest></edXMLBody></edXMLEnvelope>
<AttachmentEncoded><Attachment><ContentId>ket-qua</ContentId><AttachmentName>Kết quả.pdf</AttachmentName>
<ContentTransferEncoded>{content}</ContentTransferEncoded></Attachment></AttachmentEncoded></edXML>
"""


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
