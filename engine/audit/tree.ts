import { hash } from "node:crypto";

/** Bytes of a SHA-256 hash. */
export const HASH_BYTES = 32;

/** Hash of a leaf as RFC 6962 has it: SHA-256 over a zero byte and the content. */
export function leafHash(content: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(content.length + 1);
  bytes[0] = 0;
  bytes.set(content, 1);
  return hash("sha256", bytes, "buffer");
}

/**
 * `leafHash` of the bytes from `start` to `end` without a copy: the byte before them stands in for
 * the zero byte while they are hashed, and is put back.
 */
export function leafHashWithin(bytes: Buffer, start: number, end: number): Buffer {
  const kept = bytes[start - 1] as number;
  bytes[start - 1] = 0;
  const made = hash("sha256", bytes.subarray(start - 1, end), "buffer");
  bytes[start - 1] = kept;
  return made;
}

/** Hash of an inner node: SHA-256 over a one byte and both children. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Buffer {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return hash("sha256", pair, "buffer");
}

const pair = Buffer.alloc(1 + 2 * HASH_BYTES, 1);

/** Root of the tree without leaves. */
export const EMPTY_ROOT: Buffer = hash("sha256", Buffer.alloc(0), "buffer");

/**
 * The right edge of a tree: the roots of its complete subtrees, at most one per level. Enough for
 * the root of everything taken in so far; constant memory, two hashes per leaf.
 */
export class Frontier {
  /** By level; a hole is a level without a complete subtree at the edge. */
  readonly #edge: (Buffer | null)[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Takes the next leaf's hash; `onNode` is told of each subtree this completes, the leaf too. */
  append(leaf: Buffer, onNode?: (level: number, node: Buffer) => void): void {
    let node = leaf;
    let level = 0;
    onNode?.(0, node);
    for (let left = this.#edge[0]; left !== undefined && left !== null; left = this.#edge[level]) {
      this.#edge[level] = null;
      node = nodeHash(left, node);
      level += 1;
      onNode?.(level, node);
    }
    this.#edge[level] = node;
    this.#size += 1;
  }

  root(): Buffer {
    let root: Buffer | null = null;
    for (const node of this.#edge) {
      if (node !== null) root = root === null ? node : nodeHash(node, root);
    }
    return root ?? EMPTY_ROOT;
  }
}

/** Leaves of a block; inner nodes are kept from this size on. */
const BLOCK_LEAVES = 256;
const BLOCK_LEVEL = 8;

/**
 * A tree that can prove: the roots of all complete blocks and what is above them stay in memory (a
 * quarter of a byte per leaf), the leaves of the latest block and of the blocks that somebody asked
 * to keep as well.
 */
export class MerkleTree {
  readonly #frontier = new Frontier();
  /** Complete subtrees from the size of a block on, by level above it. */
  readonly #levels: Buffer[][] = [];
  readonly #blocks = new Map<number, Buffer[]>();
  readonly #kept = new Set<number>();
  #keptFrom = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#frontier.size;
  }

  append(leaf: Buffer): void {
    const index = this.size;
    const block = Math.floor(index / BLOCK_LEAVES);
    const leaves = this.#blocks.get(block);
    if (leaves === undefined) this.#begin(block, leaf);
    else leaves.push(leaf);
    this.#frontier.append(leaf, (level, node) => {
      if (level >= BLOCK_LEVEL) (this.#levels[level - BLOCK_LEVEL] ??= []).push(node);
    });
  }

  /** Keeps what proofs about the leaf at `index` need; to be called while its block is the latest. */
  keep(index: number): void {
    this.#kept.add(Math.floor(index / BLOCK_LEAVES));
  }

  /** Keeps what proofs about every leaf from `index` on need, and lets go of what is older. */
  keepFrom(index: number): void {
    this.#keptFrom = Math.floor(index / BLOCK_LEAVES);
    const latest = Math.floor((this.size - 1) / BLOCK_LEAVES);
    for (const block of this.#blocks.keys()) {
      if (block < this.#keptFrom && block < latest && !this.#kept.has(block)) {
        this.#blocks.delete(block);
      }
    }
  }

  /** Whether a proof from the first `size` leaves can still be made. */
  reaches(size: number): boolean {
    return size % BLOCK_LEAVES === 0 || this.#blocks.has(Math.floor(size / BLOCK_LEAVES));
  }

  /** Root of the first `size` leaves; below the whole size, the leaf before it has to be kept. */
  root(size: number = this.size): Buffer {
    if (size === this.size) return this.#frontier.root();
    return size === 0 ? EMPTY_ROOT : this.range(0, size);
  }

  /** Hash of the subtree over the leaves from `start` to `end`, as RFC 6962 splits it. */
  range(start: number, end: number): Buffer {
    const count = end - start;
    const level = Math.log2(count);
    if (Number.isInteger(level) && level >= BLOCK_LEVEL && start % count === 0) {
      const node = this.#levels[level - BLOCK_LEVEL]?.[start / count];
      if (node !== undefined) return node;
    }
    if (count === 1) return this.#leaf(start);
    const middle = start + leftLeaves(count);
    return nodeHash(this.range(start, middle), this.range(middle, end));
  }

  #begin(block: number, leaf: Buffer): void {
    const before = block - 1;
    if (before < this.#keptFrom && !this.#kept.has(before)) this.#blocks.delete(before);
    this.#blocks.set(block, [leaf]);
  }

  #leaf(index: number): Buffer {
    const leaf = this.#blocks.get(Math.floor(index / BLOCK_LEAVES))?.[index % BLOCK_LEAVES];
    if (leaf === undefined) throw new Error(`leaf ${index} of the tree was not kept`);
    return leaf;
  }
}

/** Leaves of the left child of a tree with `count` leaves: the largest power of two below it. */
export function leftLeaves(count: number): number {
  let left = 1;
  while (left * 2 < count) left *= 2;
  return left;
}
