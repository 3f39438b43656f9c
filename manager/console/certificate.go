package console

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"portico/internal/apim"
	"portico/internal/entry/check"
	"portico/internal/secret"
	"portico/manager"
	"portico/ui"
)

// certificatesPage lists an environment's certificates, and adds one.
type certificatesPage struct {
	shell
	Environment  apim.Environment
	Rows         []certificateRow
	Form         form
	Action       string
	Live         liveView
	Later, First string // pages
}

type certificateRow struct {
	Hosts, Issuer, Key, Ends, Edit string
	Badge                          string
	Tone                           ui.Tone
	Default                        bool
	Clients                        string
}

// certificatePage shows a certificate and changes it.
type certificatePage struct {
	shell
	Heading string
	Row     certificateRow
	Facts   []ui.Pair
	Form    form
	Action  string
	Remove  string
	List    string
}

// The fields of the forms, which are the API's names.
func certificateFields() []string {
	return []string{"chain", "private_key", "hosts", "default", "mode", "roots"}
}

func certificateNames() map[string]string {
	return map[string]string{"clients.mode": "mode", "clients.roots": "roots"}
}

// certificateEnvironment is the environment of the path, for operators.
func (v *visit) certificateEnvironment() (apim.Environment, error) {
	env, isNew, err := v.environmentOfPath()
	if err == nil && isNew {
		err = apim.Errorf(apim.NotFound, "there is no environment %q", newEnvironmentSlug)
	}
	return env, err
}

func (h *Console) certificates(v *visit) error {
	return h.certificatesPage(v, http.StatusOK, filled("mode", string(apim.ClientCertificatesOff)))
}

func (h *Console) certificatesPage(v *visit, status int, f form) error {
	env, err := v.certificateEnvironment()
	if err != nil {
		return err
	}
	all, err := h.Fleet.Certificates(v.ctx(), v.actor, env.Slug, apim.Page{Cursor: v.query("cursor")})
	if err != nil {
		return err
	}
	p := certificatesPage{
		shell:       v.shell("Certificates", link{"Settings", v.links.settings()}, link{env.Name, v.links.editEnvironment(env.Slug)}, link{"Certificates", ""}),
		Environment: env, Form: f, Action: v.links.certificates(env.Slug), Live: h.liveFromQuery(v, "The certificate", "in force"),
	}
	p.Later, p.First = v.pages(p.Action, all.NextCursor)
	for _, c := range all.Items {
		p.Rows = append(p.Rows, v.certificateRow(c))
	}
	return v.render(status, certificatesView(p))
}

func (v *visit) certificateRow(c apim.Certificate) certificateRow {
	row := certificateRow{
		Hosts: strings.Join(c.Hosts, ", "), Issuer: c.Issuer, Key: c.KeyType, Ends: day(c.NotAfter), Edit: v.links.certificate(c.Environment, c.ID),
		Default: c.Default, Badge: "good", Tone: ui.OK,
	}
	if len(c.Hosts) > 3 {
		row.Hosts = strings.Join(c.Hosts[:3], ", ") + " and " + strconv.Itoa(len(c.Hosts)-3) + " more"
	}
	switch c.State(v.now) {
	case apim.CertificateExpired:
		row.Badge, row.Tone = "expired", ui.Bad
	case apim.CertificateExpiring:
		row.Badge, row.Tone = "ends in "+ago(c.NotAfter, v.now), ui.Warn
	}
	if c.Clients.Mode != apim.ClientCertificatesOff {
		row.Clients = string(c.Clients.Mode)
	}
	return row
}

// pem returns what a form gives as a file, else what was pasted.
func (v *visit) pem(f *form, name string) string {
	text := f.value(name)
	if v.c.Request.MultipartForm == nil {
		return text
	}
	header, err := v.c.FormFile(name + "_file")
	if errors.Is(err, http.ErrMissingFile) || err == nil && header.Size == 0 {
		return text
	}
	if err != nil {
		f.fail(name, "the file could not be read")
		return ""
	}
	file, err := header.Open()
	if err != nil {
		f.fail(name, "the file could not be read")
		return ""
	}
	defer func() { _ = file.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(file, check.MaxPEMBytes+1))
	switch {
	case err != nil:
		f.fail(name, "the file could not be read")
	case strings.TrimSpace(text) != "":
		f.fail(name, "was pasted and given as a file too; do one of both")
	case len(raw) > check.MaxPEMBytes:
		f.fail(name, "the file is larger than "+bytesText(check.MaxPEMBytes))
	}
	return string(raw)
}

// use reads what a certificate is used for.
func (f form) use() (hosts []string, clients apim.ClientCertificates) {
	return strings.Fields(strings.ReplaceAll(f.value("hosts"), ",", " ")),
		apim.ClientCertificates{Mode: apim.ClientCertificatesMode(f.value("mode")), Roots: f.text("roots")}
}

func (h *Console) addCertificate(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	env, err := v.certificateEnvironment()
	if err != nil {
		return err
	}
	chain, key := v.pem(&f, "chain"), v.pem(&f, "private_key")
	hosts, clients := f.use()
	var c apim.Certificate
	var change apim.Change
	if !f.failed() {
		c, change, err = h.Fleet.AddCertificate(v.ctx(), v.actor, env.Slug, manager.CertificateInput{
			Chain: chain, Key: secret.Text(key), Hosts: hosts, Default: f.checked("default"), Clients: clients,
		})
		if err != nil && !f.refuse(err, certificateFields(), certificateNames()) {
			return err
		}
	}
	f.values.Del("private_key") // not shown again, whatever was wrong
	if f.failed() {
		return h.certificatesPage(v, v.status(f), f)
	}
	v.flash(toneOK, "The certificate for "+v.certificateRow(c).Hosts+" is added.")
	return v.redirect(withChange(v.links.certificates(env.Slug), change))
}

func (h *Console) certificate(v *visit) error {
	c, err := h.certificateOfPath(v)
	if err != nil {
		return err
	}
	f := filled("hosts", strings.Join(c.Hosts, "\n"), "mode", string(c.Clients.Mode), "roots", c.Clients.Roots, "lock", strconv.FormatInt(c.Lock, 10))
	if c.Default {
		f.values.Set("default", "on")
	}
	return h.certificatePage(v, http.StatusOK, f, c)
}

func (h *Console) certificateOfPath(v *visit) (apim.Certificate, error) {
	env, err := v.certificateEnvironment()
	if err != nil {
		return apim.Certificate{}, err
	}
	return h.Fleet.Certificate(v.ctx(), v.actor, env.Slug, apim.ID(v.param("certificate")))
}

func (h *Console) certificatePage(v *visit, status int, f form, c apim.Certificate) error {
	row := v.certificateRow(c)
	p := certificatePage{
		Heading: row.Hosts, Row: row, Form: f, Action: row.Edit, Remove: row.Edit + "/delete", List: v.links.certificates(c.Environment),
		Facts: []ui.Pair{
			{Key: "Subject", Value: c.Subject},
			{Key: "Issuer", Value: c.Issuer},
			{Key: "Key", Value: c.KeyType},
			{Key: "Good from", Value: moment(c.NotBefore)},
			{Key: "Good until", Value: moment(c.NotAfter)},
			{Key: "SHA-256", Value: c.Fingerprint, Mono: true},
			{Key: "Last changed", Value: c.UpdatedBy + ", " + agoPhrase(v.now, c.UpdatedAt)},
		},
	}
	p.shell = v.shell(p.Heading, link{"Settings", v.links.settings()}, link{"Certificates", p.List}, link{p.Heading, ""})
	return v.render(status, certificateView(p))
}

func (h *Console) saveCertificate(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	c, err := h.certificateOfPath(v)
	if err != nil {
		return err
	}
	chain, key := v.pem(&f, "chain"), v.pem(&f, "private_key")
	hosts, clients := f.use()
	isDefault := f.checked("default")
	in := manager.CertificateChange{Hosts: &hosts, Default: &isDefault, Clients: &clients}
	in.Lock, _ = strconv.ParseInt(f.value("lock"), 10, 64) // none takes it as it is
	if strings.TrimSpace(chain) != "" {
		in.Chain = &chain
	}
	if text := secret.Text(key); strings.TrimSpace(key) != "" {
		in.Key = &text
	}
	var change apim.Change
	if !f.failed() {
		_, change, err = h.Fleet.ChangeCertificate(v.ctx(), v.actor, c.Environment, c.ID, in)
		if err != nil && !f.refuse(err, certificateFields(), certificateNames()) {
			return err
		}
	}
	f.values.Del("private_key") // not shown again, whatever was wrong
	if f.failed() {
		return h.certificatePage(v, v.status(f), f, c)
	}
	v.flash(toneOK, "The certificate is saved.")
	return v.redirect(withChange(v.links.certificates(c.Environment), change))
}

func (h *Console) removeCertificate(v *visit) error {
	env, err := v.certificateEnvironment()
	if err != nil {
		return err
	}
	change, err := h.Fleet.RemoveCertificate(v.ctx(), v.actor, env.Slug, apim.ID(v.param("certificate")))
	if err != nil && apim.KindOf(err) != apim.NotFound { // it was removed before
		return err
	}
	if err == nil {
		v.flash(toneOK, "The certificate is removed. Clients that ask for its hosts are refused.")
	}
	return v.redirect(withChange(v.links.certificates(env.Slug), change))
}
