import { hash } from "node:crypto";

import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { consistencyProof, inclusionProof, isConsistent, rootFromInclusion } from "./proof.ts";
import { EMPTY_ROOT, Frontier, leafHash, leafHashWithin, MerkleTree, nodeHash } from "./tree.ts";

// Leaves and roots of the reference tests of Certificate Transparency (RFC 6962).
const LEAVES = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
];
const ROOTS = [
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

const numbered = (count: number): Buffer[] =>
  Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`record ${index}`)));

function treeOf(leaves: readonly Buffer[], keep: readonly number[] = []): MerkleTree {
  const tree = new MerkleTree();
  for (const [index, leaf] of leaves.entries()) {
    if (keep.includes(index)) tree.keep(index);
    tree.append(leaf);
  }
  return tree;
}

/** The definition in RFC 6962, section 2.1, on all leaves at once. */
function plainRoot(leaves: readonly Buffer[]): Buffer {
  const [first] = leaves;
  if (first === undefined) return hash("sha256", "", "buffer");
  if (leaves.length === 1) return first;
  let middle = 1;
  while (middle * 2 < leaves.length) middle *= 2;
  return nodeHash(plainRoot(leaves.slice(0, middle)), plainRoot(leaves.slice(middle)));
}

describe("the tree", () => {
  test("has the roots of Certificate Transparency's reference tests", () => {
    const frontier = new Frontier();
    expect(frontier.root()).toEqual(EMPTY_ROOT);
    for (const [index, leaf] of LEAVES.entries()) {
      frontier.append(leafHash(Buffer.from(leaf, "hex")));
      expect(frontier.root().toString("hex")).toBe(ROOTS[index]);
      expect(frontier.size).toBe(index + 1);
    }
  });

  test("at every size, around the sizes of its blocks too, has the root that the definition gives", () => {
    const leaves = numbered(1_100);
    const tree = new MerkleTree();
    for (const [index, leaf] of leaves.entries()) {
      tree.append(leaf);
      if (index < 40 || Math.abs((index % 256) - 128) > 120) {
        expect(tree.root(), String(index + 1)).toEqual(plainRoot(leaves.slice(0, index + 1)));
      }
    }
  });

  test("a leaf is hashed where it lies, and the bytes before it are as they were", () => {
    const bytes = Buffer.from("17 abcdef01 {}");
    expect(leafHashWithin(bytes, 12, bytes.length)).toEqual(leafHash(Buffer.from("{}")));
    expect(bytes.toString()).toBe("17 abcdef01 {}");
  });
});

describe("proofs", () => {
  test("of every leaf at every size lead to the root, and no other leaf's hash does", () => {
    const leaves = numbered(70);
    const tree = treeOf(leaves, [0]);
    for (let size = 1; size <= leaves.length; size += 1) {
      const root = plainRoot(leaves.slice(0, size));
      for (let index = 0; index < size; index += 1) {
        const proof = inclusionProof(tree, index, size);
        expect(rootFromInclusion(leaves[index] as Buffer, index, size, proof)).toEqual(root);
        const other = leaves[(index + 1) % leaves.length] as Buffer;
        expect(rootFromInclusion(other, index, size, proof)).not.toEqual(root);
        expect(rootFromInclusion(leaves[index] as Buffer, index, size, proof.slice(1))).not.toEqual(
          size === 1 ? null : root,
        );
      }
    }
    expect(rootFromInclusion(leaves[0] as Buffer, 5, 5, [])).toBeNull();
    expect(rootFromInclusion(leaves[0] as Buffer, -1, 5, [])).toBeNull();
  });

  test("between all sizes hold, and not for another root or with one hash changed", () => {
    const leaves = numbered(40);
    const tree = treeOf(leaves, [0]);
    const heads = leaves.map((_, index) => ({
      root: plainRoot(leaves.slice(0, index + 1)),
      size: index + 1,
    }));
    for (const old of heads) {
      for (const newer of heads.slice(old.size - 1)) {
        const proof = consistencyProof(tree, old.size, newer.size);
        expect(isConsistent(old, newer, proof)).toBe(true);
        const forged = { ...old, root: leafHash(old.root) };
        expect(isConsistent(forged, newer, proof)).toBe(false);
        expect(isConsistent(old, { ...newer, root: leafHash(newer.root) }, proof)).toBe(false);
        for (const [index, node] of proof.entries()) {
          expect(isConsistent(old, newer, proof.toSpliced(index, 1, leafHash(node)))).toBe(false);
          expect(isConsistent(old, newer, proof.toSpliced(index, 1))).toBe(false);
        }
        expect(isConsistent(old, newer, [...proof, old.root])).toBe(false);
        if (newer.size > old.size) expect(isConsistent(newer, old, proof)).toBe(false);
      }
    }
  });

  test("in a tree of many blocks need only what was kept", () => {
    const leaves = numbered(3_000);
    fc.assert(
      fc.property(fc.nat(2_999), fc.nat(2_999), (one, other) => {
        const [index, last] = [Math.min(one, other), Math.max(one, other)];
        const size = last + 1;
        const tree = treeOf(leaves, [index, last]);
        const root = plainRoot(leaves.slice(0, size));
        expect(tree.root(size)).toEqual(root);
        const proof = inclusionProof(tree, index, size);
        expect(rootFromInclusion(leaves[index] as Buffer, index, size, proof)).toEqual(root);
        const old = { root: plainRoot(leaves.slice(0, index + 1)), size: index + 1 };
        const path = consistencyProof(tree, old.size, size);
        expect(isConsistent(old, { root, size }, path)).toBe(true);
      }),
      { numRuns: 12, seed: 20_261_125 },
    );
  });

  test("from a size can be made as far as the tree says that it reaches", () => {
    const tree = treeOf(numbered(1_100));
    tree.keepFrom(700);
    const made = Array.from({ length: 1_101 }, (_, size) => {
      try {
        return consistencyProof(tree, size, 1_100).length >= 0;
      } catch {
        return false;
      }
    });
    expect(made.map((_, size) => tree.reaches(size))).toEqual(made);
    expect(made.filter(Boolean).length).toBeLessThan(500);
  });

  test("about a leaf that was not kept are refused, not wrong", () => {
    expect(() => inclusionProof(treeOf(numbered(600)), 3, 600)).toThrow("leaf");
  });
});
