/** For tests that count the calls or connections of one server: between two connections to it, questions are hedged and asked again. */
export const ONE_CONNECTION = { connections: { min: 1 } } as const;
