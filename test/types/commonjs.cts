import express = require("express");
import portero = require("portero");
import client = require("portero/client");
import koa = require("portero/koa");
import testing = require("portero/testing");

const app = express();
app.use(portero.requireAuth({ client: testing.stubAuthClient() }));
app.get("/locals/:localId", portero.requireLocal("localId"), (req, res) => {
  const localId: string = req.params.localId;
  const id: string = portero.getAuth(req).user.id;
  res.json({ localId, id, user: req.user?.email });
});

export const middleware: koa.KoaMiddleware = koa.requireAuth();
export const error: client.AuthError = new portero.AuthError("missing_token");
