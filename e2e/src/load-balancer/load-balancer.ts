/** Where a load balancer finds the services. */
export interface Deployment {
  /** `host:port`, or a name that the name server knows and a port. */
  readonly gateway: string;
  readonly blobs: string;
  /** `host:port`; none is needed where both services are addresses. */
  readonly nameServer?: string;
}

export interface RunningLoadBalancer {
  readonly baseUrl: string;
  logs(): string;
  stop(): Promise<void>;
}
