/** A token bucket of requests per minute. It is kept in memory: a restart may let a few more through. */
export class RateBucket {
  /** When the next request is allowed, ms; 0 when it is now. */
  freeAt = 0;
  private tokens = Number.POSITIVE_INFINITY;
  private at = 0;

  /** Takes a token; false when there is none. The bucket holds a sixth of a minute's requests. */
  take(perMinute: number | null, now: number): boolean {
    if (perMinute === null) {
      this.freeAt = 0;
      return true;
    }
    const most = Math.max(1, perMinute / 6);
    this.tokens = Math.min(most, this.tokens + (Math.max(0, now - this.at) * perMinute) / 60_000);
    this.at = now;
    if (this.tokens < 1) {
      this.freeAt = now + Math.ceil(((1 - this.tokens) * 60_000) / perMinute);
      return false;
    }
    this.tokens -= 1;
    this.freeAt = 0;
    return true;
  }
}
