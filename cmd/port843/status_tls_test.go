//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// authority signs certificates for a test.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	next int64
}

func newAuthority(t *testing.T, dir, name string) (a *authority, file string) {
	a = &authority{t: t, dir: dir}
	file, _ = a.sign(name, &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return a, file
}

// sign makes a certificate and its key in files of that name. The first is the
// authority's own.
func (a *authority) sign(name string, c *x509.Certificate) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.next++
	c.SerialNumber, c.Subject = big.NewInt(a.next), pkix.Name{CommonName: name}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, parentKey := a.cert, a.key
	if parent == nil {
		parent, parentKey = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.cert == nil {
		if a.cert, err = x509.ParseCertificate(der); err != nil {
			a.t.Fatal(err)
		}
		a.key = key
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	return certFile, keyFile
}

func TestStatusWithAClientCertificate(t *testing.T) {
	dir := publicDir(t)
	ca, caFile := newAuthority(t, dir, "ca")
	cert, key := ca.sign("server", &x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	mine, myKey := ca.sign("client", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	other, _ := newAuthority(t, dir, "other-ca")
	others, othersKey := other.sign("stranger", &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})

	s := startService(t, "--listen", "127.0.0.1:0", "--admin", "0.0.0.0:0", "--admin-cert", cert, "--admin-key", key, "--admin-client-ca", caFile)
	address := func() string { return "https://127.0.0.1" + s.admin(t)[strings.LastIndexByte(s.admin(t), ':'):] }
	letIn := func(when string) {
		t.Helper()
		if code, out, errs := runStatus(t, "--admin", address(), "--ca", caFile, "--cert", mine, "--key", myKey); code != 0 || !strings.HasPrefix(out, "all is well") {
			t.Errorf("%s: exit code %d, %s", when, code, errs)
		}
	}
	letIn("with a certificate")
	if code, _, _ := runStatus(t, "--admin", address(), "--ca", caFile); code != 2 {
		t.Errorf("without a certificate: exit code %d", code)
	}
	if code, _, _ := runStatus(t, "--admin", address(), "--ca", caFile, "--cert", others, "--key", othersKey); code != 2 {
		t.Errorf("with a stranger's certificate: exit code %d", code)
	}
	if code, _, _ := runStatus(t, "--admin", strings.Replace(address(), "https", "http", 1)); code != 2 {
		t.Errorf("without HTTPS: exit code %d", code)
	}

	// A successor reads the files again, as whom the service has become.
	s.cmd.Process.Signal(syscall.SIGUSR2)
	successor, err := os.FindProcess(int(s.logged(t, "leaving: a successor serves")["pid"].(float64)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { successor.Kill() })
	<-s.done
	letIn("by the successor")
}
