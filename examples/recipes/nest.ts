import "reflect-metadata";
import {
  type ArgumentsHost,
  type CanActivate,
  Catch,
  Controller,
  type ExceptionFilter,
  type ExecutionContext,
  Get,
  type MiddlewareConsumer,
  Module,
  type NestModule,
  Param,
  Post,
  Req,
  UseGuards,
} from "@nestjs/common";
import { APP_FILTER, NestFactory, Reflector } from "@nestjs/core";
import type { Request, Response } from "express";
import { AuthError, authenticate, getAuth, requireAuth, requireLocal, toProblem } from "portero";

const Permissions = Reflector.createDecorator<string[]>();

/** Lets through users with every permission that the handler and its controller name. Behind `requireAuth`, or the guard below. */
class PermissionGuard implements CanActivate {
  readonly #reflector = new Reflector();

  canActivate(context: ExecutionContext): boolean {
    const permissions = this.#reflector.getAllAndMerge(Permissions, [context.getHandler(), context.getClass()]);
    if (permissions.length === 0) throw new Error("PermissionGuard needs @Permissions([...]) beside it");
    const { user } = getAuth(context.switchToHttp().getRequest<Request>());
    if (permissions.every((permission) => user.permissions.includes(permission))) return true;
    throw new AuthError("insufficient_scope", { permissions });
  }
}

/** Authenticates where no middleware does. `fresh`: the auth service is asked each time. */
class FreshAuthGuard implements CanActivate {
  async canActivate(context: ExecutionContext): Promise<boolean> {
    await authenticate(context.switchToHttp().getRequest<Request>(), { attach: true, fresh: true });
    return true;
  }
}

/** Answers what guards and handlers throw as the middleware does: status, body, challenge and Retry-After. */
@Catch(AuthError)
class AuthErrorFilter implements ExceptionFilter<AuthError> {
  catch(error: AuthError, host: ArgumentsHost): void {
    const { status, headers, body } = toProblem(error);
    host.switchToHttp().getResponse<Response>().status(status).set(headers).send(body);
  }
}

@Controller()
class ShopController {
  @Get("locals/:localId/products")
  products(@Req() req: Request, @Param("localId") local: string) {
    return { user: getAuth(req).user.id, locals: getAuth(req).locals, local };
  }

  @Post("products")
  @Permissions(["products:write"])
  @UseGuards(PermissionGuard)
  addProduct(@Req() req: Request) {
    return { by: getAuth(req).user.id };
  }
}

@Controller("refunds")
@Permissions(["refunds:write"])
@UseGuards(FreshAuthGuard, PermissionGuard)
class RefundsController {
  @Post()
  refund(@Req() req: Request) {
    return { by: getAuth(req).user.id };
  }
}

@Module({
  controllers: [ShopController, RefundsController],
  providers: [{ provide: APP_FILTER, useClass: AuthErrorFilter }],
})
class AppModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(requireAuth()).exclude("refunds").forRoutes("{*path}"); // configured from the environment
    consumer.apply(requireLocal("localId")).forRoutes("locals/:localId/{*path}");
  }
}

const app = await NestFactory.create(AppModule);
await app.listen(Number(process.env.PORT ?? 3000));
console.log(await app.getUrl());
