import { join } from "node:path";
import type { Server } from "@grpc/grpc-js";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import { ReflectionService } from "@grpc/reflection";
import { protoPath as healthProto } from "grpc-health-check";

const PROTO = join(import.meta.dirname, "../../proto");

const SERVICES = ["decision", "admin", "ledger"].map((name) => `weir/v1/${name}_service.proto`);

/** Lets tools such as grpcurl ask the server for its contract. */
export function addReflection(server: Server, own: readonly string[]): void {
  const contract: PackageDefinition = {
    ...loadSync(SERVICES, { includeDirs: [PROTO], keepCase: true }),
    ...loadSync(healthProto, { keepCase: true }),
  };
  const services = [...own, "grpc.health.v1.Health"];
  new ReflectionService(contract, { services }).addToServer(server);
}
