import { userInfo } from "node:os";

/** Name of the user this process runs as. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number that nobody has.
    return String(process.getuid?.() ?? "unknown");
  }
}
