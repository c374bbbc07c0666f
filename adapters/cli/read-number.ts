import { integer } from "../config/values.ts";
import { UsageError } from "./command.ts";

/** A flag that holds a whole number in a range; `absent` if it is not given. */
export function readNumber(
  flags: Readonly<Record<string, string>>,
  name: string,
  min: number,
  max: number,
  absent: number,
): number {
  const text = flags[name];
  if (text === undefined) return absent;
  const type = integer(min, max);
  const value = type.read(text, "");
  if (value === undefined)
    throw new UsageError(`--${name} ${text} is not accepted; accepted is ${type.accepts}`);
  return value;
}
