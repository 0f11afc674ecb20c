{{/* The release's name, which begins every other name. */}}
{{- define "waybill.fullname" -}}
{{- if contains "waybill" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-waybill" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels that select the pods of a role: (dict "root" $ "role" "blobs"). They never change. */}}
{{- define "waybill.selector" -}}
app.kubernetes.io/name: waybill
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "waybill.labels" -}}
{{ include "waybill.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: waybill
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "waybill.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "waybill.fullname" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "waybill.image" -}}
{{- with .Values.image }}{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}{{ end }}
{{- end }}

{{/* Where users find the registry: what tokens are for. Nothing where it is not known and no token is for it. */}}
{{- define "waybill.publicUrl" -}}
{{- if .Values.auth.publicUrl }}{{ .Values.auth.publicUrl }}
{{- else if .Values.ingress.enabled }}http{{ if .Values.ingress.tlsSecret }}s{{ end }}://{{ .Values.ingress.host }}
{{- else if or (eq .Values.auth.mode "tokens") (and (eq .Values.auth.mode "external") (not .Values.auth.external.service)) }}{{ fail "auth.publicUrl is missing; expected where users find the registry, such as https://registry.example.com, because tokens are for it" }}
{{- end }}
{{- end }}

{{- define "waybill.claim" -}}
{{ .Values.storage.filesystem.existingClaim | default (printf "%s-blobs" (include "waybill.fullname" .)) }}
{{- end }}

{{/* The roles that run, and those of them that log in to the database. */}}
{{- define "waybill.roles" -}}[gateway, {{ include "waybill.services" . | trimPrefix "[" }}{{- end }}
{{- define "waybill.services" -}}[blobs, manifests, relay{{ if ne .Values.auth.mode "none" }}, tokens{{ end }}]{{- end }}

{{/* What a role has to do with: yes, or nothing. */}}
{{- define "waybill.usesStorage" -}}{{ if or (eq .role "blobs") (and (eq .role "migrate") (eq .root.Values.storage.driver "s3")) }}yes{{ end }}{{- end }}
{{/* In the set-up step the storage's login may be an administrator's, who makes that of blobs. */}}
{{- define "waybill.makesBucketUser" -}}{{ if and (eq .role "migrate") (eq .root.Values.storage.driver "s3") .root.Values.storage.s3.ownerSecret }}yes{{ end }}{{- end }}
{{- define "waybill.storageSecret" -}}{{ if include "waybill.makesBucketUser" . }}{{ .root.Values.storage.s3.ownerSecret }}{{ else }}{{ .root.Values.storage.s3.secret }}{{ end }}{{- end }}
{{/* The port of the gateways' Service, and its name. */}}
{{- define "waybill.port" -}}{{ .Values.gateway.service.port | default (ternary 443 80 (not (empty .Values.gateway.tls.secret))) }}{{- end }}
{{- define "waybill.scheme" -}}{{ if .Values.gateway.tls.secret }}https{{ else }}http{{ end }}{{- end }}
{{/* The port of a URL: (dict "url" "https://a.example/x"). */}}
{{- define "waybill.portOf" -}}{{ $url := urlParse .url }}{{ regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) }}{{- end }}
{{- define "waybill.usesKafka" -}}{{ if and .root.Values.kafka.brokers (or (eq .role "relay") (eq .role "migrate")) }}yes{{ end }}{{- end }}

{{/* The pod of a role, of a Deployment as of the Job. */}}
{{- define "waybill.pod" -}}
{{- $values := index .root.Values .role }}
serviceAccountName: {{ include "waybill.serviceAccount" .root }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- if ne .role "migrate" }}
terminationGracePeriodSeconds: {{ add .root.Values.shutdown.grace .root.Values.shutdown.drainTimeout 10 }}
{{- with .root.Values.topologyKeys }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "waybill.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .role }}
    image: {{ include "waybill.image" .root | quote }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [{{ .role }}]
    env: {{ include "waybill.environment" . | nindent 6 }}
    {{- if ne .role "migrate" }}
    ports:
      - { name: http, containerPort: 5000 }
      - { name: metrics, containerPort: 5001 }
    # a service listens once the set-up step is through: five minutes for that
    startupProbe:
      httpGet: { path: /healthz, port: metrics }
      periodSeconds: 2
      timeoutSeconds: 3
      failureThreshold: 150
    livenessProbe:
      httpGet: { path: /healthz, port: metrics }
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    # on the port that is served: a pod is ready when that answers, unless only who has a certificate is answered there
    readinessProbe:
      {{- if ne .role "gateway" }}
      httpGet: { path: /readyz, port: http }
      {{- else if eq .root.Values.gateway.tls.clientCerts "require" }}
      httpGet: { path: /readyz, port: metrics }
      {{- else }}
      httpGet: { path: /readyz, port: http, scheme: {{ include "waybill.scheme" .root | upper }} }
      {{- end }}
      periodSeconds: 2
      timeoutSeconds: 5
      failureThreshold: 2
    {{- end }}
    resources: {{ toYaml $values.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: { drop: [ALL] }
    {{- with include "waybill.mounts" . }}
    volumeMounts: {{ . | nindent 6 }}
    {{- end }}
{{- with include "waybill.volumes" . }}
volumes: {{ . | nindent 2 }}
{{- end }}
{{- end }}
