import { BlockList, isIP } from "node:net";

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * Whether a peer is on this machine: a loopback address with or without a port (IPv6 with or without
 * brackets, IPv4-mapped too), or "unix:" for a local socket. Anything unclear is not.
 */
export function isLoopback(peer: string): boolean {
  if (peer.startsWith("unix:")) return true;
  const bare = peer.startsWith("[") ? peer.slice(1).replace(/\](:\d+)?$/, "") : peer;
  // A port is stripped first: "::1:5432" is read as a port of ::1, for peers come with their ports.
  const portless = bare.replace(/:\d+$/, "");
  const address = isIP(portless) > 0 ? portless : bare;
  // The list knows the IPv4 part of an IPv4-mapped address.
  const family = isIP(address);
  return family > 0 && LOOPBACK.check(address, family === 6 ? "ipv6" : "ipv4");
}
