import * as http from "node:http";
import express from "express";
import {
  type AuthOptions,
  createAuthClient,
  getAuth,
  healthHandler,
  optionalAuth,
  requireAuth,
} from "../../src/index.js";
import * as forKoa from "../../src/koa.js";
import { stubAuthClient } from "../../src/testing.js";
import { listen } from "../support/listen.js";
import { ManualClock } from "../support/manual-clock.js";
import { afterwards, startService } from "../support/open-client.js";
import { RecordingLogger } from "../support/recording-logger.js";
import { until } from "../support/until.js";
import { client, inExpress, inKoa } from "./apps.js";
import { type Mistake, messageOf } from "./mistake.js";

/** What a client logs while an app of Express with these options answers, and what that says. */
async function withSource(token: AuthOptions["token"]): Promise<string> {
  const { upstreams } = await startService({ users: { "token-ana": { id: "ana" } } });
  const logger = new RecordingLogger();
  const own = createAuthClient({ ...upstreams, logger });
  afterwards(() => own.close());
  const answer = await inExpress(requireAuth({ client: own, ...(token && { token }) }));
  return [answer, ...logger.lines].join("\n");
}

/** What the log says of an `onError`, once the client's deadline has passed. */
async function withSilentOnError(): Promise<string> {
  const { upstreams } = await startService();
  const [logger, clock] = [new RecordingLogger(), new ManualClock()];
  const own = createAuthClient({ ...upstreams, logger, clock });
  afterwards(() => own.close());
  let calls = 0;
  const server = http.createServer(express().use(requireAuth({ client: own, onError: () => void calls++ })));
  const sent = http.get({ port: await listen(server), agent: false }).on("error", () => undefined);
  afterwards(() => new Promise((resolve) => server.close(resolve)));
  afterwards(() => sent.destroy());
  await until(() => calls === 1);
  await clock.advance(3000);
  return logger.lines.join("\n");
}

/** Of middleware: said when it is mounted, or to the first request. */
export const middlewareRows: readonly Mistake[] = [
  {
    is: "requireAuth that is not called",
    make: () => inExpress(requireAuth),
    says: ["500", "requireAuth is to be called: app.use(requireAuth())"],
  },
  {
    is: "requireAuth that is not called, in Koa",
    make: () => inKoa(forKoa.requireAuth),
    says: ["500", "requireAuth is to be called: app.use(requireAuth())"],
  },
  {
    is: "requireAuth of Koa in Express",
    make: () => inExpress(forKoa.requireAuth({ client })),
    says: ["500", 'requireAuth() of "portero/koa" was given no Koa context: in Express, import it from "portero"'],
  },
  {
    is: "requireAuth of Express in Koa",
    make: () => inKoa(requireAuth({ client })),
    says: ["500", 'requireAuth() of "portero" was given no (req, res, next): in Koa, import it from "portero/koa"'],
  },
  {
    is: "requireAuth behind the routes",
    make: () =>
      inExpress(
        (req: http.IncomingMessage, res: express.Response) => res.json(getAuth(req).user),
        requireAuth({ client }),
      ),
    says: [
      "500",
      "getAuth() needs requireAuth() before it",
      "Mount it above the routes and guards: app.use(requireAuth())",
    ],
  },
  {
    is: "a token source that is async",
    make: () => withSource((async () => "token-ana") as never),
    says: ["500", "the option `token` must return a string or nothing, got a Promise: it must not be async"],
  },
  {
    is: "a token source that looks elsewhere and returns null",
    make: () => withSource(() => null),
    says: ["401", "The request carries no token where this service looks for one."],
  },
  {
    is: 'a token source that keeps "Bearer "',
    make: () => withSource((req) => req.headers.authorization),
    says: [
      "400",
      'The token still has its scheme, "Bearer", before it.',
      'the option "token" of requireAuth() returned a text that begins with "Bearer "',
      "return the token alone, or what bearerToken(req) returns",
    ],
  },
  {
    is: "a token source that reads cookies without a parser",
    make: () => withSource((req) => (req as unknown as express.Request).cookies.session),
    says: ["500", "the option `token` reads cookies, which nothing has parsed", 'write cookieToken("session")'],
  },
  {
    is: "an onError that forgets to answer",
    make: withSilentOnError,
    says: ["the onError of requireAuth() has neither answered nor called next within 3000 ms: its request waits"],
  },
  {
    is: "getAuth behind optionalAuth",
    make: () =>
      inExpress(optionalAuth({ client, token: () => undefined }), (req: http.IncomingMessage, res: express.Response) =>
        res.json(getAuth(req).user),
      ),
    says: ["401", "The request carries no token, and is anonymous. A handler that allows that reads req.user"],
  },
  {
    is: "getAuth behind optionalAuth, in Koa",
    make: () =>
      inKoa(forKoa.optionalAuth({ client, token: () => undefined }), async (ctx: forKoa.KoaContext) => {
        ctx.body = await messageOf(() => forKoa.getAuth(ctx));
        throw new Error(String(ctx.body));
      }),
    says: ["A handler that allows that reads ctx.state.user"],
  },
  {
    is: "healthHandler that is not called",
    make: () => inExpress(healthHandler),
    says: ["500", "healthHandler is to be called: app.use(healthHandler())"],
  },
  {
    is: "healthHandler of a client whose ready() was never called",
    make: () => inExpress(healthHandler({ client: stubAuthClient() })),
    says: ["503", "its client's ready() has not resolved so far"],
  },
];
