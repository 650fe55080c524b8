import Koa, { type Context, type ParameterizedContext } from "koa";
import {
  type AuthClient,
  getAuth,
  type KoaMiddleware,
  optionalAuth,
  requireAnyPermission,
  requireAuth,
  requireLocal,
  requireModule,
  requireOrganization,
  requirePermission,
  requireUser,
  type User,
} from "portero/koa";

declare const client: AuthClient;

const app = new Koa();

app.use(requireAuth());
app.use(requireAuth({ client, realm: "catalog", fresh: true }));
app.use(optionalAuth({ token: (ctx) => ctx.headers.toString() }));
app.use(optionalAuth({ invalidToken: "anonymous" }));
app.use(requireAuth({ onError: (error, ctx) => Object.assign(ctx, { status: error.status, body: error.code }) }));
app.use(requireAuth({ token: (ctx: Context) => ctx.cookies.get("session") }));

// What is attached is typed.
app.use((ctx, next) => {
  const user: User | undefined = ctx.state.user;
  const email: string | undefined = ctx.state.user?.email;
  const locals: readonly string[] | undefined = ctx.state.locals;
  const id: string = getAuth(ctx).user.id;
  ctx.body = { user, email, locals, id };
  return next();
});

app.use(requirePermission("products:read"));
app.use(requireAnyPermission("admin", "owner"));
app.use(requireModule("inventory"));
app.use(requireLocal({ header: "X-Local-ID" }, { fresh: true }));
app.use(requireLocal((ctx: Context) => ctx.query.local));
app.use(requireOrganization({ query: "organization" }));
app.use(requireUser(({ user }, ctx: Context) => ctx.path === `/${user.id}`));

// A state and a context of one's own.
interface OwnState {
  requestId: string;
}
const own = new Koa<OwnState>();
own.use(requireAuth());
own.use(requirePermission("products:read"));
own.use((ctx) => {
  const requestId: string = ctx.state.requestId;
  ctx.body = { requestId, id: getAuth(ctx).user.id };
});

export const middleware: KoaMiddleware = requireAuth();
export const handler = (ctx: ParameterizedContext): string => getAuth(ctx).user.id;
