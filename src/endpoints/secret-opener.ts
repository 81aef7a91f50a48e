/** The endpoint's secrets, opened once; `locked` when no configured ENCRYPTION_KEY opens them. */
export class SecretOpener {
  locked = false;
  private opening = false;
  private readonly unlock: () => Promise<boolean>;
  private readonly detach: (work: Promise<unknown>) => void;

  constructor(unlock: () => Promise<boolean>, detach: (work: Promise<unknown>) => void) {
    this.unlock = unlock;
    this.detach = detach;
  }

  open(then: () => void): void {
    if (this.locked || this.opening) return;
    this.opening = true;
    const done = this.unlock().then((opened) => {
      this.opening = false;
      this.locked = !opened;
      if (opened) then();
    });
    this.detach(done.catch(() => undefined));
  }
}
