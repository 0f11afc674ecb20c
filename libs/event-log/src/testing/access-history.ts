import { randomBytes, randomUUID } from 'node:crypto';
import type { Sql } from '@waybill/platform';

const META = JSON.stringify({ request_id: 'history', auth_kind: 'user', client: { ua: 'spec', ip_ref: null } });

/** Makes principals and changes what they may do: the product's own SQL functions, with the least that they need around them. */
export class AccessHistory {
  constructor(private readonly sql: Sql) {}

  /** Calls `access.<name>_v1` with these values and the meta. */
  async call(name: string, ...values: readonly unknown[]): Promise<unknown> {
    const parameters = [...values, META].map((_, index) => `$${index + 1}`).join(', ');
    const [row] = await this.sql<{ answer: unknown }>(`SELECT access.${/_v\d+$/.test(name) ? name : `${name}_v1`}(${parameters}) AS answer`, [...values, META]);
    return row?.answer;
  }

  async user(login: string, admin = false): Promise<string> {
    const id = randomUUID();
    await this.call('create_user', id, login, '$argon2id$not-one', admin, null);
    return id;
  }

  async robot(organisation: string, name: string): Promise<string> {
    const id = randomUUID();
    await this.call('create_robot', id, organisation, name, 'builds', ['10.0.0.0/8'], '2099-01-31T00:00:00Z');
    return id;
  }

  async grant(subject: { readonly kind: string; readonly id?: string }, terms: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const id = randomUUID();
    await this.call('give_grant', id, JSON.stringify({ organisation: 'acme', subject, effect: 'allow', repositories: 'acme/**', actions: ['pull', 'push'], ...terms }));
    return id;
  }

  async secret(principal: string, name: string): Promise<string> {
    const id = randomUUID();
    await this.call('issue_credential', id, principal, name, randomBytes(32), '2099-01-31T00:00:00Z');
    return id;
  }

  /** Every event of who there is and who may do what, and no row that is left out at the end. */
  async everything(repository: string): Promise<void> {
    await this.call('create_organisation', 'acme', null);
    await this.call('change_organisation', 'acme', ['10.0.0.0/8', '2001:db8::/32'], 1);
    await this.call('create_organisation', 'umbrella', ['192.0.2.0/24']);
    const [root, alice, bob] = [await this.user('root', true), await this.user('alice', true), await this.user('bob')];
    await this.call('change_principal', alice, 'user', JSON.stringify({ admin: false, networks: ['10.0.0.0/8'] }), 1);
    await this.call('set_password', alice, '$argon2id$another', null);
    await this.call('set_state', bob, 'user', 'disabled', 1);
    await this.call('set_state', bob, 'user', 'active', 2);
    const eve = await this.user('eve', true);
    await this.call('set_password', eve, '$argon2id$a-third', null);
    await this.call('erase_user', eve, null);
    const [ci, gone] = [await this.robot('acme', 'ci'), await this.robot('acme', 'gone')];
    await this.call('change_principal', ci, 'robot', JSON.stringify({ description: null, until: '2098-01-01T00:00:00.5Z' }), null);
    for (const state of ['disabled', 'active', 'revoked']) await this.call('set_state', gone, 'robot', state, null);
    const laptop = await this.secret(alice, 'laptop');
    await this.call('issue_credential_v2', randomUUID(), alice, 'made by it', randomBytes(32), '2099-01-31T00:00:00Z', laptop);
    const phone = await this.secret(alice, 'phone');
    await this.call('issue_credential_v2', randomUUID(), alice, 'gone with it', randomBytes(32), '2099-01-31T00:00:00Z', phone);
    await this.call('revoke_credential', phone, alice, 1);
    await this.call('revoke_credential', await this.secret(ci, 'first'), ci, 1);
    await this.secret(ci, 'second');
    await this.groups(alice, bob, ci);
    await this.grants(root, bob);
    for (const visibility of ['public', 'private', 'public']) await this.call('set_visibility', repository, visibility, null);
    await this.keys();
  }

  private async groups(alice: string, bob: string, ci: string): Promise<void> {
    const [developers, everywhere] = [randomUUID(), randomUUID()];
    await this.call('create_group', developers, 'acme', 'developers');
    await this.call('create_group', everywhere, null, 'developers');
    await this.call('rename_group', developers, 'builders', 1);
    await this.grant({ kind: 'group', id: developers }, { role: 'developer', actions: null });
    await this.grant({ kind: 'group', id: developers }, { effect: 'deny', repositories: 'acme/secret' });
    for (const member of [alice, bob, ci]) await this.call('add_member', developers, member, null);
    await this.call('add_member', everywhere, alice, null);
    await this.call('remove_member', developers, bob, null);
    await this.call('delete_group', everywhere, null);
    const short = randomUUID();
    await this.call('create_group', short, 'acme', 'short');
    await this.call('add_member', short, ci, null);
    await this.grant({ kind: 'group', id: short });
    await this.call('delete_group', short, null);
  }

  private async grants(root: string, bob: string): Promise<void> {
    const [publisher, unused] = [randomUUID(), randomUUID()];
    await this.call('define_role', publisher, 'acme', 'publisher', ['pull', 'push', 'overwrite']);
    await this.call('define_role', unused, null, 'unused', ['pull']);
    await this.call('delete_role', unused, 1);
    const grant = await this.grant({ kind: 'principal', id: bob }, { actions: null, role: publisher, tags: 'v*', until: '2099-01-01T00:00:00Z', networks: ['10.0.0.0/8'] });
    await this.call('change_role', publisher, ['pull', 'push'], 1);
    await this.call('change_grant', grant, JSON.stringify({ tags: null, until: null }), 1);
    await this.call('revoke_grant', await this.grant({ kind: 'principal', id: root }), 1);
    await this.call('revoke_grant', await this.grant({ kind: 'everybody' }, { organisation: null, actions: ['pull'] }), null);
    await this.grant({ kind: 'principal', id: 'htpasswd:carol' }, { effect: 'deny' });
  }

  private async keys(): Promise<void> {
    for (const kid of ['k1', 'k2']) await this.call('add_signing_key', kid, 'ES256', '{"kty":"EC"}', randomBytes(8));
    await this.call('rotate_signing_key', 'k1', '10 minutes');
    await this.call('add_signing_key', 'k3', 'ES256', '{"kty":"EC"}', randomBytes(8));
    await this.call('withdraw_signing_key', 'k1');
  }
}
