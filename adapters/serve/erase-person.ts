import { WeirError } from "../../engine/errors.ts";
import type { Config } from "../config.ts";
import { BundleShelf } from "../bundles/shelf.ts";
import { SaltFile } from "../embedded/salts.ts";
import type { AuditLog } from "./audit-log.ts";
import { dataLayout } from "./local-storage.ts";
import { onStoppedLog } from "./on-stopped-log.ts";

/**
 * Destroys the salt of a value. The log keeps its masks, which nobody can tell to be of that value any
 * more, and says which masks these are. Resolves to them; `decision.not_found` if it was never masked.
 */
export function erasePerson(
  config: Config,
  value: string,
  reason: string,
  onNote: (note: WeirError) => void,
): Promise<readonly string[]> {
  return onStoppedLog(config, reason, onNote, async (audit) => {
    const salts = new SaltFile(config.data);
    try {
      if (!salts.knows(value)) {
        const message = "this value has no salt: it was never masked here, or is erased already";
        throw new WeirError("decision.not_found", message);
      }
      const masks = maskedFields(config, audit).map((path) => `${path} ${salts.mask(path, value)}`);
      await audit.control({ action: "person.erased", after: "", before: masks.join(", "), reason });
      salts.erase(value);
      return masks;
    } finally {
      salts.close();
    }
  });
}

/** The fields that the bundle which decided last has masked. */
function maskedFields(config: Config, audit: AuditLog): readonly string[] {
  const shelf = new BundleShelf(dataLayout(config.data).bundles);
  return shelf.open(audit.controls.bundle.digest)?.data.masking?.fields ?? [];
}
