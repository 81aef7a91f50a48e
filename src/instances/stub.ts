import type { Bindings } from "../bindings.ts";
import type { Instance } from "./instance.ts";

/** The object of one server. */
export const instanceOf = ({ INSTANCE }: Pick<Bindings, "INSTANCE">, id: string) =>
  (INSTANCE as DurableObjectNamespace<Instance>).getByName(id);
