import { readServerUrl } from './server-url.js';

describe('the address of a registry', () => {
  it.each([
    ['https://registry.example.com', 'https://registry.example.com'],
    ['https://registry.example.com/', 'https://registry.example.com'],
    ['https://REGISTRY.example.com:443/', 'https://registry.example.com'],
    ['registry.example.com', 'https://registry.example.com'],
    ['registry.example.com:5000', 'https://registry.example.com:5000'],
    ['127.0.0.1:5000', 'http://127.0.0.1:5000'],
    ['localhost:5000', 'http://localhost:5000'],
    ['[::1]:5000', 'http://[::1]:5000'],
    ['localhost.example.com', 'https://localhost.example.com'],
    ['http://10.0.0.1', 'http://10.0.0.1'],
    ['https://example.com/registry/', 'https://example.com/registry'],
  ])('%s is %s', (text, expected) => {
    expect(readServerUrl(text)).toBe(expected);
  });

  it.each(['', 'ftp://example.com', 'https://', 'https://alice:secret@example.com', 'alice:secret@example.com', 'https://example.com/?a=b', 'https://example.com/#a', 'a b'])('%j is none', (text) => {
    expect(() => readServerUrl(text)).toThrow(expect.objectContaining({ ending: 'usage' }));
  });
});
