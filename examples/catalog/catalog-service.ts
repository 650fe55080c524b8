import { randomUUID } from "node:crypto";
import express, { type Express } from "express";
import {
  type AuthClient,
  getAuth,
  getAuthClient,
  optionalAuth,
  requireAuth,
  requireLocal,
  requireModule,
  requirePermission,
} from "portero";

interface Product {
  id: string;
  name: string;
  priceCents: number;
  stock: number;
}

/**
 * A catalog of products per local.
 *
 * @param client default: the one that the environment describes
 */
export function createCatalog(client: AuthClient = getAuthClient()): Express {
  const products = new Map<string, Product[]>([
    ["madrid", [{ id: "p1", name: "Barra de pan", priceCents: 120, stock: 40 }]],
    ["toledo", [{ id: "p2", name: "Mazapán", priceCents: 450, stock: 12 }]],
    ["bilbao", [{ id: "p3", name: "Periódico", priceCents: 200, stock: 30 }]],
  ]);
  const productsOf = (localId: string) => products.get(localId) ?? [];
  const app = express();

  // Open to all. The status names the upstreams: in production, keep it inside of your network.
  app.get("/health", (_req, res) => {
    res.json(client.status());
  });

  // Open to anonymous requests, with a little more for users. A bad token is refused all the same.
  app.get("/products", optionalAuth({ client }), (req, res) => {
    const names = [...products.values()].flat().map(({ name }) => name);
    res.json({ products: names, yourLocals: req.locals ?? [] });
  });

  // Everything below is for users.
  app.use(requireAuth({ client }));

  // So that you can see at work what portero does; your own service needs no such header.
  app.use((req, res, next) => {
    res.set("X-Auth-Source", getAuth(req).source);
    next();
  });

  app.get("/locals/:localId/products", requireLocal("localId"), (req, res) => {
    res.json({ products: productsOf(req.params.localId) });
  });

  // The guards come before the parser: the body of a request that is refused is not read.
  app.post(
    "/locals/:localId/products",
    requireLocal("localId"),
    requirePermission("products:write"),
    express.json(),
    (req, res) => {
      const { name, priceCents } = (req.body ?? {}) as Partial<Product>;
      if (typeof name !== "string" || name === "" || !Number.isSafeInteger(priceCents)) {
        return void res.status(400).json({ detail: "a product has a name and a priceCents" });
      }
      const product: Product = { id: randomUUID(), name, priceCents: priceCents as number, stock: 0 };
      products.set(req.params.localId, [...productsOf(req.params.localId), product]);
      res.status(201).json({ product, createdBy: getAuth(req).user.email });
    },
  );

  // Only for organizations that have the module.
  app.get("/locals/:localId/inventory", requireLocal("localId"), requireModule("inventory"), (req, res) => {
    res.json({ stock: productsOf(req.params.localId).map(({ id, name, stock }) => ({ id, name, stock })) });
  });

  return app;
}
