import type { Transport } from "@connectrpc/connect";
import { silentLogger } from "../../runtime/logger.js";
import type { Config } from "../config/config.js";
import { shownUrl } from "../config/shown-url.js";
import { Events } from "../events.js";
import { createPipeline, networkUpstreams, type PipelineUpstream } from "../pipeline.js";

/** More URLs of one upstream than these are not asked. */
const MAX_URLS = 8;

/** A way to ask an upstream. */
export interface Route {
  /** As it was configured. `undefined`: the upstream's only one, or one that its balance chooses. */
  readonly url: string | undefined;
  /** How it is called in sentences; `undefined` where there is no other. */
  readonly shown: string | undefined;
  readonly transport: Transport;
}

export interface Routes {
  readonly asked: readonly Route[];
  /** URLs that are not asked. */
  readonly left: number;
  close(): void;
}

/** To each URL of gRPC where it has several, over connections of its own: of which one a call goes to, the client's balance decides. */
export function openRoutes(config: Config, upstream: PipelineUpstream): Routes {
  const { grpc } = config;
  if (upstream.upstream !== "grpc" || !grpc || grpc.urls.length < 2) {
    const only = { url: undefined, shown: undefined, transport: upstream.direct };
    return { asked: [only], left: 0, close: () => undefined };
  }
  const urls = grpc.urls.slice(0, MAX_URLS);
  const pipelines = urls.map((url) => pipelineTo(url, config, grpc));
  return {
    asked: pipelines.map(({ upstreams: [first] }, at) => ({
      url: urls[at],
      shown: shownUrl(urls[at]) ?? `URL ${at + 1}`,
      transport: (first as PipelineUpstream).direct,
    })),
    left: grpc.urls.length - urls.length,
    close() {
      for (const pipeline of pipelines) pipeline.close();
    },
  };
}

function pipelineTo(url: string, config: Config, grpc: NonNullable<Config["grpc"]>) {
  const logger = silentLogger;
  const key = Object.freeze({});
  const toOne = { ...config, logger, grpc: { ...grpc, urls: [url], connections: { min: 1, max: 1 } }, rest: undefined };
  return createPipeline(toOne, new Events(logger, key), key, networkUpstreams);
}
