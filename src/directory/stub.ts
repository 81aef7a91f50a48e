import type { Bindings } from "../bindings.ts";
import type { Directory } from "./directory.ts";

/** The one object that knows which instances there are. */
export const directoryOf = ({ DIRECTORY }: Pick<Bindings, "DIRECTORY">) =>
  (DIRECTORY as DurableObjectNamespace<Directory>).getByName("directory");
