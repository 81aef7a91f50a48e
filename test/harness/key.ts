import type { ApiKey } from "../../src/access/key.ts";
import { scopes } from "../../src/access/scope.ts";
import { secretDigest } from "../../src/access/token.ts";
import { randomBase62, secureRandom } from "../../src/base/random.ts";

/** 2026-11-22T10:00:00Z */
export const NOW = Date.UTC(2026, 10, 22, 10);

/** A key that may do everything, but for what is said otherwise. */
export const aKey = (differences: Partial<ApiKey> = {}): ApiKey => ({
  id: randomBase62(secureRandom, 10),
  parent: null,
  principal: "root",
  name: "a key",
  preset: null,
  scopes: [...scopes],
  patterns: ["*"],
  networks: [],
  notBefore: null,
  expires: null,
  ratePerMinute: null,
  quotas: {},
  approval: [],
  disabled: false,
  note: "",
  holder: null,
  digest: secretDigest(randomBase62(secureRandom, 32)),
  secretVersion: 1,
  previous: null,
  created: NOW,
  createdBy: "administrator",
  ...differences,
});

export const everyBackupScope = ["list", "create", "upload", "download", "delete", "restore"].map(
  (verb) => `backups:${verb}`,
);
