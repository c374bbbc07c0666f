import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { providePeer } from "./peer.ts";

/** A certificate with its key, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly certFile: string;
  readonly keyFile: string;
}

/** A certificate authority of a test's own. */
export interface Authority {
  readonly certificate: Certificate;
  /** Issues a certificate with these alternative names, such as "URI:spiffe://acme.example/a,DNS:a.example". */
  issue(name: string, alternativeNames: string): Certificate;
}

/** Makes an authority whose files, and those of what it issues, are in the folder. */
export function makeAuthority(folder: string, name: string): Authority {
  const openssl = providePeer({ aptPackage: "openssl", program: "openssl" });
  const make = (file: string, common: string, ...rest: readonly string[]): Certificate => {
    const [certFile, keyFile] = [join(folder, `${file}.crt`), join(folder, `${file}.key`)];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    const files = ["-keyout", keyFile, "-out", certFile];
    const subject = ["-days", "2", "-subj", `/CN=${common}`];
    const flags = ["req", "-x509", ...curve, ...files, ...subject, ...rest];
    execFileSync(openssl, flags, { stdio: "pipe" });
    const read = (path: string): string => readFileSync(path, "utf8");
    return { cert: read(certFile), certFile, key: read(keyFile), keyFile };
  };
  const certificate = make(name, name);
  const { certFile, keyFile } = certificate;
  return {
    certificate,
    issue: (file, alternativeNames) => {
      const names = ["-addext", `subjectAltName=${alternativeNames}`];
      const leaf = ["-addext", "basicConstraints=critical,CA:FALSE"];
      return make(`${name}-${file}`, file, "-CA", certFile, "-CAkey", keyFile, ...leaf, ...names);
    },
  };
}
