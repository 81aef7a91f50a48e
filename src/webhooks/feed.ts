/** What an instance and one of its endpoints say to each other. Everything here crosses an RPC: plain data only. */

/** An event with the text that the endpoint's owner may read. */
export type FeedEvent = { seq: number; id: string; type: string; text: string };

/** The part of the ledger between `after` and `nextAfter`: the events in it that are for the endpoint. `head` is its end. */
export type FeedPage = { after: number; events: FeedEvent[]; nextAfter: number; head: number };

/** How far an endpoint is. Sent with every pull, so that a list of endpoints need not ask each of them. Times in ms. */
export type EndpointProgress = {
  /** The ledger is read up to here. */
  cursor: number;
  /** Deliveries that have neither succeeded nor been given up. */
  waiting: number;
  lastSuccess: number | null;
  lastFailure: number | null;
  /** True when its secrets cannot be opened with the configured ENCRYPTION_KEY. */
  locked: boolean;
};

/** Why an endpoint is to be disabled. It is sent until the instance has recorded it in the ledger. */
export type DisableRequest = {
  /** The activation in which it happened: an endpoint that was resumed since is not disabled. */
  activation: number;
  cause: "gone" | "receiver" | "failing";
  message: string;
  failingSince: number | null;
};

export type PullRequest = {
  after: number;
  limit: number;
  /** By `seq`: events read before that are about to be sent (again). Whether they may be is decided anew. At most 64. */
  refetch: number[];
  progress: EndpointProgress;
  disabling: DisableRequest | null;
};

/**
 * `unknown`: there is no such endpoint (any more). `unavailable`: the instance cannot read its own data now; ask again.
 * `inactive`: nothing may be sent now. `activation` counts how often the endpoint was activated: made or resumed.
 */
export type PullAnswer =
  | { state: "unavailable" }
  | { state: "unknown" }
  | { state: "inactive"; activation: number }
  | { state: "active"; activation: number; page: FeedPage; refetched: FeedEvent[] };

/** The instance as its endpoints see it. */
export type InstanceFeed = { pull(endpoint: string, request: PullRequest): Promise<PullAnswer> };
