import type { RequestListener } from "node:http";
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from "express";
import express4 from "express4";
import Koa, { type Middleware } from "koa";
import Koa2 from "koa2";
import type {
  AuthClient,
  AuthError,
  GuardSource,
  LocalGuardOptions,
  OptionalAuthOptions,
  RequestLike,
  VerifiedToken,
} from "../../src/index.js";
import * as forExpress from "../../src/index.js";
import * as forKoa from "../../src/koa.js";

/** A middleware of any framework. */
export type Step = (...args: never[]) => unknown;

export interface FaceOptions {
  client?: AuthClient;
  token?: (request: RequestLike) => string | null | undefined;
  realm?: string;
  resourceMetadata?: string;
  fresh?: boolean;
  onUnknown?: (facts: forExpress.TokenFacts, request: RequestLike) => forExpress.UnknownTokenVerdict;
}

/** The names that `portero` and `portero/koa` both have. */
interface Doorman {
  requireAuth(options?: FaceOptions): Step;
  optionalAuth(options?: FaceOptions & OptionalAuthOptions): Step;
  requirePermission(...all: string[]): Step;
  requireAnyPermission(...some: string[]): Step;
  requireUser(predicate: (auth: VerifiedToken, request: RequestLike) => boolean | Promise<boolean>): Step;
  requireLocal(source: GuardSource<RequestLike>, options?: LocalGuardOptions): Step;
  requireOrganization(source: GuardSource<RequestLike>): Step;
  requireModule(...modules: string[]): Step;
}

/** One framework with our middleware for it. */
export interface Face extends Doorman {
  readonly name: string;
  readonly framework: "express" | "koa";
  /** `requireAuth` that hands errors on to the framework's own handler. */
  requireAuthHandingOn(options: FaceOptions): Step;
  /** The pattern of a route whose last parameter may be missing. */
  optionalParameter(prefix: string, parameter: string): string;
  /**
   * An app with one route, which tells what it knows of the user. Errors that reach the framework are told as
   * `{ thrown: message }`.
   */
  serve(path: string, ...steps: Step[]): RequestListener;
  /** The same, with the framework's own error handler. */
  serveBare(path: string, ...steps: Step[]): RequestListener;
}

/** What the route of {@link Face.serve} answers. */
export interface Told {
  /** What the framework's request, or Koa's state, carries. */
  readonly user?: unknown;
  readonly locals?: unknown;
  /** What `getAuth` says; its code where it throws. */
  readonly auth: VerifiedToken | string;
}

function told(attached: { user?: unknown; locals?: unknown }, getAuth: () => VerifiedToken): Told {
  const { user, locals } = attached;
  try {
    return { user, locals, auth: getAuth() };
  } catch (error) {
    return { user, locals, auth: (error as AuthError).code ?? String(error) };
  }
}

function expressFace(name: string, create: () => Express, optional: Face["optionalParameter"]): Face {
  const serveBare = (path: string, ...steps: Step[]): Express => {
    const app = create();
    const answer: RequestHandler = (req, res) => {
      res.json(told(req, () => forExpress.getAuth(req)));
    };
    app.all(path, ...(steps as unknown as RequestHandler[]), answer);
    return app;
  };
  const onThrown: ErrorRequestHandler = (error, _req, res, _next) => {
    res.status(500).json({ thrown: error.message });
  };
  return {
    ...forExpress,
    name,
    framework: "express",
    requireAuthHandingOn: (options) =>
      forExpress.requireAuth({ ...options, onError: (error, _req, _res, next) => next(error) }),
    optionalParameter: optional,
    serve: (path, ...steps) => serveBare(path, ...steps).use(onThrown),
    serveBare,
  };
}

function koaFace(name: string, create: () => Koa): Face {
  const serveBare = (path: string, ...steps: Step[]): Koa => {
    const app = create();
    app.silent = true;
    app.use(routeTo(path));
    for (const step of steps) app.use(step as unknown as Middleware);
    app.use((ctx) => {
      ctx.body = told(ctx.state, () => forKoa.getAuth(ctx));
    });
    return app;
  };
  return {
    ...forKoa,
    name,
    framework: "koa",
    requireAuthHandingOn: (options) =>
      forKoa.requireAuth({
        ...options,
        onError: (error) => {
          throw error;
        },
      }),
    optionalParameter: (prefix, parameter) => `${prefix}/:${parameter}?`,
    serve: (path, ...steps) => serveBare(path, tellingErrors as Step, ...steps).callback(),
    serveBare: (path, ...steps) => serveBare(path, ...steps).callback(),
  };
}

const tellingErrors: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    ctx.status = 500;
    ctx.body = { thrown: (error as Error).message };
  }
};

/** A router of one route, which leaves on the context what `@koa/router` leaves. */
function routeTo(pattern: string): Middleware {
  const names = [...pattern.matchAll(/:(\w+)/g)].map(([, name]) => name as string);
  const regExp = new RegExp(`^${pattern.replace(/\/:\w+\?/g, "(?:/([^/]+))?").replace(/:\w+/g, "([^/]+)")}$`);
  return async (ctx, next) => {
    const found = regExp.exec(ctx.path)?.slice(1);
    if (!found) return;
    const present = found.flatMap((value, at) => (value === undefined ? [] : [[names[at], decodeURIComponent(value)]]));
    Object.assign(ctx, { params: Object.fromEntries(present), _matchedRoute: pattern });
    await next();
  };
}

export const express5Face = expressFace("Express 5", express, (prefix, parameter) => `${prefix}{/:${parameter}}`);
export const express4Face = expressFace("Express 4", express4, (prefix, parameter) => `${prefix}/:${parameter}?`);
export const koa3Face = koaFace("Koa 3", () => new Koa());
export const koa2Face = koaFace("Koa 2", () => new Koa2());

export const faces: readonly Face[] = [express5Face, express4Face, koa3Face, koa2Face];
