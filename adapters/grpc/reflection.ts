import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Server } from "@grpc/grpc-js";
import type { PackageDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { Reader } from "protobufjs/minimal.js";

const DESCRIPTORS = join(import.meta.dirname, "../../proto/gen/descriptors.binpb");

/**
 * Lets tools such as grpcurl ask the server for its contract: the descriptors that buf compiled, since Go's
 * tools refuse those which proto-loader makes of what it has loaded.
 */
export function addReflection(server: Server, own: readonly string[]): void {
  const all = { fileDescriptorProtos: filesIn(readFileSync(DESCRIPTORS)) };
  const services = [...own, "grpc.health.v1.Health"];
  new ReflectionService({ all } as unknown as PackageDefinition, { services }).addToServer(server);
}

/** The files of a FileDescriptorSet, each as its bytes. */
function filesIn(set: Buffer): Buffer[] {
  const files: Buffer[] = [];
  const reader = Reader.create(set);
  while (reader.pos < reader.len) {
    reader.uint32();
    files.push(Buffer.from(reader.bytes()));
  }
  return files;
}
