/** For `vi.waitUntil`: what must happen by itself, on a busy machine too. */
export const SOON = { timeout: 12_000, interval: 20 };

/** For `vi.waitUntil`: a script that builds, fetches and starts programs first. */
export const STARTED = { timeout: 110_000, interval: 20 };
