import ipaddr from "ipaddr.js";

/** The kind of network an address belongs to. Only `public` is safe to let somebody else choose. */
export type AddressClass = "public" | "loopback" | "private" | "link-local" | "metadata" | "special";

/**
 * Everything that is not plain public unicast. IANA's IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and
 * successors), multicast, and the addresses at which clouds hand credentials to whoever asks. The longest prefix wins.
 */
const ranges: readonly (readonly [cidr: string, kind: AddressClass])[] = [
  ["0.0.0.0/8", "special"],
  ["10.0.0.0/8", "private"],
  // Shared address space (RFC 6598): carrier NAT, and where overlay networks such as Tailscale live.
  ["100.64.0.0/10", "private"],
  ["127.0.0.0/8", "loopback"],
  ["169.254.0.0/16", "link-local"],
  ["172.16.0.0/12", "private"],
  ["192.0.0.0/24", "special"],
  ["192.0.2.0/24", "special"],
  ["192.31.196.0/24", "special"],
  ["192.52.193.0/24", "special"],
  ["192.88.99.0/24", "special"],
  ["192.168.0.0/16", "private"],
  ["192.175.48.0/24", "special"],
  ["198.18.0.0/15", "special"],
  ["198.51.100.0/24", "special"],
  ["203.0.113.0/24", "special"],
  ["224.0.0.0/4", "special"],
  ["240.0.0.0/4", "special"],
  // Metadata services: AWS, GCP, Azure and most others; ECS; EKS; Azure's wire server; Alibaba; Oracle.
  ["169.254.169.254/32", "metadata"],
  ["169.254.170.2/32", "metadata"],
  ["169.254.170.23/32", "metadata"],
  ["168.63.129.16/32", "metadata"],
  ["100.100.100.200/32", "metadata"],
  ["192.0.0.192/32", "metadata"],
  // IPv6: only 2000::/3 is handed out as global unicast, so everything else starts as special.
  ["::/0", "special"],
  ["2000::/3", "public"],
  ["::1/128", "loopback"],
  ["fc00::/7", "private"],
  ["fe80::/10", "link-local"],
  ["2001::/23", "special"],
  ["2001:db8::/32", "special"],
  // 6to4 (RFC 7526 retired it) carries any IPv4 address inside.
  ["2002::/16", "special"],
  ["2620:4f:8000::/48", "special"],
  ["3fff::/20", "special"],
  // AWS, EKS and GCP over IPv6.
  ["fd00:ec2::254/128", "metadata"],
  ["fd00:ec2::23/128", "metadata"],
  ["fd20:ce::254/128", "metadata"],
];

type Address = ipaddr.IPv4 | ipaddr.IPv6;
const table = ranges
  .map(([cidr, kind]) => ({ network: ipaddr.parseCIDR(cidr), kind }))
  .sort((a, b) => b.network[1] - a.network[1]);

/** The IPv4 address inside a mapped (RFC 4291) or NAT64 (RFC 6052) one, because that is where the packets go. */
function unwrapped(address: Address): Address {
  if (!(address instanceof ipaddr.IPv6)) return address;
  if (address.isIPv4MappedAddress()) return address.toIPv4Address();
  if (!address.match(ipaddr.IPv6.parseCIDR("64:ff9b::/96"))) return address;
  return new ipaddr.IPv4(address.toByteArray().slice(12));
}

const isMapped = (address: Address): boolean => address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress();

/** The IPv4 address behind an ISATAP interface identifier (RFC 5214 §6.1), whose u bit may be set or not. */
function isatap(address: Address): Address | null {
  const bytes = address.toByteArray();
  const marked = (bytes[8]! & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
  return marked ? new ipaddr.IPv4(bytes.slice(12)) : null;
}

function classOf(address: Address): AddressClass {
  return table.find(({ network }) => network[0].kind() === address.kind() && address.match(network))?.kind ?? "public";
}

/**
 * Classifies one IP address, v4 or v6 without brackets. IPv4 inside IPv6 is classified as IPv4. What is not an address
 * at all is `special`: refuse it.
 */
export function classify(ip: string): AddressClass {
  // ipaddr.js reads ::1.2.3.4 as the mapped ::ffff:1.2.3.4; on the wire it is the retired ::/96 (RFC 4291 §2.5.5.1).
  if (!ipaddr.isValid(ip) || /^::\d+\./.test(ip)) return "special";
  const written = ipaddr.parse(ip);
  const address = unwrapped(written);
  const kind = classOf(address);
  // No server on the internet has a mapped address: it is one program's way to write another address.
  if (kind === "public" && isMapped(written)) return "special";
  const tunnelled = kind === "public" ? isatap(address) : null;
  return tunnelled ? classOf(tunnelled) : kind;
}

const names: readonly (readonly [pattern: RegExp, kind: AddressClass])[] = [
  // AWS, GCP and their like inside the cloud; Tencent and Equinix have public names for it.
  [/^(metadata|instance-data)(\..+)?\.internal$|^(metadata|instance-data|metadata\.goog)$/, "metadata"],
  [/\.metadata\.google\.internal$|^metadata\.(tencentyun\.com|platformequinix\.com|packet\.net)$/, "metadata"],
  // RFC 6761, and what Red Hat's, Debian's and others' /etc/hosts give to 127.0.0.1 and ::1.
  [/^(.+\.)?localhost$|^localhost[46]?(\.localdomain[46]?)?$|^ip6-(localhost|loopback)$/, "loopback"],
  // RFC 6762, RFC 8375, ICANN's private-use .internal, and names without a dot: a container's or a local host's.
  [/\.(local|internal|lan|home\.arpa)$|^[^.]+$/, "private"],
  // Nothing reserves these, but nobody can own them either: search domains, cluster and container names.
  [/\.(localdomain[46]?|intranet|corp|home|private|svc|cluster|consul|docker|podman|alt)$/, "private"],
  [/\.(test|example|invalid|onion|arpa)$/, "special"],
];

/**
 * Classifies a host as `new URL(…).hostname` writes it: an address (IPv6 in brackets) or a name. A name without a known
 * ending counts as `public`; its address is known only after resolving it.
 */
export function classifyHost(hostname: string): AddressClass {
  const host = hostname.toLowerCase().replace(/\.$/, "");
  if (host.startsWith("[")) return classify(host.slice(1, -1));
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return classify(host);
  if (host.split(".").includes("")) return "special";
  return names.find(([pattern]) => pattern.test(host))?.[1] ?? "public";
}
