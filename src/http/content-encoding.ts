/** Whether a body has no content coding such as gzip (RFC 9110 §8.4). */
export const isUnencoded = (headers: Headers): boolean => /^(identity)?$/i.test(headers.get("Content-Encoding") ?? "");
