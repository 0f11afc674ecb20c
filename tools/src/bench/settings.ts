/** How much is done: the counts of the long and of the short form. Bytes are multiples of 1 MiB. */
export interface Settings {
  readonly rounds: number;
  /** Measured and warm-up seconds of a request-rate run. */
  readonly seconds: number;
  readonly warmUp: number;
  readonly largeBytes: number;
  readonly hugeBytes: number;
  readonly tags: number;
  readonly repositories: number;
  /** Images a run pushes: alone, and 8 at once. After half as many more, since it is a registry that has been running for a while that is asked about. */
  readonly imagesAlone: number;
  readonly imagesTogether: number;
  readonly manifests: number;
  readonly deletes: number;
  /** Tags and repositories of the scaling row, growing. */
  readonly scale: readonly number[];
  /** Images pushed at full rate before a soak. */
  readonly soakImages: number;
  readonly soakSeconds: number;
}

/**
 * Seconds of load that a row gives a process that has just started before any figure is taken, where its figures stand beside each other: the first one
 * was half as high again as the same one repeated, because the program was still being compiled.
 */
export const FIRST_LOAD_SECONDS = 4;

const MIB = 1024 * 1024;

export const LONG: Settings = {
  rounds: 5,
  seconds: 2,
  warmUp: 0.7,
  largeBytes: 256 * MIB,
  hugeBytes: 4768 * MIB,
  tags: 2000,
  repositories: 300,
  imagesAlone: 200,
  imagesTogether: 480,
  manifests: 400,
  deletes: 20,
  scale: [100, 10_000, 100_000],
  soakImages: 10_000,
  soakSeconds: 600,
};

export const SHORT: Settings = {
  rounds: 2,
  seconds: 1,
  warmUp: 0.5,
  largeBytes: 64 * MIB,
  hugeBytes: 256 * MIB,
  tags: 200,
  repositories: 100,
  imagesAlone: 15,
  imagesTogether: 40,
  manifests: 100,
  deletes: 10,
  scale: [100, 1000],
  soakImages: 400,
  soakSeconds: 30,
};
