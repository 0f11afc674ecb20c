/** Parts that one object may have (S3's limit). */
export const MOST_PARTS = 10_000;
const GiB = 1024 ** 3;
/** Bytes that S3 takes of one part, and of one object. */
export const LARGEST_PART = 5 * GiB;
const LARGEST_OBJECT = 5 * 1024 * GiB;
/** Parts of one size, before the next ones are twice as large: the first that are larger come after 4 GB of parts of 8 MiB. */
const STEP = 500;

export interface PartPlanOptions {
  /** Bytes of the first parts. */
  readonly partSize: number;
  /** Bytes that a part may grow to. */
  readonly largestPart: number;
  /** Parts of the first size on their way at a time. */
  readonly partsInFlight: number;
  /** Parts of one size; 500 unless given. */
  readonly step?: number;
}

/**
 * How large each part of an object is whose size nobody has announced. With parts of one size either the number of parts would end a large layer, or
 * each small upload would hold a large part in memory: so the parts grow with what was sent, and fewer of the larger ones are on their way.
 */
export class PartPlan {
  /** Bytes of one object at most: all parts together, or what S3 takes. */
  readonly largestObject: number;
  private readonly step: number;

  constructor(private readonly options: PartPlanOptions) {
    this.step = options.step ?? STEP;
    let bytes = 0;
    for (let part = 1; part <= MOST_PARTS; part += 1) bytes += this.sizeOf(part);
    this.largestObject = Math.min(bytes, LARGEST_OBJECT);
  }

  /** @param part from 1 */
  sizeOf(part: number): number {
    const { partSize, largestPart } = this.options;
    return Math.min(partSize * 2 ** Math.floor((part - 1) / this.step), Math.max(partSize, largestPart));
  }

  /** Parts on their way while this one waits to follow them, at least 1: as many bytes as of the first size, as far as that goes. */
  inFlight(part: number): number {
    const { partSize, partsInFlight } = this.options;
    return Math.max(1, Math.floor((partsInFlight * partSize) / this.sizeOf(part)));
  }
}
