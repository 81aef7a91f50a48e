/** A ceiling of requests per minute, kept in memory: a restart may let a few more through. */
export class RateBucket {
  /** When the next request is allowed, ms; 0 when there is room. */
  freeAt = 0;
  private tokens = Number.POSITIVE_INFINITY;
  private at = 0;

  /** Takes one; false when the minute's share is used up. At most a sixth of it goes out at once. */
  take(perMinute: number | null, now: number): boolean {
    if (perMinute === null) {
      this.freeAt = 0;
      return true;
    }
    const most = Math.max(1, perMinute / 6);
    this.tokens = Math.min(most, this.tokens + ((now - this.at) * perMinute) / 60_000);
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
