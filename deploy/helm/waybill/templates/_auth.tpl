{{/* yes where a certificate of a client can be a login: what the services are told then. */}}
{{- define "waybill.certified" -}}{{ if ne .Values.auth.clientCertificates.login "none" }}yes{{ end }}{{- end }}

{{/* What a role is told of who may do what, as a map of environment names. All are told the mode; files are there for those alone that read them. */}}
{{- define "waybill.authEnvironment" -}}
{{- $auth := .root.Values.auth }}
{{- $role := .role }}
{{- $files := include "waybill.secrets" . }}
{{- $env := dict "WAYBILL_AUTH_MODE" $auth.mode }}
{{- with include "waybill.publicUrl" .root }}{{ $_ := set $env "WAYBILL_PUBLIC_URL" . }}{{ end }}
{{- if eq $auth.mode "none" }}
  {{- $_ := set $env "WAYBILL_AUTH_ALLOW_UNAUTHENTICATED_NETWORK" "true" }}
{{- else }}
  {{- if eq $role "gateway" }}{{ $_ := set $env "WAYBILL_GATEWAY_TOKENS" (printf "%s-tokens:5000" (include "waybill.fullname" .root)) }}{{ end }}
  {{- if eq $role "migrate" }}{{ $_ := set $env "WAYBILL_ADMIN_PASSWORD_FILE" (printf "%s/tokens/adminPassword" $files) }}{{ end }}
{{- end }}
{{- if and (eq $auth.mode "tokens") (eq $role "tokens") }}
  {{- if $auth.tokens.signingKeys }}{{ $_ := set $env "WAYBILL_AUTH_TOKENS_KEYS" (printf "%s/signing-keys" $files) }}
  {{- else }}{{ $_ := set $env "WAYBILL_AUTH_TOKENS_KEY_SECRET_FILE" (printf "%s/tokens/keySecret" $files) }}{{ end }}
{{- end }}
{{- if eq $auth.mode "htpasswd" }}{{ $_ := set $env "WAYBILL_AUTH_HTPASSWD" (printf "%s/htpasswd/users" $files) }}{{ end }}
{{- if eq $auth.mode "external" }}
  {{- with $auth.external }}
    {{- $env = merge $env (dict "WAYBILL_AUTH_REALM" .realm "WAYBILL_AUTH_ISSUER" .issuer) }}
    {{- if .service }}{{ $_ := set $env "WAYBILL_AUTH_SERVICE" .service }}{{ end }}
    {{- if .jwksUrl }}{{ $_ := set $env "WAYBILL_AUTH_JWKS_URL" .jwksUrl }}{{ end }}
    {{- if .jwks }}{{ $_ := set $env "WAYBILL_AUTH_JWKS_FILE" (printf "%s/token-server/jwks.json" $files) }}{{ end }}
    {{- if .certificates }}{{ $_ := set $env "WAYBILL_AUTH_CERTIFICATES" (printf "%s/token-server/certificates.pem" $files) }}{{ end }}
  {{- end }}
{{- end }}
{{- if and (include "waybill.certified" .root) (has $role (list "blobs" "manifests" "tokens")) }}
  {{- with $auth.clientCertificates }}
    {{- $env = merge $env (dict "WAYBILL_HTTP_TRUST_CLIENT_CERT" "true" "WAYBILL_AUTH_CLIENT_CERTIFICATES_LOGIN" .login) }}
    {{- if .prefix }}{{ $_ := set $env "WAYBILL_AUTH_CLIENT_CERTIFICATES_PREFIX" .prefix }}{{ end }}
    {{- if .suffix }}{{ $_ := set $env "WAYBILL_AUTH_CLIENT_CERTIFICATES_SUFFIX" .suffix }}{{ end }}
  {{- end }}
{{- end }}
{{- if eq $role "gateway" }}
  {{- with .root.Values.gateway }}
    {{- if .trustClientCert }}{{ $_ := set $env "WAYBILL_HTTP_TRUST_CLIENT_CERT" "true" }}{{ end }}
    {{- if .tls.secret }}{{ $env = merge $env (dict "WAYBILL_HTTP_TLS_CERT_FILE" (printf "%s/tls/tls.crt" $files) "WAYBILL_HTTP_TLS_KEY_FILE" (printf "%s/tls/tls.key" $files)) }}{{ end }}
    {{- if ne .tls.clientCerts "none" }}
      {{- $env = merge $env (dict "WAYBILL_HTTP_TLS_CLIENT_CERTS" .tls.clientCerts "WAYBILL_HTTP_TLS_CLIENT_CA_FILE" (printf "%s/client-ca/ca.crt" $files)) }}
      {{- if .tls.clientCrl }}{{ $_ := set $env "WAYBILL_HTTP_TLS_CLIENT_CRL_FILE" (printf "%s/client-ca/ca.crl" $files) }}{{ end }}
    {{- end }}
  {{- end }}
{{- end }}
{{- toYaml $env }}
{{- end }}

{{/* The volumes of a role for that. */}}
{{- define "waybill.authVolumes" -}}
{{- $auth := .root.Values.auth }}
{{- $guards := has .role (list "blobs" "manifests") }}
{{- if and (eq .role "migrate") (ne $auth.mode "none") }}
- name: tokens
  secret: { secretName: {{ $auth.secret }}, defaultMode: 0440, items: [{ key: adminPassword, path: adminPassword }] }
{{- end }}
{{- if and (eq .role "tokens") (eq $auth.mode "tokens") }}
{{- if $auth.tokens.signingKeys }}
- name: signing-keys
  secret: { secretName: {{ $auth.tokens.signingKeys }}, defaultMode: 0440 }
{{- else }}
- name: tokens
  secret: { secretName: {{ $auth.secret }}, defaultMode: 0440, items: [{ key: keySecret, path: keySecret }] }
{{- end }}
{{- end }}
{{- if and $guards (eq $auth.mode "htpasswd") }}
- name: htpasswd
  secret: { secretName: {{ $auth.htpasswd.secret }}, defaultMode: 0440, items: [{ key: users, path: users }] }
{{- end }}
{{- if and $guards (eq $auth.mode "external") }}
{{- with $auth.external }}
{{- if .jwks }}
- name: token-server
  configMap: { name: {{ .jwks }}, items: [{ key: jwks.json, path: jwks.json }] }
{{- else if .certificates }}
- name: token-server
  configMap: { name: {{ .certificates }}, items: [{ key: certificates.pem, path: certificates.pem }] }
{{- end }}
{{- end }}
{{- end }}
{{- if eq .role "gateway" }}
{{- with .root.Values.gateway.tls }}
{{- if .secret }}
- name: tls
  secret: { secretName: {{ .secret }}, defaultMode: 0440, items: [{ key: tls.crt, path: tls.crt }, { key: tls.key, path: tls.key }] }
{{- end }}
{{- if ne .clientCerts "none" }}
- name: client-ca
  secret: { secretName: {{ .clientCaSecret }}, defaultMode: 0440, items: [{ key: ca.crt, path: ca.crt }{{ if .clientCrl }}, { key: ca.crl, path: ca.crl }{{ end }}] }
{{- end }}
{{- end }}
{{- end }}
{{- end }}
