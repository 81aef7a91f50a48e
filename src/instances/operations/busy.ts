import { type Problem, problem } from "../../base/problem.ts";
import type { Server } from "../server/server.ts";

/** PocketBase checks its lock before the request itself, so a caller of a busy server is answered that it is busy. */
export async function busyFirst(server: Server, refused: Problem): Promise<Problem> {
  const connected = await server.connect();
  if (!connected.ok) return refused;
  const health = await connected.value.session.health();
  return health.ok && health.value.idle === false ? problem("upstream_busy") : refused;
}
