export const flavours = ["pocketbase", "bosbase", "unknown"] as const;
/**
 * The kind of server, which decides what its backups mean: PocketBase's hold its database and files, BosBase's its local
 * files alone (its data is in PostgreSQL). `unknown` is judged as PocketBase.
 */
export type Flavour = (typeof flavours)[number];
