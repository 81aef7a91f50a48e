/** Waits `ms`, or until the signal aborts if that comes first; never rejects. Passed in wherever waiting matters. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

export const systemSleep: Sleep = (ms, signal) =>
  new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener("abort", wake);
  });

type WithinResult<T> = { met: true; value: T } | { met: false };

/** The promise's value if it settles within `ms`; its rejection passes through. The promise itself is not ended. */
export async function within<T>(ms: number, promise: Promise<T>, sleep: Sleep): Promise<WithinResult<T>> {
  const settled = new AbortController();
  try {
    return await Promise.race([
      promise.then((value): WithinResult<T> => ({ met: true, value })),
      sleep(ms, settled.signal).then((): WithinResult<T> => ({ met: false })),
    ]);
  } finally {
    settled.abort();
  }
}
