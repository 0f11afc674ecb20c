-- Who may do what. The set-up step runs this file every time, as the owner of the schemas and in one transaction: afterwards the roles have exactly these
-- rights in this database, whatever they had before. It is no migration, because roles belong to the whole server and the owner need not be allowed to
-- make them; a migration that brings a table or a function for a service adds its line here. A right goes only when no version that uses it runs any more.
--
-- A service reads the tables of its answers, and changes something only through functions that run as the owner (SECURITY DEFINER, fixed search_path):
-- FOR KEY SHARE alone would need UPDATE. What only other functions call is granted to nobody.
REVOKE ALL ON ALL TABLES IN SCHEMA es, reg, access, audit FROM PUBLIC, waybill_blobs, waybill_manifests, waybill_relay, waybill_tokens;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA es, reg, access, audit FROM PUBLIC, waybill_blobs, waybill_manifests, waybill_relay, waybill_tokens;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA es, reg, access, audit FROM PUBLIC, waybill_blobs, waybill_manifests, waybill_relay, waybill_tokens;
REVOKE ALL ON SCHEMA es, reg, access, audit FROM PUBLIC, waybill_blobs, waybill_manifests, waybill_relay, waybill_tokens;

-- Tables of a session's own are DDL too.
DO $$
BEGIN
  IF (SELECT pg_has_role(current_user, d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database()) THEN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO waybill_blobs, waybill_manifests, waybill_relay, waybill_tokens', current_database());
  END IF;
END $$;
GRANT SELECT ON public.waybill_migrations, public.waybill_rights TO waybill_blobs, waybill_manifests, waybill_relay, waybill_tokens;

-- the guard of blobs and manifests: what was taken back, which keys sign tokens, and the actor of whoever another provider let in
GRANT USAGE ON SCHEMA access TO waybill_blobs, waybill_manifests, waybill_tokens;
GRANT EXECUTE ON FUNCTION access.revocations_since_v1, access.public_signing_keys_v1, access.note_actor_v1 TO waybill_blobs, waybill_manifests, waybill_tokens;
-- and, where a request brings no token, who somebody is by their login and what they were granted
GRANT EXECUTE ON FUNCTION access.identity_v1, access.identity_v2, access.organisation_epochs_v1, access.grants_for_v1, access.has_grants_v1 TO waybill_blobs, waybill_manifests, waybill_tokens;

-- the audit of whoever answers requests: entries are added, and never changed
GRANT USAGE ON SCHEMA audit TO waybill_blobs, waybill_manifests, waybill_relay, waybill_tokens;
GRANT EXECUTE ON FUNCTION audit.append_v1 TO waybill_blobs, waybill_manifests, waybill_tokens;
GRANT SELECT ON audit.entry TO waybill_tokens;
GRANT EXECUTE ON FUNCTION audit.ensure_days_v1, audit.drop_days_v1 TO waybill_relay;

-- blobs: uploads, links, mounts, and the objects that nothing refers to
GRANT USAGE ON SCHEMA reg TO waybill_blobs;
GRANT SELECT ON reg.repo, reg.blob, reg.blob_link TO waybill_blobs;
GRANT SELECT (state) ON reg.upload_session TO waybill_blobs;
GRANT EXECUTE ON FUNCTION
  reg.upload_key_v1(),
  reg.claim_upload_v1, reg.extend_upload_v1, reg.advance_upload_v1, reg.release_upload_v1, reg.append_upload_v1, reg.find_upload_v1, reg.complete_upload_v1,
  reg.cancel_upload_v1, reg.adopt_upload_v1, reg.finish_upload_v1, reg.expire_uploads_v1,
  reg.reserve_objects_v1, reg.due_objects_v1, reg.forget_objects_v1,
  reg.mount_blob_v1, reg.unlink_blob_v1
  TO waybill_blobs;

-- manifests: manifests, tags, lists
GRANT USAGE ON SCHEMA reg TO waybill_manifests;
GRANT SELECT ON reg.repo, reg.tag, reg.manifest, reg.content, reg.referrer TO waybill_manifests;
GRANT EXECUTE ON FUNCTION reg.put_manifest_v1, reg.delete_manifest_v1, reg.delete_tag_v1 TO waybill_manifests;

-- relay: numbers events, and hands them on. It never writes an event, and changes no number that was given. es.actor has personal data, events do not.
GRANT USAGE ON SCHEMA es TO waybill_relay;
GRANT SELECT ON es.stream, es.event, es.pending, es.log, es.sealer, es.epoch, es.consumer TO waybill_relay;
GRANT SELECT ON SEQUENCE es.gpos TO waybill_relay;
GRANT DELETE ON es.pending TO waybill_relay;
GRANT INSERT ON es.log TO waybill_relay;
GRANT UPDATE (last_seq, tree) ON es.sealer TO waybill_relay;
GRANT INSERT, UPDATE ON es.consumer TO waybill_relay;
GRANT SELECT, INSERT, UPDATE ON es.relay_partition TO waybill_relay;
GRANT EXECUTE ON FUNCTION es.ensure_partitions() TO waybill_relay;

-- tokens: who there is and who may do what, tokens and the keys that sign them. The log, to answer for a moment in the past; es.actor, to name who did it.
GRANT USAGE ON SCHEMA es, reg TO waybill_tokens;
GRANT SELECT ON access.organisation, access.organisation_epoch, access.principal, access.password, access.credential, access.group, access.member, access.role,
  access.grant, access.public_repository, access.signing_key, access.refresh_token TO waybill_tokens;
GRANT SELECT ON reg.tenant, reg.repo TO waybill_tokens;
GRANT SELECT ON es.stream, es.event, es.log, es.sealer, es.epoch, es.actor TO waybill_tokens;
GRANT EXECUTE ON FUNCTION
  access.create_organisation_v1, access.change_organisation_v1,
  access.create_user_v1, access.create_robot_v1, access.change_principal_v1, access.set_password_v1, access.set_state_v1, access.erase_user_v1,
  access.issue_credential_v1, access.issue_credential_v2, access.revoke_credential_v1, access.note_use_v1,
  access.create_group_v1, access.rename_group_v1, access.add_member_v1, access.remove_member_v1, access.delete_group_v1,
  access.give_grant_v1, access.change_grant_v1, access.revoke_grant_v1, access.define_role_v1, access.change_role_v1, access.delete_role_v1,
  access.create_repository_v1, access.create_repository_v2, access.set_visibility_v1, access.delete_repository_v1, access.continue_deletions_v1,
  access.add_signing_key_v1, access.rotate_signing_key_v1, access.withdraw_signing_key_v1, access.withdraw_signing_key_v2,
  access.issue_refresh_token_v1, access.revoke_refresh_token_v1,
  access.begin_command_v1, access.finish_command_v1
  TO waybill_tokens;
