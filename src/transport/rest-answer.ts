import { create, type DescMethod, fromJson, type JsonValue, type Message } from "@bufbuild/protobuf";
import { GetUserLocalsResponseSchema } from "../../gen/auth/auth_service_pb.js";
import { answerDefect, operationOf } from "./operation.js";

/** What the REST side sent is no answer. Its message names the fault, never the content. */
export class MalformedAnswerError extends Error {}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Reads the body of a REST answer: the response message as JSON, in snake_case or lowerCamelCase, unknown fields ignored; the locals
 * of a user as `{"locals":[{"id"}…]}`.
 *
 * @throws MalformedAnswerError for anything else
 */
export function decodeRestAnswer(method: DescMethod, body: Uint8Array): Message {
  const json = parseObject(body);
  requireKeys(method, json);
  const message = operationOf(method) === "GetUserLocals" ? decodeLocals(json) : decodeMessage(method, json);
  const defect = answerDefect(method, message);
  if (defect) throw new MalformedAnswerError(defect);
  return message;
}

type JsonObject = { readonly [key: string]: JsonValue };

function parseObject(body: Uint8Array): JsonObject {
  let json: JsonValue;
  try {
    json = JSON.parse(utf8.decode(body));
  } catch {
    throw new MalformedAnswerError("not JSON"); // the parser's message quotes the body
  }
  if (typeof json !== "object" || json === null || Array.isArray(json))
    throw new MalformedAnswerError("not a JSON object");
  return json;
}

/** `fromJson` fills in what is missing: look before it does. `is_active` may be missing, that means false. */
function requireKeys(method: DescMethod, json: JsonObject): void {
  const has = (...names: string[]) => names.some((name) => Object.hasOwn(json, name));
  switch (operationOf(method)) {
    case "VerifyToken":
      if (!has("user_id", "userId")) throw new MalformedAnswerError("no user_id");
      return;
    case "GetOrganization":
      if (!has("id")) throw new MalformedAnswerError("no organization id");
      return;
    case "GetUserPermissions":
      if (!Array.isArray(json.permissions)) throw new MalformedAnswerError("no list of permissions");
      return;
    case "GetUserLocals":
      if (!Array.isArray(json.locals)) throw new MalformedAnswerError("no list of locals");
  }
}

function decodeMessage(method: DescMethod, json: JsonObject): Message {
  try {
    return fromJson(method.output, json, { ignoreUnknownFields: true });
  } catch {
    throw new MalformedAnswerError("wrong shape"); // protobuf's message quotes the value
  }
}

function decodeLocals(json: JsonObject): Message {
  const localIds = (json.locals as JsonValue[]).map((local) => {
    const id = local !== null && typeof local === "object" && !Array.isArray(local) ? local.id : undefined;
    if (typeof id !== "string" || id === "") throw new MalformedAnswerError("a local without an id");
    return id;
  });
  return create(GetUserLocalsResponseSchema, { localIds });
}
