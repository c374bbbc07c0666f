import { describe, expect, test } from "vitest";

import { checkpointText, readCheckpoint } from "./checkpoint.ts";
import {
  checkSignature,
  cosignText,
  readNote,
  readSigner,
  readVerifier,
  signerOf,
  signText,
  writeNote,
  writeSigner,
} from "./note.ts";
import { EMPTY_ROOT } from "./tree.ts";

const SEED = Buffer.alloc(32, 7);
const log = signerOf("example.com/log", "ed25519", SEED);
const witness = signerOf("witness.example/w1", "cosignature", Buffer.alloc(32, 9));
const text = checkpointText("example.com/log", 12, EMPTY_ROOT);
const signed = {
  signatures: [signText(text, log), cosignText(text, witness, 1_679_315_147)],
  text,
};

describe("keys", () => {
  // The key pair of the documentation of Go's sumdb/note.
  const SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
  const PUBLIC = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

  test("are those of Go's notes", () => {
    expect(readSigner(SECRET)?.verifier.text).toBe(PUBLIC);
    expect(readVerifier(PUBLIC)?.text).toBe(PUBLIC);
  });

  test("sign what Go's notes sign", () => {
    const note =
      "If you think cryptography is the answer to your problem,\n" +
      "then you don't know what your problem is.\n" +
      "\n" +
      "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
    const read = readNote(note);
    if (read === null) return expect.unreachable();
    const signer = readSigner(SECRET);
    if (signer === null) return expect.unreachable();
    expect(checkSignature(read, signer.verifier)).toBe("true");
    return expect(writeNote({ signatures: [signText(read.text, signer)], text: read.text })).toBe(
      note,
    );
  });

  test("are read as they were written, and nothing else is read", () => {
    const secret = writeSigner("example.com/log", "ed25519", SEED);
    expect(readSigner(secret)?.verifier.text).toBe(log.verifier.text);
    expect(readVerifier(witness.verifier.text)?.kind).toBe("cosignature");
    for (const wrong of [
      "",
      "a",
      PUBLIC.replace("c74f20a3", "c74f20a4"),
      PUBLIC.replace("ARpc", "ARpd"),
      PUBLIC.replace("PeterNeumann", "Peter Neumann"),
      PUBLIC.slice(0, -4),
      `x${PUBLIC}`,
    ]) {
      expect(readVerifier(wrong), wrong).toBeNull();
    }
    expect(readSigner(secret.replace("log+", "lag+"))).toBeNull();
  });
});

describe("a note", () => {
  test("is read as it was written; both signatures hold, a stranger's is absent", () => {
    const read = readNote(writeNote(signed));
    if (read === null) return expect.unreachable();
    expect(read.text).toBe(text);
    expect(checkSignature(read, log.verifier)).toBe("true");
    expect(checkSignature(read, witness.verifier)).toBe("true");
    const stranger = signerOf("example.com/log", "ed25519", Buffer.alloc(32, 8));
    return expect(checkSignature(read, stranger.verifier)).toBe("absent");
  });

  test("with another text, time or signature under a known key is forged", () => {
    const note = writeNote(signed);
    for (const forged of [
      note.replace("\n12\n", "\n13\n"),
      note.replace("com/log\n", "com/lag\n"),
    ]) {
      const read = readNote(forged);
      if (read === null) return expect.unreachable();
      expect(checkSignature(read, log.verifier)).toBe("false");
      expect(checkSignature(read, witness.verifier)).toBe("false");
    }
    const [own, cosigned] = signed.signatures;
    if (own === undefined || cosigned === undefined) return expect.unreachable();
    const later = Buffer.from(cosigned.bytes);
    later[7] = (later[7] ?? 0) ^ 1;
    const signatures = [{ ...cosigned, bytes: later }];
    return expect(checkSignature({ signatures, text }, witness.verifier)).toBe("false");
  });

  test.each([
    ["no signature", "a\n\n"],
    ["no empty line", "a\n\u2014 x AAAAAAAA\n"],
    ["no newline at its end", writeNote(signed).slice(0, -1)],
    ["a hyphen for the dash", writeNote(signed).replace("\u2014", "-")],
    ["a signature that is too short", "a\n\n\u2014 x AAAA\n"],
    ["too many signatures", `a\n\n${"\u2014 x AAAAAAAA\n".repeat(65)}`],
  ])("with %s is none", (_name, wrong) => {
    expect(readNote(wrong)).toBeNull();
  });
});

describe("a checkpoint", () => {
  test("says origin, size and root", () => {
    expect(readCheckpoint(writeNote(signed))).toMatchObject({
      origin: "example.com/log",
      root: EMPTY_ROOT,
      size: 12,
    });
  });

  test.each([
    ["a leading zero", "o\n012\n", ""],
    ["a size that is no number", "o\n1e3\n", ""],
    ["an unsafe size", "o\n9999999999999999\n", ""],
    ["a short root", "o\n1\nAAAA\n", "x"],
    ["no origin", "\n1\n", ""],
  ])("with %s is none", (_name, head, whole) => {
    const body = whole === "" ? `${head}${EMPTY_ROOT.toString("base64")}\n` : head;
    expect(readCheckpoint(writeNote({ signatures: [signText(body, log)], text: body }))).toBeNull();
  });
});
