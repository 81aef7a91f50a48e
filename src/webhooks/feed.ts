/** What an instance and one of its endpoints say to each other. Everything here crosses an RPC: plain data only. */

/** An event as its endpoint's owner may have it. */
export type FedEvent = { seq: number; id: string; type: string; text: string };

/** A stretch of the ledger after `after`: what of it concerns the endpoint, and where reading goes on. */
export type FeedPage = { after: number; events: FedEvent[]; nextAfter: number; head: number };

/** Where an endpoint stands, told with every pull so that a list of endpoints asks none of them. Times in ms. */
export type Progress = {
  /** The ledger is read up to here. */
  cursor: number;
  /** Deliveries read but neither through nor given up. */
  waiting: number;
  lastSuccess: number | null;
  lastFailure: number | null;
  /** True when its secrets cannot be opened with the configured ENCRYPTION_KEY. */
  locked: boolean;
};

/** An endpoint has reason to be disabled. It says so until the instance has put it into the ledger. */
export type Disabling = {
  /** Of the activation that it concerns: what was resumed since is not disabled again. */
  activation: number;
  cause: "gone" | "receiver" | "failing";
  message: string;
  failingSince: number | null;
};

export type PullRequest = {
  after: number;
  limit: number;
  /** Events already read that are to be sent (again): each is judged anew. At most 64. */
  again: number[];
  progress: Progress;
  disabling: Disabling | null;
};

/** `unknown`: there is no such endpoint (any more). `silent`: nothing may be sent now. */
export type Pulled =
  | { state: "unknown" }
  | { state: "silent"; activation: number }
  | { state: "active"; activation: number; page: FeedPage; again: FedEvent[] };

/** The instance as its endpoints see it. */
export type InstanceFeed = { pull(endpoint: string, request: PullRequest): Promise<Pulled> };
