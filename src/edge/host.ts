/** Labels of letters, digits, hyphens and underscores, or an IPv6 address, and a port, which may be empty. */
const HOST = /^(?:(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}\.?|\[[0-9a-f:.]+\])(?::\d{0,5})?$/i;

/**
 * Whether a `Host` header names a host. Plain workerd makes a request's address by writing the header before the path, as
 * it came: `127.0.0.1/v1` would turn `/health` into `/v1/health`. Without the header there is nothing to judge.
 */
export const isHost = (header: string | null): boolean =>
  header === null || (header.length <= 260 && HOST.test(header) && URL.canParse(`http://${header}/`));
