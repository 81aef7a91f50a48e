import { deriveTokenKeys, type TokenKeys } from "../../access/token-keys.ts";
import type { Problem } from "../../base/problem.ts";
import { ok, type Result } from "../../base/result.ts";
import type { Configuration } from "../server/store.ts";

/** What signs the instance's sessions and tickets, derived once from its sealed secret. */
export class SessionKeys {
  private readonly configuration: Configuration;
  private known: TokenKeys | null = null;

  constructor(configuration: Configuration) {
    this.configuration = configuration;
  }

  async get(): Promise<Result<TokenKeys, Problem>> {
    if (this.known) return ok(this.known);
    const secret = await this.configuration.sessionKey();
    if (!secret.ok) return secret;
    this.known = await deriveTokenKeys(secret.value);
    return ok(this.known);
  }

  /** To be called when the sealed secret may be another. */
  forget(): void {
    this.known = null;
  }
}
