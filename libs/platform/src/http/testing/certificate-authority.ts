import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Issue {
  readonly commonName: string;
  /** Such as `DNS:localhost`, `IP:127.0.0.1`, `URI:spiffe://example.org/ci` or `email:ci@example.org`. */
  readonly names?: readonly string[];
  /** What it is good for; both unless given. */
  readonly usage?: 'serverAuth' | 'clientAuth';
  /** `YYYYMMDDHHMMSSZ`; from yesterday to tomorrow unless given. */
  readonly from?: string;
  readonly to?: string;
  /** Signed by its own key instead of by the authority. */
  readonly selfSigned?: boolean;
}

/** Paths of PEM files. */
export interface Issued {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Whether openssl is there; where it is not, that is said, and the tests that need it are left out, which is a failure under `CI=true`. */
export function hasOpenssl(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true;
  process.stderr.write('left out: openssl is not found; install it.\n');
  return false;
}

/** A certificate authority in a folder of its own, made with openssl while the test runs: no key is kept anywhere. Its keys are of P-256. */
export class CertificateAuthority {
  #issued = 0;

  /** @param folder ends with the authority, and everything that it issued is in it */
  private constructor(readonly folder: string) {}

  /** @param name its common name */
  static async create(name = 'waybill-test-ca'): Promise<CertificateAuthority> {
    const authority = new CertificateAuthority(await mkdtemp(join(tmpdir(), 'wb-ca-')));
    const files = { 'index.txt': '', serial: '1000\n', crlnumber: '01\n', 'ca.cnf': SETTINGS };
    await Promise.all(Object.entries(files).map(([file, text]) => writeFile(join(authority.folder, file), text)));
    await authority.#run('req', '-x509', ...NEW_KEY, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', `/CN=${name}`, '-days', '2', '-addext', 'keyUsage=critical,keyCertSign,cRLSign');
    return authority;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  /** Its own certificate. */
  get certFile(): string {
    return join(this.folder, 'ca.pem');
  }

  async issue({ commonName, names = [], usage, from = inDays(-1), to = inDays(1), selfSigned = false }: Issue): Promise<Issued> {
    const name = `issued-${++this.#issued}`;
    const extensions = ['basicConstraints=critical,CA:false', `extendedKeyUsage=${usage ?? 'serverAuth,clientAuth'}`, ...(names.length === 0 ? [] : [`subjectAltName=${names.join(',')}`])];
    await writeFile(join(this.folder, `${name}.ext`), extensions.join('\n'));
    await this.#run('req', '-new', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${commonName}`);
    await this.#run('ca', '-batch', '-notext', '-config', 'ca.cnf', '-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', `${name}.ext`, '-startdate', from, '-enddate', to, ...(selfSigned ? ['-selfsign', '-keyfile', `${name}.key`] : ['-keyfile', 'ca.key']));
    return { certFile: join(this.folder, `${name}.pem`), keyFile: join(this.folder, `${name}.key`) };
  }

  async revoke({ certFile }: Issued): Promise<void> {
    await this.#run('ca', '-config', 'ca.cnf', '-keyfile', 'ca.key', '-revoke', certFile);
  }

  /** A new list of what was revoked until now. @returns its path */
  async revocationList(): Promise<string> {
    await this.#run('ca', '-config', 'ca.cnf', '-keyfile', 'ca.key', '-gencrl', '-out', 'crl.pem');
    return join(this.folder, 'crl.pem');
  }

  async #run(...words: readonly string[]): Promise<void> {
    await run('openssl', words, { cwd: this.folder });
  }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'] as const;

const SETTINGS = `[ca]
default_ca = ca_default
[ca_default]
dir = .
database = ./index.txt
serial = ./serial
crlnumber = ./crlnumber
certificate = ./ca.pem
new_certs_dir = .
default_md = sha256
default_crl_days = 2
policy = any
unique_subject = no
[any]
commonName = supplied
`;

function inDays(days: number): string {
  return `${new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`;
}
