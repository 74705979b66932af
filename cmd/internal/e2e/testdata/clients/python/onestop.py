"""A one-stop system: takes dossiers in, reports how they go, and sends results
back. Prints what it did as JSON."""

import base64
import hashlib
import json
import os
import sys
import uuid

import tram_api


def main(arrivals, result):
    config = tram_api.Configuration(host=os.environ["TRAM_URL"])
    config.access_token = os.environ["TRAM_KEY"]
    with tram_api.ApiClient(config) as client:
        desk = Desk(client, result)
        done, after = [], {}
        while len(done) < arrivals:
            page = tram_api.EventsApi(client).list_events(wait=20, **after)
            for event in page.events:
                if event.type == "document.arrived":
                    done.append(desk.take(event.document_id))
            after = {"after": page.next}
        office = tram_api.AccountApi(client).get_me().office.code
    json.dump({"office": office, "taken": done}, sys.stdout)


class Desk:
    def __init__(self, client, result):
        self.documents = tram_api.DocumentsApi(client)
        self.contents = tram_api.ContentsApi(client)
        self.decisions = tram_api.DecisionsApi(client)
        self.uploads = tram_api.UploadsApi(client)
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
            done["answer"] = self.answer(document)
        return done

    def read(self, document):
        """Downloads the first file and holds it against what was announced."""
        path = self.contents.download_attachment(document.id, 0)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
        if digest != document.attachments[0].sha256:
            raise ValueError("content of %s is not what was announced" % document.id)
        return digest

    def answer(self, document):
        with open(self.result, "rb") as file:
            content = file.read()
        name = base64.b64encode("Kết quả.pdf".encode()).decode()
        upload = self.uploads.create_upload("1.0.0", len(content), "filename " + name)
        self.uploads.append_upload(upload.id, "1.0.0", 0, content)
        draft = tram_api.Draft(
            to=[document._from.code],
            subject="Kết quả giải quyết " + document.subject,
            files=[tram_api.FileName(upload=upload.id)],
        )
        return self.documents.send_document(str(uuid.uuid4()), draft).id


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
