import type { Hono } from "hono";
import { ask } from "../edge/ask.ts";
import { type AppEnv, refuse } from "../edge/context.ts";
import { pickFields } from "./fields.ts";

/** `POST /api/files/token` answers the relay's own ticket; the server's file tokens never leave the relay. */
export function mountFileToken(app: Hono<AppEnv>): void {
  app.post("/api/files/token", async (c) => {
    const ticket = await ask(c, { do: "ticket.create" });
    if (!ticket.ok) return refuse(c, ticket.error);
    return c.json(pickFields([{ token: ticket.value.token }], c.req.query("fields"))[0]);
  });
}
