/** A program that can push an image and pull the images of others. */
export interface ImageClient {
  readonly name: string;
  /** Builds an image whose program prints `greeting`, and pushes it. @param reference host/repository:tag */
  push(reference: string, greeting: string): Promise<void>;
  /** Pulls the image from the registry and gives what its program prints, or the bytes in which that text must be. */
  greetingOf(reference: string): Promise<string>;
  /** Logs in with its own command. @param host host:port */
  login(host: string, name: string, secret: string): Promise<void>;
  /** Ends what it started and removes what it stored. */
  close(): Promise<void>;
}
