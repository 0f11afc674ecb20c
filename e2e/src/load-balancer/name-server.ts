import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const HEADER_BYTES = 12;
const ADDRESS_RECORD = 1;
const NO_SUCH_NAME = 3;

/** A name server as Docker's is: each name stands for the addresses of the replicas that run just now. RFC 1035, IPv4 only. */
export class NameServer {
  private constructor(
    private readonly socket: Socket,
    private readonly names: Map<string, readonly string[]>,
  ) {}

  static async start(): Promise<NameServer> {
    const names = new Map<string, readonly string[]>();
    const socket = createSocket('udp4', (query, from) => {
      const answer = reply(query, names);
      socket.send(answer, from.port, from.address);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new NameServer(socket, names);
  }

  /** `host:port`. */
  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  /** From now on the name stands for these; for none, it is not known. */
  set(name: string, addresses: readonly string[]): void {
    this.names.set(name, addresses);
  }

  async stop(): Promise<void> {
    this.socket.close();
    await once(this.socket, 'close');
  }
}

function reply(query: Buffer, names: ReadonlyMap<string, readonly string[]>): Buffer {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const question = query.subarray(HEADER_BYTES, at + 5);
  const wanted = query.readUInt16BE(at + 1);
  const addresses = names.get(labels.join('.')) ?? [];
  const answers = wanted === ADDRESS_RECORD ? addresses : [];
  const header = Buffer.alloc(HEADER_BYTES);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(0x8180 + (addresses.length === 0 ? NO_SUCH_NAME : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers.length, 6);
  return Buffer.concat([header, question, ...answers.map(addressRecord)]);
}

/** The name is that of the question, at byte 12; to be kept for ten minutes, as Docker's says. */
function addressRecord(address: string): Buffer {
  return Buffer.from([0xc0, HEADER_BYTES, 0, ADDRESS_RECORD, 0, 1, 0, 0, 0x02, 0x58, 0, 4, ...address.split('.').map(Number)]);
}
