import { refuse } from "../edge/context.ts";
import { answerFields } from "./fields.ts";
import type { Handle } from "./route.ts";

/** `POST /api/files/token` answers the relay's own ticket; the server's file tokens never leave the relay. */
export const createFileToken: Handle<"ticket.create"> = async (c, { ask }) => {
  const ticket = await ask("ticket.create", {});
  if (!ticket.ok) return refuse(c, ticket.error);
  return answerFields(c, { token: ticket.value.token });
};
