import type { Bindings } from "../bindings.ts";
import type { Endpoint } from "./endpoint.ts";

/** The object of one webhook endpoint. */
export const endpointOf = ({ ENDPOINT }: Pick<Bindings, "ENDPOINT">, id: string) =>
  (ENDPOINT as DurableObjectNamespace<Endpoint>).getByName(id);
