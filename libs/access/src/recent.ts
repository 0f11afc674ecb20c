/**
 * At most so many entries, of which those that were asked for lately stay: two halves, of which the older one is dropped when the younger is full.
 * What strangers can fill takes no more memory than that, and costs whoever is asked for often nothing but a second look.
 */
export class Recent<V> {
  private young = new Map<string, V>();
  private old = new Map<string, V>();

  /** @param limit entries in all */
  constructor(private readonly limit: number) {}

  get(key: string): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: V): void {
    if (this.young.size >= this.limit / 2 && !this.young.has(key)) {
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }

  delete(key: string): void {
    this.young.delete(key);
    this.old.delete(key);
  }

  /** Of keys that are in both halves, each counts. */
  get size(): number {
    return this.young.size + this.old.size;
  }
}
