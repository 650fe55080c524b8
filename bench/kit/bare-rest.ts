import { Agent } from "node:http";
import got from "got";

/** Asks the auth service over REST with got alone, on connections that stay. */
export function bareRest(restUrl: string, timeoutMs: number): (token: string) => Promise<unknown> {
  const url = `${restUrl}/auth/verify`;
  const agent = { http: new Agent({ keepAlive: true }) };
  return (token) =>
    got.post(url, { json: { token }, agent, timeout: { request: timeoutMs }, retry: { limit: 0 } }).json();
}
