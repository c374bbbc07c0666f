import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import type { BookOfBundle, PriceBooks } from "../../engine/ledger/charge.ts";
import type { PriceBookData } from "../../engine/policy/bundle-data.ts";
import { openPriceBook } from "../../engine/pricing/price-book.ts";
import { canonicalJson } from "../../engine/record/canonical.ts";
import { bundleFiles } from "../bundles/archive.ts";
import { BundleShelf } from "../bundles/shelf.ts";

const BOOKS_MAX = 32;

/** The price books of the bundles that decided; of one that is gone or unreadable there is none. */
export function archivedPriceBooks(folder: string): PriceBooks {
  const shelf = new BundleShelf(folder);
  const opened = new LRUCache<string, { readonly found: BookOfBundle | null }>({ max: BOOKS_MAX });
  return (digest) => {
    const known = opened.get(digest);
    if (known !== undefined) return known.found;
    const found = readBook(shelf, digest);
    opened.set(digest, { found });
    return found;
  };
}

function readBook(shelf: BundleShelf, digest: string): BookOfBundle | null {
  try {
    const files = shelf.files(digest);
    if (files === null) return null;
    const { data } = bundleFiles(files);
    const { config } = JSON.parse(data) as { readonly config: { readonly prices: PriceBookData } };
    const bookDigest = createHash("sha256").update(canonicalJson(config.prices)).digest("hex");
    return { book: openPriceBook(config.prices), digest: bookDigest };
  } catch {
    // Without its book a cost is known to the unit all the same, only not by class.
    return null;
  }
}
