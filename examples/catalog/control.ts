import express, { type Express } from "express";
import type { DevAuthService } from "./auth-service.js";
import { findUser } from "./directory.js";

/** A handle on the development auth service: new tokens, and its two sides stopped and started. Not for the world outside. */
export function createControl(auth: DevAuthService): Express {
  const app = express();

  app.get("/token/:user", async (req, res) => {
    const user = findUser(req.params.user);
    if (!user) return void res.status(404).type("text").send("There is no such user.\n");
    res.type("text").send(await auth.signToken(user.id));
  });

  app.post("/:action/:side", async (req, res) => {
    const { action, side } = req.params;
    if (!isOneOf(action, ["stop", "start"]) || !isOneOf(side, ["grpc", "rest"])) {
      return void res.status(404).type("text").send("POST /stop/grpc, /start/grpc, /stop/rest or /start/rest\n");
    }
    await auth[side][action]();
    res.type("text").send(`${side}: ${action === "stop" ? "stopped" : "started"}\n`);
  });
  return app;
}

function isOneOf<T extends string>(value: string, values: readonly T[]): value is T {
  return (values as readonly string[]).includes(value);
}
