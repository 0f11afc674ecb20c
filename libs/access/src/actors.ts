import type { Database, Statement } from '@waybill/platform';
import { Recent } from './recent.js';

const NOTE: Statement = { name: 'actor-note', text: 'SELECT access.note_actor_v1($1, $2) AS ref' };
const REMEMBERED = 4096;

/** The rows of es.actor to which events refer, so that no event holds a login. */
export abstract class Actors {
  /** The ref of somebody whom an htpasswd file or another token server let in; made where it is not there yet. @throws DependencyUnavailable */
  abstract refOf(kind: 'htpasswd' | 'external', login: string): string | Promise<string>;
}

/** Asks the database once for each login; a ref never changes. */
export class ActorTable extends Actors {
  private readonly known = new Recent<string>(REMEMBERED);

  constructor(private readonly database: Database) {
    super();
  }

  refOf(kind: 'htpasswd' | 'external', login: string): string | Promise<string> {
    return this.known.get(`${kind} ${login}`) ?? this.note(kind, login);
  }

  private async note(kind: 'htpasswd' | 'external', login: string): Promise<string> {
    const [row] = await this.database.sql<{ ref: string }>(NOTE, [kind, login]);
    if (row === undefined) throw new Error('access.note_actor_v1 gave no row');
    this.known.set(`${kind} ${login}`, row.ref);
    return row.ref;
  }
}
