//go:build libreoffice

package xmldsig

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestPackagesSignedByLibreOfficeHold signs an odt and a docx with soffice. It
// has a tag because LibreOffice is large, and is run by hand:
//
//	apt-get install libreoffice-writer-nogui python3-uno libnss3-tools
//	go test -tags libreoffice -run LibreOffice ./agent/docsign/xmldsig
func TestPackagesSignedByLibreOfficeHold(t *testing.T) {
	dir := t.TempDir()
	run := func(env, name string, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	s := rsaSigner(t, 2048)
	for name, data := range map[string][]byte{"key.pem": s.keyPEM(t), "cert.pem": s.certPEM(), "sign.py": []byte(libreOfficeScript)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	database := "MOZILLA_CERTIFICATE_FOLDER=sql:" + dir
	run("", "certutil", "-N", "-d", "sql:.", "--empty-password")
	run("", "openssl", "pkcs12", "-export", "-inkey", "key.pem", "-in", "cert.pem", "-name", "signer", "-out", "signer.p12", "-passout", "pass:")
	run("", "pk12util", "-i", "signer.p12", "-d", "sql:.", "-W", "")
	for _, kind := range []string{"odt", "docx"} {
		run(database, "timeout", "120", "/usr/bin/python3", "sign.py", dir, kind)
		data, err := os.ReadFile(filepath.Join(dir, "signed."+kind))
		if err != nil {
			t.Fatal(err)
		}
		_, all, err := CheckPackage(bytes.NewReader(data), int64(len(data)))
		if err != nil || len(all) != 1 || all[0].Fault != "" || all[0].Scope != Whole || !all[0].CertBound || all[0].SignedAt.IsZero() {
			t.Errorf("%s: %+v, %v", kind, all, err)
		}
	}
}

// libreOfficeScript writes a text, and signs it with the first certificate of
// the database.
const libreOfficeScript = `
import shutil, subprocess, sys, time, uno
from com.sun.star.beans import PropertyValue
folder, kind = sys.argv[1:]
pipe = "pipe,name=tram" + folder.replace("/", "")[-40:] + kind
office = subprocess.Popen(["soffice", "--headless", "--norestore", "-env:UserInstallation=file://" + folder + "/profile", "--accept=" + pipe + ";urp;"])
local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
for i in range(60):
    try:
        context = resolver.resolve("uno:" + pipe + ";urp;StarOffice.ComponentContext")
        break
    except Exception:
        time.sleep(1)
def make(name, *args):
    if args:
        return context.ServiceManager.createInstanceWithArgumentsAndContext(name, args, context)
    return context.ServiceManager.createInstanceWithContext(name, context)
def prop(name, value):
    p = PropertyValue()
    p.Name, p.Value = name, value
    return p
desk = make("com.sun.star.frame.Desktop")
doc = desk.loadComponentFromURL("private:factory/swriter", "_blank", 0, (prop("Hidden", True),))
doc.Text.setString("Chi 100 đồng")
url = "file://" + folder + "/signed." + kind
doc.storeToURL(url, (prop("FilterName", "MS Word 2007 XML"),) if kind == "docx" else ())
doc.close(True)
security = make("com.sun.star.xml.crypto.SEInitializer").createSecurityContext("").getSecurityEnvironment()
zip = uno.Any("[]com.sun.star.beans.PropertyValue", (prop("StorageFormat", "ZipFormat"),))
storage = uno.invoke(make("com.sun.star.embed.StorageFactory"), "createInstanceWithArguments", ((url, 7, zip),))
signatures = make("com.sun.star.security.DocumentDigitalSignatures", "1.2", True)
assert signatures.signDocumentWithCertificate(security.getPersonalCertificates()[0], storage, None)
storage.commit()
storage.dispose()
try:
    desk.terminate()
except Exception:
    pass
office.wait(30)
`
