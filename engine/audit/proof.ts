import { leftLeaves, nodeHash } from "./tree.ts";

/** What proofs are made from: hashes of subtrees by their leaves, `start` to `end`. */
export interface Subtrees {
  range(start: number, end: number): Buffer;
}

/** Inclusion proof of RFC 6962, section 2.1.1: hashes from the leaf's sibling up to the root's child. */
export function inclusionProof(tree: Subtrees, index: number, size: number): readonly Buffer[] {
  const path = (start: number, end: number): Buffer[] => {
    if (end - start === 1) return [];
    const middle = start + leftLeaves(end - start);
    return index < middle
      ? [...path(start, middle), tree.range(middle, end)]
      : [...path(middle, end), tree.range(start, middle)];
  };
  return path(0, size);
}

/** Root that a leaf's hash and its inclusion proof lead to; null if the proof has another length. */
export function rootFromInclusion(
  leaf: Buffer,
  index: number,
  size: number,
  proof: readonly Buffer[],
): Buffer | null {
  if (!Number.isSafeInteger(index) || index < 0 || index >= size) return null;
  const climb = (start: number, end: number, depth: number): Buffer | null => {
    if (end - start === 1) return depth === 0 ? leaf : null;
    const sibling = proof[depth - 1];
    if (sibling === undefined) return null;
    const middle = start + leftLeaves(end - start);
    const isLeft = index < middle;
    const below = isLeft ? climb(start, middle, depth - 1) : climb(middle, end, depth - 1);
    if (below === null) return null;
    return isLeft ? nodeHash(below, sibling) : nodeHash(sibling, below);
  };
  return climb(0, size, proof.length);
}

/** Consistency proof of RFC 6962, section 2.1.2, from the first `old` leaves to the first `size`. */
export function consistencyProof(tree: Subtrees, old: number, size: number): readonly Buffer[] {
  const path = (start: number, end: number, isWhole: boolean): Buffer[] => {
    if (old === end) return isWhole ? [] : [tree.range(start, end)];
    const middle = start + leftLeaves(end - start);
    return old <= middle
      ? [...path(start, middle, isWhole), tree.range(middle, end)]
      : [...path(middle, end, false), tree.range(start, middle)];
  };
  return old === 0 || old === size ? [] : path(0, size, true);
}

/** A tree's size and root. */
export interface TreeHead {
  readonly size: number;
  readonly root: Buffer;
}

/** Whether the newer tree begins with the older one, by its consistency proof. */
export function isConsistent(old: TreeHead, newer: TreeHead, proof: readonly Buffer[]): boolean {
  if (old.size > newer.size) return false;
  if (old.size === newer.size) return proof.length === 0 && old.root.equals(newer.root);
  if (old.size === 0) return proof.length === 0;
  const climb = (start: number, end: number, isWhole: boolean, depth: number): Pair | null => {
    if (old.size === end) {
      if (isWhole) return depth === 0 ? [old.root, old.root] : null;
      const node = depth === 1 ? proof[0] : undefined;
      return node === undefined ? null : [node, node];
    }
    const sibling = proof[depth - 1];
    if (sibling === undefined) return null;
    const middle = start + leftLeaves(end - start);
    if (old.size <= middle) {
      const below = climb(start, middle, isWhole, depth - 1);
      return below === null ? null : [below[0], nodeHash(below[1], sibling)];
    }
    const below = climb(middle, end, false, depth - 1);
    return below === null ? null : [nodeHash(sibling, below[0]), nodeHash(sibling, below[1])];
  };
  const roots = climb(0, newer.size, true, proof.length);
  return roots !== null && roots[0].equals(old.root) && roots[1].equals(newer.root);
}

/** Roots of the older and of the newer tree within a subtree. */
type Pair = readonly [Buffer, Buffer];
