import { refuse } from "../edge/context.ts";
import { pickFields } from "./fields.ts";
import type { Handle } from "./route.ts";

/** `POST /api/files/token` answers the relay's own ticket; the server's file tokens never leave the relay. */
export const createFileToken: Handle<"ticket.create"> = async (c, { ask }) => {
  const ticket = await ask("ticket.create", {});
  if (!ticket.ok) return refuse(c, ticket.error);
  return c.json(pickFields([{ token: ticket.value.token }], c.req.query("fields"))[0]);
};
