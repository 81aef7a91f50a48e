import type { Settings } from "../settings.ts";

/**
 * The path below which callers reach the relay, `/relay` for a `PUBLIC_URL` of `https://example.com/relay`; empty without
 * one. The proxy that adds it takes it off again, so no route knows it, and every path in an answer needs it.
 */
export const publicPrefix = ({ publicUrl }: Pick<Settings, "publicUrl">): string =>
  publicUrl === null ? "" : new URL(publicUrl).pathname.replace(/\/$/, "");
