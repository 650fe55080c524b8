// The older majors are installed beside the newer ones, and have no types under these names; what we use of both is the same.
declare module "express4" {
  export { default } from "express";
}
declare module "koa2" {
  export { default } from "koa";
}
