import type { ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import { accessLogService, type StreamEntrance } from "./access-log.ts";
import { authorizationService } from "./authorization.ts";
import {
  ACCESS_LOG,
  ACCESS_LOG_METHODS,
  AUTHORIZATION,
  AUTHORIZATION_METHODS,
  EXTERNAL_PROCESSOR,
  EXTERNAL_PROCESSOR_METHODS,
} from "./definition.ts";
import { processorService } from "./processor.ts";
import { createGateway, type GatewayOptions } from "./gateway.ts";
import { createSettler, type SettlementResult } from "./settler.ts";

/** What the services for Envoy work with. */
export interface EnvoyOptions extends GatewayOptions {
  /** Where jwt_authn puts the verified claims: its `payload_in_metadata`. */
  readonly jwtKey: string;
  /** Told of what became of each access log entry. */
  readonly onSettlement: (result: SettlementResult) => void;
}

/** One service, as a gRPC server hosts it. */
export interface EnvoyService {
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/** Everything that is served to Envoy, behind one entrance. */
export function envoyServices(
  options: EnvoyOptions,
  entrance: StreamEntrance,
): readonly EnvoyService[] {
  const { jwtKey, onFault, onSettlement, tickets, weir } = options;
  const gateway = createGateway(options);
  const settler = createSettler(weir, onFault);
  return [
    {
      name: AUTHORIZATION,
      definition: AUTHORIZATION_METHODS as unknown as ServiceDefinition,
      handlers: authorizationService(gateway, jwtKey, entrance),
    },
    {
      name: ACCESS_LOG,
      definition: ACCESS_LOG_METHODS as unknown as ServiceDefinition,
      handlers: accessLogService({ entrance, onSettlement, settler, tickets }),
    },
    {
      name: EXTERNAL_PROCESSOR,
      definition: EXTERNAL_PROCESSOR_METHODS as unknown as ServiceDefinition,
      handlers: processorService({ entrance, gateway, jwtKey, onSettlement, settler }),
    },
  ];
}
