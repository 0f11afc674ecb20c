/**
 * A Linux program for x86-64 that prints `text` and exits with 0: two system calls, no libraries. Base images for the tests cannot come from an
 * image registry, and a shell of the machine's own would bring its libraries along.
 */
export function greetingProgram(text: string): Buffer {
  const message = Buffer.from(text);
  const instructions = [
    [0xb8, 1, 0, 0, 0], // mov eax, 1 (write)
    [0xbf, 1, 0, 0, 0], // mov edi, 1 (standard output)
    [0x48, 0x8d, 0x35, 0, 0, 0, 0], // lea rsi, [rip + distance], filled in below
    [0xba, 0, 0, 0, 0], // mov edx, length, filled in below
    [0x0f, 0x05], // syscall
    [0xb8, 60, 0, 0, 0], // mov eax, 60 (exit)
    [0x31, 0xff], // xor edi, edi
    [0x0f, 0x05], // syscall
  ];
  const code = Buffer.from(instructions.flat());
  code.writeUInt32LE(code.length - 17, 13);
  code.writeUInt32LE(message.length, 18);
  return Buffer.concat([elfHeader(code.length + message.length), code, message]);
}

const headerSize = 64 + 56;
const loadAddress = 0x400000n;

/** The ELF header and one segment that maps the whole file, readable and executable. */
function elfHeader(size: number): Buffer {
  const header = Buffer.alloc(headerSize);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(header);
  header.writeUInt16LE(2, 16); // an executable
  header.writeUInt16LE(62, 18); // for x86-64
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(loadAddress + BigInt(headerSize), 24); // where it starts
  header.writeBigUInt64LE(64n, 32); // where the segments are described
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(1, 56);
  header.writeUInt32LE(1, 64); // to be loaded
  header.writeUInt32LE(5, 68); // readable and executable
  header.writeBigUInt64LE(loadAddress, 80);
  header.writeBigUInt64LE(loadAddress, 88);
  header.writeBigUInt64LE(BigInt(headerSize + size), 96);
  header.writeBigUInt64LE(BigInt(headerSize + size), 104);
  header.writeBigUInt64LE(0x1000n, 112);
  return header;
}
