/** A JSON Schema as it stands in the document. */
export type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  minItems?: number;
  minimum?: number;
  minLength?: number;
  pattern?: string;
  format?: string;
};

export type Operation = {
  "x-scope"?: string | null;
  summary?: string;
  tags?: string[];
  parameters?: { name: string; in: "path" | "query" | "header"; required?: boolean; schema: Schema }[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, { description?: string; content?: Record<string, { schema?: Schema }> }>;
};

export type Document = {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
};

/** The smallest value that a schema takes, as far as these routes need it; `named` gives those that no schema tells. */
export function sample(document: Document, schema: Schema, named: Record<string, unknown>, name = ""): unknown {
  if (name in named) return named[name];
  if (schema.$ref) return sample(document, document.components.schemas[schema.$ref.split("/").at(-1)!]!, named, name);
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const one = schema.anyOf?.[0] ?? schema.oneOf?.[0] ?? schema.allOf?.[0];
  if (one) return sample(document, one, named, name);
  const type = [schema.type].flat()[0];
  if (type === "object" || schema.properties) {
    const entries = (schema.required ?? []).map((field) => [
      field,
      sample(document, schema.properties?.[field] ?? {}, named, field),
    ]);
    return Object.fromEntries(entries);
  }
  if (type === "array")
    return Array.from({ length: schema.minItems ?? 0 }, () => sample(document, schema.items ?? {}, named));
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return false;
  return "x".repeat(schema.minLength ?? 1);
}
