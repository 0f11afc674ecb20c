import { bindHead, bindMessage, parameter } from './bind-message.js';

const RUN = Buffer.from([0, 0, 0x53, 0, 0, 0, 4]);

describe('a Bind message', () => {
  it('has the layout of the protocol, and says in its length how far it goes', () => {
    const message = bindMessage(bindHead('n'), ['é', null], RUN);
    expect([...message]).toEqual([0x42, 0, 0, 0, 23, 0, 0x6e, 0, 0, 0, 0, 2, 0, 0, 0, 2, 0xc3, 0xa9, 255, 255, 255, 255, 0, 0, 0x53, 0, 0, 0, 4]);
    expect(message.readInt32BE(1)).toBe(message.length - 1 - 5);
  });

  it('says which parameters are bytes where any is', () => {
    const message = bindMessage(bindHead(''), ['a', Buffer.from([0])], RUN);
    expect([...message.subarray(7, 13)]).toEqual([0, 2, 0, 0, 0, 1]);
    expect(message.readInt32BE(1)).toBe(message.length - 1 - 5);
  });

  it('takes nothing that has no form on the server', () => {
    expect(() => parameter(new Date(Number.NaN))).toThrow(RangeError);
    expect(() => parameter(() => 1)).toThrow(new TypeError('A function is no parameter of a statement.'));
  });
});
