{{/* What values.schema.json cannot say: values that are right one by one, and not together. */}}
{{- define "waybill.check" -}}
{{- $v := .Values }}
{{- $auth := $v.auth }}
{{- $tls := $v.gateway.tls }}
{{- if contains "." .Release.Name }}
{{- fail (printf "the name of the release is %s; expected one without a dot, because the names of Services begin with it" .Release.Name) }}
{{- end }}
{{- if and (eq $auth.mode "none") (not $auth.allowUnauthenticatedNetwork) }}
{{- fail "auth.mode is none: whoever reaches the gateways could push and delete; expected another mode, or auth.allowUnauthenticatedNetwork true where the network itself lets nobody else in" }}
{{- end }}
{{- if eq $auth.mode "external" }}
{{- $sources := compact (list $auth.external.jwksUrl $auth.external.jwks $auth.external.certificates) }}
{{- if ne (len $sources) 1 }}
{{- fail (printf "%d of auth.external.jwksUrl, jwks and certificates are given; expected one of them, because tokens are checked with the keys of one place" (len $sources)) }}
{{- end }}
{{- end }}
{{- if and (ne $tls.clientCerts "none") (not (and $tls.secret $tls.clientCaSecret)) }}
{{- fail (printf "gateway.tls.clientCerts is %s, and gateway.tls.secret or gateway.tls.clientCaSecret is missing; expected both: the gateways are the end of TLS then, and have to know who signs the certificates of clients" $tls.clientCerts) }}
{{- end }}
{{- if and $v.gateway.service.externalTrafficPolicy (eq $v.gateway.service.type "ClusterIP") }}
{{- fail (printf "gateway.service.externalTrafficPolicy is %s, and gateway.service.type is ClusterIP; expected LoadBalancer or NodePort, because nobody comes to it from outside" $v.gateway.service.externalTrafficPolicy) }}
{{- end }}
{{- if and $v.gateway.trustClientCert (not $v.gateway.trustedProxies) }}
{{- fail "gateway.trustClientCert is true, and gateway.trustedProxies is empty; expected the networks of the proxies that forward the certificates of clients" }}
{{- end }}
{{- if include "waybill.certified" . }}
{{- include "waybill.checkCertificates" . }}
{{- else if or $auth.clientCertificates.prefix $auth.clientCertificates.suffix }}
{{- fail "auth.clientCertificates has a prefix or a suffix, and auth.clientCertificates.login is none; expected what of a certificate is the login" }}
{{- end }}
{{- end }}

{{- define "waybill.checkCertificates" -}}
{{- $v := .Values }}
{{- $login := $v.auth.clientCertificates.login }}
{{- if not (has $v.auth.mode (list "tokens" "htpasswd")) }}
{{- fail (printf "auth.clientCertificates.login is %s, and auth.mode is %s; expected mode tokens or htpasswd, or login none" $login $v.auth.mode) }}
{{- end }}
{{- if and (eq $v.gateway.tls.clientCerts "none") (not $v.gateway.trustClientCert) }}
{{- fail (printf "auth.clientCertificates.login is %s, and no certificate of a client gets to a gateway; expected gateway.tls.clientCerts request or require, or gateway.trustClientCert true where a proxy in front is the end of TLS" $login) }}
{{- end }}
{{- if not $v.networkPolicy.enabled }}
{{- fail (printf "auth.clientCertificates.login is %s, and networkPolicy.enabled is false; expected true, because whoever reaches a service past the gateways could say whose certificate it has" $login) }}
{{- end }}
{{- if and $v.ingress.enabled $v.ingress.blobsPath }}
{{- fail (printf "auth.clientCertificates.login is %s, and ingress.blobsPath takes requests past the gateways, which replace what a client says of its certificate; expected no blobsPath" $login) }}
{{- end }}
{{- end }}
