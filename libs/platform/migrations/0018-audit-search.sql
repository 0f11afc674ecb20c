-- The audit is searched by organisation and by address too (ADR 0034). An entry has no organisation: it is that of its repository, as libs/oci says it.
CREATE INDEX entry_organisation ON audit.entry ((CASE WHEN strpos(repository, '/') = 0 THEN 'library' ELSE split_part(repository, '/', 1) END), at);
CREATE INDEX entry_address ON audit.entry (address, at);
