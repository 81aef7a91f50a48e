import * as z from "zod";
import { flavours } from "../archive/flavour.ts";
import type { Health, Listing, UpstreamResult } from "./backups-api.ts";
import type { ServerSettings } from "./server-settings.ts";

const WarningSchema = z.object({ code: z.string(), message: z.string(), hint: z.string() });
/** Something about this server that will cause trouble later, and the way out. */
export type CheckWarning = z.infer<typeof WarningSchema>;

/** What a check of a server found. Never an error: a bad finding is a warning that says what to do. */
export const CheckSchema = z
  .object({
    at: z.string(),
    reachable: z.boolean(),
    authorized: z.boolean(),
    flavour: z.enum(flavours),
    /** The range of versions the server's answers allow for; left out when they tell nothing. */
    version: z.string().optional(),
    /** False while a backup is made or restored; null when it could not be asked. */
    idle: z.boolean().nullable(),
    storage: z.enum(["local", "s3", "unknown"]),
    latencyMs: z.number().nullable(),
    /** How far the server's clock is ahead of ours. */
    clockSkewSeconds: z.number().nullable(),
    warnings: z.array(WarningSchema),
  })
  .meta({ id: "Check" });
export type ServerCheck = z.infer<typeof CheckSchema>;

/** The answers a check is made of; `inspect` collects them. */
export type Observed = {
  /** When the last of the two healths came, in ms since the epoch. */
  at: number;
  baseUrl: string;
  credential: { kind: "token" | "password" /** ms since the epoch. */; expires: number | null };
  /** The relay itself runs on Cloudflare, which limits the size of request bodies. */
  edge: boolean;
  /** Health as asked without a credential: whether the server answers at all. */
  guest: UpstreamResult<Health>;
  health: UpstreamResult<Health>;
  list: UpstreamResult<Listing>;
  settings: UpstreamResult<ServerSettings>;
  /** Whether another relay has asked the server of late. */
  otherRelay: UpstreamResult<boolean>;
};
