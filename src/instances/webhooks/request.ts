import { checkPatterns } from "../../access/pattern.ts";
import { type Problem, problem } from "../../base/problem.ts";
import { fail, ok, type Result } from "../../base/result.ts";
import { parseTypePatterns } from "../../ledger/type-pattern.ts";
import { type AddressPolicy, readAddress, type WebhookAddress } from "../../webhooks/address.ts";
import { type Format, missingInAddress } from "../../webhooks/formats/render.ts";
import { acceptEndpointHeaders } from "../../webhooks/headers.ts";
import { acceptSecret } from "../../webhooks/secret.ts";
import type { EndpointRequest } from "./view.ts";

type CheckedRequest = Omit<EndpointRequest, "url"> & { address?: WebhookAddress };

const refused = (field: string, message: string, code = "validation_invalid_value") =>
  fail(problem("invalid_request", { data: { [field]: { code, message } } }));

/** Checks what a user asked for, field by field. `format` is the one that the endpoint will have. */
export function checkRequest(
  request: EndpointRequest,
  format: Format,
  policy: AddressPolicy,
): Result<CheckedRequest, Problem> {
  const { url, ...rest } = request;
  const checked: CheckedRequest = { ...rest };
  if (url !== undefined) {
    const address = readAddress(url, policy);
    if (!address.ok) return refused("url", address.error.message, `address_${address.error.rule.replaceAll("-", "_")}`);
    checked.address = address.value;
  }
  const missing = checked.address ? missingInAddress(format, checked.address.url) : null;
  if (missing !== null) return refused("url", missing);
  if (request.types) {
    const types = parseTypePatterns(request.types);
    if (!types.ok) return refused("types", types.error);
    checked.types = types.value;
  }
  if (request.patterns) {
    const patterns = checkPatterns(request.patterns);
    if (!patterns.ok) return patterns;
    checked.patterns = patterns.value;
  }
  if (request.headers) {
    const headers = acceptEndpointHeaders(request.headers);
    if (!headers.ok) return refused("headers", headers.error);
    checked.headers = headers.value;
  }
  return ok(checked);
}

/** A secret that a user brings along; null when the relay is to make one. */
export function checkSecret(text: string | null): Result<Uint8Array<ArrayBuffer> | null, Problem> {
  if (text === null) return ok(null);
  const secret = acceptSecret(text);
  return secret.ok ? secret : refused("secret", secret.error);
}
