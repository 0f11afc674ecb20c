{{/* Files with secrets are below this folder, each readable by the container alone. */}}
{{- define "waybill.secrets" -}}/run/secrets/waybill{{- end }}

{{/* What the chart says to a role, as a map of environment names; `settings` go over it. Secrets are named by their files. */}}
{{- define "waybill.environment" -}}
{{- $v := .root.Values }}
{{- $role := .role }}
{{- $files := include "waybill.secrets" . }}
{{- $name := include "waybill.fullname" .root }}
{{- $env := dict }}
{{- if ne $role "migrate" }}
  {{- $env = merge $env (dict "WAYBILL_HTTP_ADDRESS" ":5000" "WAYBILL_METRICS_ADDRESS" ":5001" "WAYBILL_SHUTDOWN_GRACE" (printf "%vs" $v.shutdown.grace) "WAYBILL_SHUTDOWN_DRAIN_TIMEOUT" (printf "%vs" $v.shutdown.drainTimeout)) }}
  {{- $_ := set $env "WAYBILL_HTTP_TRUSTED_PROXIES" (join "," (ternary $v.gateway.trustedProxies $v.trustedProxies (eq $role "gateway"))) }}
{{- end }}
{{- if eq $role "gateway" }}
  {{- $env = merge $env (dict "WAYBILL_GATEWAY_BLOBS" (printf "%s-blobs:5000" $name) "WAYBILL_GATEWAY_MANIFESTS" (printf "%s-manifests:5000" $name)) }}
{{- else }}
  {{- $_ := set $env "WAYBILL_DATABASE_URL_FILE" (printf "%s/database/url" $files) }}
  {{- if ne $role "migrate" }}{{ $_ := set $env "WAYBILL_DATABASE_POOL_SIZE" $v.database.poolSize }}{{ end }}
{{- end }}
{{- if eq $role "migrate" }}
  {{- $_ := set $env "WAYBILL_SETUP_ROLES" $v.database.roles }}
  {{- if eq $v.database.roles "make" }}
    {{- range include "waybill.services" .root | fromYamlArray }}{{ $_ := set $env (printf "WAYBILL_SETUP_PASSWORDS_%s_FILE" (upper .)) (printf "%s/passwords/%s" $files .) }}{{ end }}
  {{- end }}
{{- end }}
{{- $env = merge $env (include "waybill.authEnvironment" . | fromYaml) }}
{{- if and $v.telemetry.endpoint (ne $role "migrate") }}
  {{- $_ := set $env "WAYBILL_TELEMETRY_ENDPOINT" $v.telemetry.endpoint }}
  {{- if $v.telemetry.secret }}{{ $_ := set $env "WAYBILL_TELEMETRY_HEADERS_FILE" (printf "%s/telemetry/headers" $files) }}{{ end }}
{{- end }}
{{- if $v.authorities.configMap }}{{ $_ := set $env "NODE_EXTRA_CA_CERTS" (printf "%s/authorities/ca.crt" $files) }}{{ end }}
{{- if include "waybill.usesStorage" . }}
  {{- if eq $v.storage.driver "s3" }}
    {{- $env = merge $env (dict "WAYBILL_STORAGE_DRIVER" "s3" "WAYBILL_STORAGE_ENDPOINT" $v.storage.s3.endpoint "WAYBILL_STORAGE_REGION" $v.storage.s3.region "WAYBILL_STORAGE_BUCKET" $v.storage.s3.bucket "WAYBILL_STORAGE_STYLE" $v.storage.s3.style "WAYBILL_STORAGE_SECRET_KEY_FILE" (printf "%s/storage/secretKey" $files)) }}
    {{- with $v.storage.s3.prefix }}{{ $_ := set $env "WAYBILL_STORAGE_PREFIX" . }}{{ end }}
    {{- if include "waybill.makesBucketUser" . }}{{ $_ := set $env "WAYBILL_SETUP_BUCKET_USER_SECRET_KEY_FILE" (printf "%s/bucket-user/secretKey" $files) }}{{ end }}
  {{- else }}
    {{- $env = merge $env (dict "WAYBILL_STORAGE_DRIVER" "filesystem" "WAYBILL_STORAGE_ROOT" "/blobs") }}
  {{- end }}
{{- end }}
{{- if include "waybill.usesKafka" . }}
  {{- $_ := set $env "WAYBILL_KAFKA_BROKERS" (join "," $v.kafka.brokers) }}
  {{- with $v.kafka.tls }}
    {{- if .enabled }}{{ $_ := set $env "WAYBILL_KAFKA_TLS_ENABLED" "true" }}{{ end }}
    {{- if .secret }}{{ $_ := set $env "WAYBILL_KAFKA_TLS_CA_FILE" (printf "%s/kafka-tls/ca.crt" $files) }}{{ end }}
    {{- if .clientCertificate }}{{ $env = merge $env (dict "WAYBILL_KAFKA_TLS_CERT_FILE" (printf "%s/kafka-tls/tls.crt" $files) "WAYBILL_KAFKA_TLS_KEY_FILE" (printf "%s/kafka-tls/tls.key" $files)) }}{{ end }}
  {{- end }}
  {{- if ne $v.kafka.sasl.mechanism "none" }}{{ $env = merge $env (dict "WAYBILL_KAFKA_SASL_MECHANISM" $v.kafka.sasl.mechanism "WAYBILL_KAFKA_SASL_PASSWORD_FILE" (printf "%s/kafka-sasl/password" $files)) }}{{ end }}
{{- end }}
{{- $env = mergeOverwrite $env $v.settings (index $v $role).settings }}
{{- range $key, $value := $env }}
{{- /* a whole number arrives as a float, and is to be written as one */}}
{{- if kindIs "float64" $value }}{{ if eq $value (floor $value) }}{{ $value = int64 $value }}{{ end }}{{ end }}
- { name: {{ $key }}, value: {{ $value | toString | quote }} }
{{- end }}
{{- /* no secrets, but they stand beside one */}}
{{- if and (include "waybill.usesStorage" .) (eq $v.storage.driver "s3") }}
- name: WAYBILL_STORAGE_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ include "waybill.storageSecret" . }}, key: accessKey } }
{{- end }}
{{- if include "waybill.makesBucketUser" . }}
- name: WAYBILL_SETUP_BUCKET_USER_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ $v.storage.s3.secret }}, key: accessKey } }
{{- end }}
{{- if and (include "waybill.usesKafka" .) (ne $v.kafka.sasl.mechanism "none") }}
- name: WAYBILL_KAFKA_SASL_USERNAME
  valueFrom: { secretKeyRef: { name: {{ $v.kafka.sasl.secret }}, key: username } }
{{- end }}
{{- end }}

{{/* The volumes of a role: its own login and no other. */}}
{{- define "waybill.volumes" -}}
{{- $v := .root.Values }}
{{- if ne .role "gateway" }}
- name: database
  secret: { secretName: {{ index $v.database.secrets (ternary "owner" .role (eq .role "migrate")) }}, defaultMode: 0440, items: [{ key: url, path: url }] }
{{- end }}
{{- if and (eq .role "migrate") (eq $v.database.roles "make") }}
- name: passwords
  projected:
    defaultMode: 0440
    sources:
      {{- range include "waybill.services" .root | fromYamlArray }}
      - secret: { name: {{ index $v.database.secrets . }}, items: [{ key: password, path: {{ . }} }] }
      {{- end }}
{{- end }}
{{- include "waybill.authVolumes" . }}
{{- if and $v.telemetry.endpoint $v.telemetry.secret (ne .role "migrate") }}
- name: telemetry
  secret: { secretName: {{ $v.telemetry.secret }}, defaultMode: 0440, items: [{ key: headers, path: headers }] }
{{- end }}
{{- if $v.authorities.configMap }}
- name: authorities
  configMap: { name: {{ $v.authorities.configMap }}, items: [{ key: ca.crt, path: ca.crt }] }
{{- end }}
{{- if include "waybill.usesStorage" . }}
{{- if eq $v.storage.driver "s3" }}
- name: storage
  secret: { secretName: {{ include "waybill.storageSecret" . }}, defaultMode: 0440, items: [{ key: secretKey, path: secretKey }] }
{{- if include "waybill.makesBucketUser" . }}
- name: bucket-user
  secret: { secretName: {{ $v.storage.s3.secret }}, defaultMode: 0440, items: [{ key: secretKey, path: secretKey }] }
{{- end }}
{{- else }}
- name: blobs
  persistentVolumeClaim: { claimName: {{ include "waybill.claim" .root }} }
{{- end }}
{{- end }}
{{- if include "waybill.usesKafka" . }}
{{- if ne $v.kafka.sasl.mechanism "none" }}
- name: kafka-sasl
  secret: { secretName: {{ $v.kafka.sasl.secret }}, defaultMode: 0440, items: [{ key: password, path: password }] }
{{- end }}
{{- if $v.kafka.tls.secret }}
- name: kafka-tls
  secret: { secretName: {{ $v.kafka.tls.secret }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- end }}

{{- define "waybill.mounts" -}}
{{- $files := include "waybill.secrets" . }}
{{- range (include "waybill.volumes" . | fromYamlArray) }}
{{- if eq .name "blobs" }}
- { name: blobs, mountPath: /blobs }
{{- else }}
- { name: {{ .name }}, mountPath: {{ $files }}/{{ .name }}, readOnly: true }
{{- end }}
{{- end }}
{{- end }}
