import { distinctToken, subjectOf } from "../kit/tokens.js";

/** More users than a crowd can send. */
const USERS = 10_000_000;

/** Tokens of users who come once each, and who can be told from those of other crowds. */
export function newcomersOf(crowd: number): () => { token: string; user: string } {
  let next = crowd * USERS;
  return () => {
    const user = next++;
    return { token: distinctToken(user), user: `user-${user}` };
  };
}

export function crowdOf(token: string): number {
  return Math.floor(Number(subjectOf(token)?.sub.slice("user-".length)) / USERS);
}
